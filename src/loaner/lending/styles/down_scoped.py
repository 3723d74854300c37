"""GitHub: a user access token cut down to one repository (a search: to those agreed to) and the needed permissions,
revoked after the call.

Source: https://docs.github.com/en/rest/apps/apps#create-a-scoped-access-token and
https://docs.github.com/en/rest/apps/oauth-applications#delete-an-app-token
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Any

from loaner.catalog.provider import Provider
from loaner.catalog.result import look
from loaner.clock import Now
from loaner.errors import LoanerError, ProviderForbidden, ScopeNotGrantable, SettingsInvalid
from loaner.lending.loan import Minted, MintRequest, NotRevoked, Outdated, Revocation
from loaner.lending.styles.installations import Installations
from loaner.lending.styles.mint_refusals import not_given, not_honoured, not_now, refused_mint
from loaner.provider_call import Answer, ProviderTransport, Unanswered
from loaner.provider_call.verdict import reason_of
from loaner.scope import Scope
from loaner.secret import Secret
from loaner.settings import Connector

_UNREADABLE = frozenset({"unreadable"})


class DownScoped:
    name = "down_scoped"

    def __init__(self, transport: ProviderTransport, now: Now) -> None:
        self.transport = transport
        self.installations = Installations(transport, self.honours, now)

    async def mint(self, ask: MintRequest) -> Minted:
        scope = ask.scope
        named = (scope.resource_name,) if scope.resource_kind == "repository" else scope.only
        if named:
            return await self._mint(ask, named[0].partition("/")[0], named)
        if scope.resource_kind == "account":
            return await self._mint(ask, scope.target, ())
        chosen = await self.installations.choose(ask)
        try:
            return replace(await self._mint(ask, chosen.account, ()), left_out=chosen.left_out)
        except (ScopeNotGrantable, ProviderForbidden):
            if not chosen.fresh and (await self.installations.choose(ask, fresh=True)).account != chosen.account:
                raise Outdated from None
            raise

    async def _mint(self, ask: MintRequest, target: str, named: tuple[str, ...]) -> Minted:
        provider, scope = ask.provider, ask.scope
        # An empty table would ask for everything that the grant can do.
        asked = dict(permission.rsplit(":", 1) for permission in scope.permissions or provider.always)
        body: dict[str, Any] = {"access_token": ask.grant_token.reveal(), "permissions": asked, "target": target}
        if named and (known := _numbers(scope, named)):  # held by their ids, whatever is called so now
            body["repository_ids"] = known
        elif named:
            body["repositories"] = [one.partition("/")[2] for one in named]
        method, url = provider.request(provider.lending.mint or "", client_id=ask.connector.client_id)
        answer = await self.transport.exchange(
            method, url, headers=provider.headers, json=body, basic=_client(ask.connector)
        )
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unanswered(sent=True, why=f"mint answered {answer.status}")  # whether it had minted, it does not say
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise await self._refusal(answer, ask, target)
        return _minted(answer.body, named, target, body.get("repository_ids", []))

    async def _refusal(self, answer: Answer, ask: MintRequest, target: str) -> LoanerError:
        """404 has two meanings, a token that is dead and a target that is out of reach: the check tells them apart.
        422 has three, and the list of installations settles which: the account, a permission or a name."""
        if answer.status == HTTPStatus.NOT_FOUND:
            honoured = await self.honours(ask)
            if honoured is None:
                return not_now(ask, "mint answered 404, and the check nothing usable")
            if not honoured:
                return not_honoured(HTTPStatus.NOT_FOUND, ask)
        elif answer.status != HTTPStatus.UNPROCESSABLE_ENTITY or reason_of(answer, ask.provider):
            return refused_mint(answer, ask, target)
        try:
            listed = await self.installations.of(ask)
        except LoanerError:
            return not_given(ask, target, look(answer.body, "message"))
        return await self.installations.why(ask, target, listed)

    async def honours(self, ask: MintRequest) -> bool | None:
        """The provider's check of the grant's token. Only its 404 is proof that the token is dead."""
        if ask.provider.lending.check is None:
            return None
        try:
            answer = await self._about(
                ask.grant_token, ask.provider.lending.check, ask.provider, ask.connector, "the check of the grant"
            )
        except NotRevoked:
            return None
        known: dict[int, bool] = {HTTPStatus.OK: True, HTTPStatus.NOT_FOUND: False}
        return known.get(answer.status)

    async def give_back(self, loan: Revocation, provider: Provider, connector: Connector) -> str:
        answer = await self._about(loan.credential, provider.lending.give_back, provider, connector, "the revocation")
        if answer.status == HTTPStatus.NO_CONTENT:
            return f"revoked at {provider.title}"
        if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}:
            # Not proof by itself: a wrong client id answers alike. Only the provider's own check settles it, and that
            # answers so of a living token too where another app asks.
            if loan.client_id is None:
                raise NotRevoked("refused to revoke, and which app it is of was not kept")
            return await self._known_dead(loan.credential, provider, connector)
        raise NotRevoked(f"the revocation was answered {answer.status}")

    async def _known_dead(self, credential: Secret, provider: Provider, connector: Connector) -> str:
        answer = await self._about(
            credential, provider.lending.check, provider, connector, "the check after the revocation"
        )
        if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}:
            return f"already dead at {provider.title}"
        raise NotRevoked(f"refused to revoke, and the check was answered {answer.status}")

    async def _about(
        self, credential: Secret, request: str | None, provider: Provider, connector: Connector, what: str
    ) -> Answer:
        """Ask the provider something about a credential. Raises :class:`NotRevoked` when it does not answer."""
        method, url = provider.request(request or "", client_id=connector.client_id)
        body = {provider.lending.token_field: credential.reveal()}
        try:
            return await self.transport.exchange(
                method, url, headers=provider.headers, json=body, basic=_client(connector)
            )
        except Unanswered:
            raise NotRevoked(f"no answer to {what}") from None


def _client(connector: Connector) -> tuple[str, Secret]:
    if connector.client_secret is None:
        raise SettingsInvalid(
            f"the connector {connector.name!r} has no client_secret, and a credential cannot be narrowed without it.",
            do=f"Set connectors.{connector.name}.client_secret to a reference such as env:GITHUB_CLIENT_SECRET.",
        )
    return connector.client_id, connector.client_secret


def _numbers(scope: Scope, named: tuple[str, ...]) -> list[int]:
    """The ids of these repositories, where all are known: ids and names cannot be mixed."""
    known = [scope.ids.get(f"repository:{name}", "") for name in named]
    return [int(one) for one in known] if all(one.isascii() and one.isdecimal() for one in known) else []


def _minted(body: object, named: tuple[str, ...], target: str, ids: list[int]) -> Minted:
    """The token before all else: whatever is wrong with the rest of the answer, it is live, and has to go back."""
    if not isinstance(body, dict) or not isinstance(body.get("token"), str) or not body["token"]:
        raise Unanswered(sent=True, why="a mint without a readable token")  # it said yes, so one may exist
    installation = body.get("installation")
    return Minted(
        Secret(body["token"]),
        _given(installation),
        _moment(body.get("expires_at")),
        named or (target,),
        beyond=_beyond(installation, body.get("repositories"), named, target, ids),
    )


def _beyond(installation: object, repositories: object, named: tuple[str, ...], target: str, ids: list[int]) -> str:
    """What else than was asked it says that the credential reaches, in words; empty where it says nothing else."""
    said = installation if isinstance(installation, dict) else {}
    account, chosen = said.get("account"), said.get("repository_selection")
    login = account.get("login") if isinstance(account, dict) else account
    if login is not None and (not isinstance(login, str) or login.casefold() != target.casefold()):
        return "another account"
    if not named:
        return ""
    if chosen not in {None, "selected"}:
        return "every repository of the account"
    listed = repositories if repositories is not None else said.get("repositories")
    if listed is None:
        return ""
    if ids:
        found = [one.get("id") if isinstance(one, dict) else None for one in listed] if isinstance(listed, list) else []
        return "" if sorted(map(str, found)) == sorted(map(str, ids)) else "other repositories"
    names = (
        [one.get("full_name") if isinstance(one, dict) else None for one in listed] if isinstance(listed, list) else []
    )
    reached = sorted(name.casefold() if isinstance(name, str) else "" for name in names)
    return "" if reached == sorted(name.casefold() for name in named) else "other repositories"


def _given(installation: object) -> frozenset[str]:
    """What it says that it gave; nothing where it does not say. What cannot be read fits no call, so it goes back."""
    if installation is None:
        return frozenset()
    said = installation.get("permissions") if isinstance(installation, dict) else installation
    if said is None:
        return frozenset()
    return frozenset(f"{name}:{level}" for name, level in said.items()) if isinstance(said, dict) else _UNREADABLE


def _moment(expires_at: object) -> datetime | None:
    """When it ends by itself; where that cannot be read, nobody knows, and the longest is assumed."""
    try:
        at = datetime.fromisoformat(expires_at) if isinstance(expires_at, str) else None
    except ValueError:
        return None
    return at if at and at.tzinfo else None
