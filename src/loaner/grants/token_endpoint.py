"""What goes to a token endpoint, and how its answer is read: the same for a code that is redeemed and for a refresh."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from loaner.catalog.provider import Provider
from loaner.catalog.provider_parts import Refusal
from loaner.provider_call.transport import Answer, ProviderTransport, Unanswered
from loaner.secret import Secret
from loaner.settings import Connector


@dataclass(frozen=True)
class TokenSet:
    """What a token endpoint granted. Lifetimes in seconds."""

    access: Secret
    refresh: Secret | None
    expires_in: float | None
    refresh_expires_in: float | None
    permissions: frozenset[str]

    def as_secret(self) -> Secret:
        refresh = self.refresh.reveal() if self.refresh else None
        return Secret(json.dumps({"access": self.access.reveal(), "refresh": refresh}))


_ABOUT_THE_CLIENT = frozenset({"invalid_client", "unauthorized_client", "unsupported_grant_type"})
_FINAL = frozenset({"invalid_grant", "invalid_request", "invalid_scope"})
_PASSING = frozenset({"server_error", "temporarily_unavailable", "slow_down"})
"""The words of RFC 6749 §5.2, and those of §4.1.2.1 and RFC 8628 §3.5 that some servers send here too."""


class NoTokens(Exception):
    """The answer grants nothing. The text is for the log; it holds no provider prose."""


async def ask(
    transport: ProviderTransport, url: str, provider: Provider, connector: Connector, form: Mapping[str, str | Secret]
) -> Answer:
    """Post to a token endpoint as the connector's client (RFC 6749 §2.3.1).

    It is sent once: what it spends is single use, and a second try would look like a replay. Raises
    :class:`Unanswered`, also where an answer leaves open whether there are tokens now: whoever asked has to list them.
    """
    sent = {name: value.reveal() if isinstance(value, Secret) else value for name, value in form.items()}
    secret, basic = connector.client_secret, None
    if secret and provider.consent.client_auth == "basic":
        basic = (connector.client_id, secret)
    else:
        sent["client_id"] = connector.client_id
        if secret and provider.consent.client_auth == "post":
            sent["client_secret"] = secret.reveal()
    answer = await transport.exchange("POST", url, headers={"Accept": "application/json"}, form=sent, basic=basic)
    if says_nothing(answer) or (answer.status < HTTPStatus.MULTIPLE_CHOICES and not _decides(answer.body, provider)):
        raise Unanswered(sent=True, why=f"status {answer.status}")
    return answer


def says_nothing(answer: Answer) -> bool:
    """Is it as good as none? A gateway's error may hide that the provider did what it was asked, and so does an answer
    of success that cannot be read."""
    if answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return not isinstance(answer.body, dict)
    return answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _decides(body: Mapping[str, Any], provider: Provider) -> bool:
    """Does it grant tokens, or refuse them in so many words?"""
    ok = provider.consent.ok_field
    refused = isinstance(body.get("error"), str) or (ok is not None and body.get(ok) is False)
    return refused or _access(body) is not None


def token_set(body: Mapping[str, Any], provider: Provider, asked: frozenset[str]) -> TokenSet:
    """Read a token answer. Raises :class:`NoTokens` when it holds no access token.

    Slack may put the person's token one level down, under ``authed_user``. A missing ``scope`` means what was asked
    (RFC 6749 §5.1); an empty one, from apps whose registration fixes the permissions, means that nothing is said.
    """
    answer, access = _flat(body), _access(body)
    if access is None:
        raise NoTokens("the answer holds no access token")
    refresh = answer.get("refresh_token")
    scope = answer.get("scope")
    words = scope if isinstance(scope, list) else str(scope).replace(",", " ").split()
    return TokenSet(
        access=Secret(access),
        refresh=Secret(refresh) if isinstance(refresh, str) and refresh else None,
        # A token that comes with a refresh token ends, whether or not the answer says when.
        expires_in=_seconds(answer.get("expires_in")) or (provider.grant.lifetime if refresh else None),
        refresh_expires_in=_seconds(answer.get("refresh_token_expires_in")),
        permissions=asked if scope is None else frozenset(map(str, words)),
    )


def error_word(answer: Answer) -> str | None:
    """The ``error`` of a token endpoint's answer (RFC 6749 §5.2; GitHub and Slack send it with HTTP 200)."""
    word = answer.body.get("error") if isinstance(answer.body, dict) else None
    return word if isinstance(word, str) else None


def refusal(answer: Answer, provider: Provider) -> Refusal | Literal["unknown"]:
    """What a refused refresh means for the grant.

    RFC 6749 §5.2: a 400 with an ``error`` that is not about the client, nor about this moment, is final; also
    ``invalid_request``, as our request does not vary. The provider's own words come first.
    """
    word = error_word(answer)
    if word in provider.grant.refusals:
        return provider.grant.refusals[word]
    if answer.status == HTTPStatus.UNAUTHORIZED or word in _ABOUT_THE_CLIENT:
        return "client"  # in answer to a refresh, 401 is about the client whatever word comes with it
    known = {"grant_broken": "final", "rate_limited": "passing", "unavailable": "passing"}
    if word and (meaning := known.get(provider.means(word) or "")):
        return "final" if meaning == "final" else "passing"
    if word in _PASSING or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return "passing"
    return "final" if word in _FINAL or (word and answer.status == HTTPStatus.BAD_REQUEST) else "unknown"


def _flat(body: Mapping[str, Any]) -> dict[str, Any]:
    nested = next((part for part in body.values() if isinstance(part, dict) and "access_token" in part), {})
    return {**nested, **body}


def _access(body: Mapping[str, Any]) -> str | None:
    access = _flat(body).get("access_token")
    return access if isinstance(access, str) and access else None


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() else None
    return float(value) if isinstance(value, int | float) and 0 < value < math.inf else None
