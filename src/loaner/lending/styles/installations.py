"""Where the app is installed, as one person reaches it: which account a credential can be for, and what is in the way.

Source: https://docs.github.com/en/rest/apps/installations#list-app-installations-accessible-to-the-user-access-token
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from loaner.catalog.result import look
from loaner.clock import Now
from loaner.errors import LoanerError, ScopeNotGrantable
from loaner.lending.loan import MintRequest
from loaner.lending.styles.mint_refusals import (
    not_accepted,
    not_honoured,
    not_installed,
    not_now,
    refused_mint,
    suspended,
)
from loaner.provider_call import Answer, ProviderTransport, Unanswered, replication
from loaner.provider_call.failures import out_of_reach

_KEPT = timedelta(minutes=1)
"""An app that was installed a minute ago is there."""
_MOST_GRANTS, _MOST_PAGES, _PAGE = 10_000, 10, 100
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")


@dataclass(frozen=True)
class Installation:
    """The app on one account."""

    account: str
    own: bool
    """Of a person, rather than of an organisation."""
    permissions: frozenset[str] | None
    """What its owner accepted; ``None`` where that cannot be read."""
    suspended: bool
    app: str

    def lacking(self, ask: MintRequest) -> frozenset[str]:
        """What of the wanted permissions was not accepted there."""
        if self.permissions is None:
            return frozenset()
        held = self.permissions
        return frozenset(one for one in ask.scope.permissions if not ask.provider.covers(held, frozenset({one})))


@dataclass(frozen=True)
class Chosen:
    """The account that a credential is for, and those that it might have been for as well, with why it is not."""

    account: str
    left_out: tuple[tuple[str, str], ...]
    fresh: bool
    """The list was asked for just now."""


@dataclass(frozen=True)
class _Listed:
    installations: tuple[Installation, ...]
    at: datetime


class Installations:
    """Asked for with the grant's own token, and kept for a minute."""

    def __init__(
        self, transport: ProviderTransport, honours: Callable[[MintRequest], Awaitable[bool | None]], now: Now
    ) -> None:
        self._transport = transport
        self._honours = honours
        self._now = now
        self._listed: dict[str, _Listed] = {}

    async def choose(self, ask: MintRequest, *, fresh: bool = False) -> Chosen:
        """An account for a call about no one repository: the one that it names, else the first that will do.

        Raises what stands in the way where there is none.
        """
        kept = self._kept(ask)
        if kept is None or fresh:
            kept, fresh = await self.of(ask), True
        wanted = ask.scope.account
        for one in kept:
            if one.account.casefold() == (wanted or one.account).casefold() and not _in_the_way(one, ask):
                others = [other for other in kept if other is not one]
                left_out = tuple((other.account, _in_the_way(other, ask) or "another account") for other in others)
                return Chosen(one.account, left_out, fresh)
        if not fresh:
            return await self.choose(ask, fresh=True)
        raise await self.why(ask, wanted, kept)

    async def of(self, ask: MintRequest) -> tuple[Installation, ...]:
        """All of them, asked for now. Raises what a mint raises."""
        if len(self._listed) >= _MOST_GRANTS:
            self._listed.clear()
        found = list[Installation]()
        for page in range(1, _MOST_PAGES + 1):
            entries = await self._page(ask, page)
            found += [one for one in map(_read, entries) if one]
            if len(entries) < _PAGE:
                break
        self._listed[ask.grant.id] = _Listed(tuple(found), self._now())
        return tuple(found)

    async def why(self, ask: MintRequest, target: str, listed: tuple[Installation, ...]) -> LoanerError:
        """Why there is no credential for ``target``, or, where that is empty, for any of these accounts."""
        there = next((one for one in listed if target.casefold() in {"", one.account.casefold()}), None)
        if there is None:
            return not_installed(ask, target, [one.account for one in listed])
        if there.suspended:
            return suspended(ask, there.account)
        lacking = there.lacking(ask)
        asks_for = await self._asked_for(ask, there.app) if lacking else None
        return not_accepted(ask, there.account, own=there.own, lacking=lacking, asks_for=asks_for)

    def _kept(self, ask: MintRequest) -> tuple[Installation, ...] | None:
        listed = self._listed.get(ask.grant.id)
        return listed.installations if listed and self._now() - listed.at < _KEPT else None

    async def _page(self, ask: MintRequest, page: int) -> list[Any]:
        where = ask.provider.lending.targets
        if where is None:
            raise ScopeNotGrantable(f"{ask.provider.title} cannot narrow a credential to {ask.scope.resource}.")
        answer = await self._asked(ask, where, {"per_page": str(_PAGE), "page": str(page)})
        if answer.status != HTTPStatus.OK:
            raise refused_mint(answer, ask, "")
        listed = look(answer.body, "installations")
        return listed if isinstance(listed, list) else []

    async def _asked(self, ask: MintRequest, where: str, query: dict[str, str]) -> Answer:
        """Ask with the grant's own token, which may have been renewed milliseconds ago. Raises what a mint raises."""
        method, url = ask.provider.request(where)
        for wait in (*ask.provider.lending.replication.waits, None):
            try:
                answer = await self._transport.exchange(
                    method, url, headers=ask.provider.headers, query=query, bearer=ask.grant_token
                )
            except Unanswered as failure:  # a look mints nothing
                if failure.lasting:
                    raise out_of_reach(ask.provider, failure) from None
                raise not_now(ask, str(failure)) from None
            if answer.status != HTTPStatus.UNAUTHORIZED:
                return answer
            if await self._honours(ask) is False:
                raise not_honoured(answer.status, ask)
            if wait is not None:
                await replication.sleep(wait)
        raise not_now(ask, "the grant's token is refused, and the check does not say that it is dead")

    async def _asked_for(self, ask: MintRequest, app: str) -> frozenset[str] | None:
        """The permissions that the app asks for, accepted or not; ``None`` where that cannot be found out."""
        request = ask.provider.lending.app
        if request is None or not app:
            return None
        method, url = ask.provider.request(request, app=app)
        try:
            answer = await self._transport.exchange(method, url, headers=ask.provider.headers, bearer=ask.grant_token)
        except Unanswered:
            return None
        return _permissions(look(answer.body, "permissions")) if answer.status == HTTPStatus.OK else None


def _in_the_way(one: Installation, ask: MintRequest) -> str:
    """Why a credential cannot be for this one; empty if it can."""
    if one.suspended:
        return "suspended"
    lacking = one.lacking(ask)
    return f"{', '.join(sorted(lacking))} not accepted there" if lacking else ""


def _read(entry: Any) -> Installation | None:
    """An installation that names no account (an enterprise's) is no target."""
    name, app = look(entry, "account.login"), look(entry, "app_slug")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return None
    return Installation(
        name,
        own=look(entry, "target_type") == "User",
        permissions=_permissions(look(entry, "permissions")),
        suspended=look(entry, "suspended_at") is not None,
        app=app if isinstance(app, str) and _NAME.fullmatch(app) else "",
    )


def _permissions(said: Any) -> frozenset[str] | None:
    return frozenset(f"{name}:{level}" for name, level in said.items()) if isinstance(said, dict) else None
