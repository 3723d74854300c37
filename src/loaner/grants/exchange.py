"""What consent asks of a provider: tokens for a yes, and whose account it is.

Secrets leave here in request forms only, through the one transport.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from loaner.catalog.provider import Provider
from loaner.grants.device_flow import Body
from loaner.grants.token_endpoint import ask, says_nothing
from loaner.provider_call import ProviderTransport, Unanswered, replication
from loaner.secret import Secret
from loaner.settings import Connector

_JSON = {"Accept": "application/json"}
_DENIED = frozenset({"access_denied", "user_denied"})


class ExchangeFailed(Exception):
    """No tokens, or not whose they are. The text is for the log; it holds no provider prose."""


class ExchangeUnknown(ExchangeFailed):
    """No answer, or none that can be read: whether there are tokens now, nobody knows."""


async def post(transport: ProviderTransport, url: str, form: Mapping[str, str | Secret]) -> Body | None:
    """Post to a device endpoint; ``None`` when no usable answer came. Errors may arrive with any status.

    Raises :class:`Unanswered` where waiting does not help.
    """
    try:
        answer = await transport.exchange("POST", url, headers=_JSON, form=_opened(form))
    except Unanswered as lost:
        if lost.lasting:
            raise
        return None
    if says_nothing(answer) or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return None  # ask again, later
    return answer.body if isinstance(answer.body, dict) else None


async def redeem(
    transport: ProviderTransport,
    provider: Provider,
    connector: Connector,
    *,
    code: str,
    verifier: Secret,
    redirect_uri: str,
) -> Body:
    """Exchange an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.5).

    Raises :class:`ExchangeFailed` where there certainly are no tokens, else :class:`ExchangeUnknown`; and
    :class:`Unanswered` where nothing was sent and waiting does not help.
    """
    form: dict[str, str | Secret] = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": verifier,
        "redirect_uri": redirect_uri,
    }
    try:
        answer = await ask(transport, provider.url(provider.consent.token), provider, connector, form)
    except Unanswered as lost:
        if lost.lasting:
            raise
        raise ExchangeUnknown(f"the token endpoint: {lost}") from None
    body = answer.body
    refused = not isinstance(body, dict) or (provider.consent.ok_field and body.get(provider.consent.ok_field) is False)
    if refused or answer.status != HTTPStatus.OK:
        raise ExchangeFailed(f"the token endpoint answered {answer.status} and gave no tokens")
    return dict(body)


async def account(transport: ProviderTransport, provider: Provider, access: Secret) -> tuple[str, str]:
    """The id and the name of the account at the provider that said yes. Raises :class:`ExchangeFailed`.

    The id is what is compared and kept; a name can change hands.
    """
    asks = provider.grant.account
    for wait in (*provider.lending.replication.waits, None):  # the token is milliseconds old
        try:
            answer = await transport.exchange(
                asks.method,
                provider.url(asks.at),
                headers=provider.headers,
                json={"query": asks.graphql} if asks.graphql else None,
                bearer=access,
            )
        except Unanswered:
            raise ExchangeFailed("the provider did not say whose account it is") from None
        if answer.status != HTTPStatus.UNAUTHORIZED or wait is None:
            break
        await replication.sleep(wait)
    account_id, name = _at(answer.body, asks.id), _at(answer.body, asks.name)
    team = _at(answer.body, asks.team) if asks.team else None
    if answer.status != HTTPStatus.OK or account_id is None or (asks.team and team is None):
        raise ExchangeFailed(f"asked whose account it is, the provider answered {answer.status}")
    # A Slack user id is unique within its workspace only.
    return (f"{team}/{account_id}" if team else account_id), name or account_id


def is_denial(word: str | None) -> bool:
    """Does this error of an authorization response mean that the person said no (RFC 6749 §4.1.2.1)?"""
    return word in _DENIED


def _opened(form: Mapping[str, str | Secret]) -> dict[str, str]:
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in form.items()}


def _at(body: Any, path: str) -> str | None:
    for step in path.split("."):
        body = body.get(step) if isinstance(body, dict) else None
    return str(body) if isinstance(body, str | int) and not isinstance(body, bool) and body != "" else None
