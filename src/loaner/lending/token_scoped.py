"""GitHub: a user access token cut down to one repository (a search: to those agreed to) and the needed permissions,
revoked after the call.

Source: https://docs.github.com/en/rest/apps/apps#create-a-scoped-access-token and
https://docs.github.com/en/rest/apps/oauth-applications#delete-an-app-token
"""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Any

from loaner.catalog.provider import Provider
from loaner.errors import (
    GrantBroken,
    LoanerError,
    ProviderForbidden,
    ProviderUnavailable,
    RateLimited,
    ScopeNotGrantable,
    SettingsInvalid,
)
from loaner.lending.loan import Ask, Minted, NotReturned
from loaner.provider_call import Answer, ProviderTransport, Unanswered, replication
from loaner.provider_call.failures import explained, out_of_reach
from loaner.provider_call.verdict import documentation, reason_of
from loaner.provider_call.waiting import is_limit, is_used_up, retry_after
from loaner.scope import Scope
from loaner.secret import Secret
from loaner.settings import Connector

_MOST_TARGETS = 10_000
"""Grants whose account is remembered; beyond it, all are asked for anew."""
_UNREADABLE = frozenset({"unreadable"})


class TokenScoped:
    name = "token_scoped"

    def __init__(self, transport: ProviderTransport) -> None:
        self.transport = transport
        self._targets: dict[str, str] = {}

    async def mint(self, ask: Ask) -> Minted:
        provider, scope = ask.provider, ask.scope
        # An empty table would ask for everything that the grant can do.
        asked = dict(permission.rsplit(":", 1) for permission in scope.permissions or provider.always)
        body: dict[str, Any] = {"access_token": ask.grant_token.reveal(), "permissions": asked}
        named = (scope.resource_name,) if scope.resource_kind == "repository" else scope.only
        if named:
            body["target"] = named[0].partition("/")[0]
            if known := _number(scope):  # a repository is held by its id, whatever is called so now
                body["repository_ids"] = [known]
            else:
                body["repositories"] = [one.partition("/")[2] for one in named]
        else:
            body["target"] = await self._any_target(ask)
        method, url = provider.request(provider.lending.mint or "", client_id=ask.connector.client_id)
        answer = await self.transport.exchange(
            method, url, headers=provider.headers, json=body, basic=_client(ask.connector)
        )
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unanswered(sent=True, why=f"mint answered {answer.status}")  # whether it had minted, it does not say
        if answer.status == HTTPStatus.NOT_FOUND:
            raise await self._not_found(ask, str(body["target"]))
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise _refused(answer, ask, str(body["target"]))
        return _minted(answer.body, named, str(body["target"]), body.get("repository_ids", []))

    async def _not_found(self, ask: Ask, target: str) -> LoanerError:
        """404 has two meanings, a token that is dead and a target that is out of reach: the check tells them apart."""
        honoured = await self.honours(ask)
        if honoured is None:
            return _not_now(ask, "mint answered 404, and the check nothing usable")
        return _out_of_reach(ask, target) if honoured else _not_honoured(HTTPStatus.NOT_FOUND, ask)

    async def honours(self, ask: Ask) -> bool | None:
        """The provider's check of the grant's token. Only its 404 is proof that the token is dead."""
        if ask.provider.lending.check is None:
            return None
        try:
            answer = await self._about(
                ask.grant_token, ask.provider.lending.check, ask.provider, ask.connector, "the check of the grant"
            )
        except NotReturned:
            return None
        return {HTTPStatus.OK: True, HTTPStatus.NOT_FOUND: False}.get(HTTPStatus(answer.status))

    async def give_back(self, credential: Secret, provider: Provider, connector: Connector) -> str:
        answer = await self._about(credential, provider.lending.give_back, provider, connector, "the revocation")
        if answer.status == HTTPStatus.NO_CONTENT:
            return f"revoked at {provider.title}"
        if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}:
            # Not proof by itself: a wrong client id answers alike. Only the provider's own check settles it.
            return await self._known_dead(credential, provider, connector)
        raise NotReturned(f"the revocation was answered {answer.status}")

    async def _known_dead(self, credential: Secret, provider: Provider, connector: Connector) -> str:
        answer = await self._about(
            credential, provider.lending.check, provider, connector, "the check after the revocation"
        )
        if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}:
            return f"already dead at {provider.title}"
        raise NotReturned(f"refused to revoke, and the check was answered {answer.status}")

    async def _about(
        self, credential: Secret, request: str | None, provider: Provider, connector: Connector, what: str
    ) -> Answer:
        """Ask the provider something about a credential. Raises :class:`NotReturned` when it does not answer."""
        method, url = provider.request(request or "", client_id=connector.client_id)
        body = {provider.lending.token_field: credential.reveal()}
        try:
            return await self.transport.exchange(
                method, url, headers=provider.headers, json=body, basic=_client(connector)
            )
        except Unanswered:
            raise NotReturned(f"no answer to {what}") from None

    async def _any_target(self, ask: Ask) -> str:
        """An account where the app is installed: an operation on no repository still has to name one."""
        if ask.grant.id not in self._targets:
            where = ask.provider.lending.targets
            if where is None:
                raise ScopeNotGrantable(f"{ask.provider.title} cannot narrow a credential to {ask.scope.resource}.")
            answer = await self._installations(ask, where)
            found = _account_names(answer.body)
            if answer.status != HTTPStatus.OK:
                raise _refused(answer, ask, "")
            if not found:
                raise _out_of_reach(ask, "")
            if len(self._targets) >= _MOST_TARGETS:
                self._targets.clear()
            self._targets[ask.grant.id] = found[0]
        return self._targets[ask.grant.id]

    async def _installations(self, ask: Ask, where: str) -> Answer:
        """Ask with the grant's own token, which may have been renewed milliseconds ago. Raises what a mint raises."""
        method, url = ask.provider.request(where)
        for wait in (*ask.provider.lending.replication.waits, None):
            try:
                answer = await self.transport.exchange(
                    method, url, headers=ask.provider.headers, bearer=ask.grant_token
                )
            except Unanswered as failure:  # a look mints nothing
                if failure.lasting:
                    raise out_of_reach(ask.provider, failure) from None
                raise _not_now(ask, str(failure)) from None
            if answer.status != HTTPStatus.UNAUTHORIZED:
                return answer
            if await self.honours(ask) is False:
                raise _not_honoured(answer.status, ask)
            if wait is not None:
                await replication.sleep(wait)
        raise _not_now(ask, "the grant's token is refused, and the check does not say that it is dead")


def _client(connector: Connector) -> tuple[str, Secret]:
    if connector.client_secret is None:
        raise SettingsInvalid(
            f"the connector {connector.name!r} has no client_secret, and a credential cannot be narrowed without it.",
            do=f"Set connectors.{connector.name}.client_secret to a reference such as env:GITHUB_CLIENT_SECRET.",
        )
    return connector.client_id, connector.client_secret


def _account_names(body: object) -> list[str]:
    """Where the app is installed. An installation that names no account (an enterprise's) is no target."""
    listed = body.get("installations") if isinstance(body, dict) else None
    accounts = [one.get("account") for one in (listed if isinstance(listed, list) else []) if isinstance(one, dict)]
    names = [account.get("login") for account in accounts if isinstance(account, dict)]
    return [name for name in names if isinstance(name, str) and name]


def _number(scope: Scope) -> int | None:
    """The id of the one repository, where it is known."""
    known = scope.resource_id if scope.resource_kind == "repository" else ""
    return int(known) if known.isascii() and known.isdecimal() else None


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
        return "" if found == ids else "other repositories"
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


def _not_honoured(status: int, ask: Ask) -> GrantBroken:
    title = ask.provider.title
    return GrantBroken(f"{title} no longer honours the user's grant.", log=f"{title} answered {status}")


def _out_of_reach(ask: Ask, target: str) -> ScopeNotGrantable:
    title = ask.provider.title
    where = f"on {target}, or there is no such account" if target else "anywhere that this user reaches"
    refused = ScopeNotGrantable(
        f"the {title} app of connector {ask.connector.name} is not installed {where}. Nothing was sent.",
        do=f"Check the name. Otherwise an owner of {target or 'the account'} has to install the app; "
        "what is public but outside of its installations is out of reach.",
    )
    refused.of_target = True
    return refused


def _refused(answer: Answer, ask: Ask, target: str) -> LoanerError:
    """A mint was refused, or never asked for: nothing was lent. ``target`` is the account that it named."""
    title, told = ask.provider.title, ask.scope.told()
    if reason := reason_of(answer, ask.provider):
        return explained(reason, ask.provider, target, f"mint answered {answer.status}, {reason.name}")
    if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY:
        accept = ask.provider.lending.accept
        page = f" ({ask.provider.url(accept, target=target)})" if accept and target else ""
        beyond = ScopeNotGrantable(
            f"connector {ask.connector.name} can't give {told}.",
            do=f"Check the name. Otherwise an operator must give the {title} app this permission, or install it on "
            f"that repository; and an owner of {target or 'the account'} must accept it{page}.",
        )
        said = answer.body.get("message") if isinstance(answer.body, dict) else None
        beyond.of_names = not (isinstance(said, str) and "permissions requested" in said)  # which name, it never says
        return beyond
    if answer.status == HTTPStatus.UNAUTHORIZED:
        # About the app's own credentials. The person's grant is as good as before, and must not be ended for it.
        return SettingsInvalid(
            f"{title} does not accept the client_id and client_secret of the connector {ask.connector.name!r}. "
            "Nothing was sent.",
            do=f"An operator has to set connectors.{ask.connector.name}.client_secret to the app's present one.",
            dont="Don't repeat the call before. The user need not connect anything again.",
            log=f"mint answered {answer.status}",
        )
    if is_limit(answer, ask.provider.rate):
        wait = retry_after(answer.headers, ask.provider.rate)
        limited = RateLimited(f"by {title}: no credential can be minted for {wait} s.", retry_after=wait)
        # Only what is used up is everybody's: of anything else it is not known that another target has it too.
        limited.target = "" if is_used_up(answer.headers, ask.provider.rate) else target
        return limited
    if answer.status == HTTPStatus.FORBIDDEN:
        return _not_admitted(answer, ask, target)
    return _not_now(ask, f"mint answered {answer.status}")


def _not_admitted(answer: Answer, ask: Ask, target: str) -> ProviderForbidden:
    """A definite refusal for this target. Nothing of it is remembered: others are as free as before."""
    title, where = ask.provider.title, target or "this user's accounts"
    return ProviderForbidden(
        f"{title} makes no credential for {where}: the app's installation there is suspended, or {where} does not "
        "admit this address (IP allow list) or this session (SAML). Nothing was sent.",
        do=f"An owner of {where} has to look at it. Calls on other accounts go on.",
        dont="Retrying won't help.",
        log=f"mint answered 403, no limit named {documentation(answer, ask.provider)}".strip(),
    )


def _not_now(ask: Ask, log: str) -> ProviderUnavailable:
    return ProviderUnavailable(
        f"{ask.provider.title} could not make a credential right now. Nothing was sent.",
        do="Repeat the call in a minute.",
        log=log,
    )
