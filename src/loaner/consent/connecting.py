"""Connecting an account before any agent asks: what a person begins on their own page.

It gives reads only, and no approval of anything: a write still asks, and a read that needs more than this asks for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from loaner.catalog import Catalog
from loaner.catalog.provider import Provider
from loaner.clock import Now
from loaner.connectors import Connectors
from loaner.consent import ask, requests
from loaner.consent.reading import Offer
from loaner.consent.requests import ConsentRequest, NewRequest
from loaner.errors import LoanerError
from loaner.grants.grants import Grant, Grants
from loaner.identity.caller import Agent, Caller, Subject
from loaner.settings import Connector, Settings
from loaner.store import Store

_HERE = Agent("loaner", "loaner")


@dataclass(frozen=True)
class ProviderAccount:
    """One registered app, as a person may connect it."""

    connector: Connector
    provider: Provider
    permissions: frozenset[str]
    """What the reading tools shown here usually need; empty where the app's registration fixes it."""
    grant: Grant | None
    """A grant that already covers that."""
    others: tuple[Grant, ...] = ()
    """Grants of less, or of something else: a message that was posted connects an account for posting."""


@dataclass(frozen=True)
class Connecting:
    store: Store
    grants: Grants
    catalog: Catalog
    connectors: Connectors
    settings: Settings
    now: Now
    base_url: Callable[[], str]
    policy_version: str

    async def accounts(self, subject: Subject) -> list[ProviderAccount]:
        """Every app that serves this environment, connected or not."""
        mine = [one for one in await self.grants.usable_of(subject.key) if one.environment == self.settings.environment]
        return [
            self._account(connector, mine)
            for connector in self.connectors
            if not connector.environments or self.settings.environment in connector.environments
        ]

    async def ask(self, subject: Subject, connector: str) -> str | None:
        """Put the question to the person who began it; its handle, or ``None`` where there is nothing to connect.

        Raises :class:`RateLimited` while too many questions wait, :class:`PolicyDenied` when blocked.
        """
        wanted = {one.connector.name: one for one in await self.accounts(subject)}.get(connector)
        if wanted is None or wanted.grant:
            return None
        caller = Caller(subject, _HERE, self.settings.environment, "your own page")

        found = await self.store.write(lambda c: self._put(c, wanted, caller))
        if isinstance(found, LoanerError):
            raise found
        return found.handle

    def _put(self, connection: Connection, wanted: ProviderAccount, caller: Caller) -> ConsentRequest | LoanerError:
        at, name = self.now(), wanted.connector.name
        need = hashlib.sha256(f"connect {name} {sorted(wanted.permissions)}".encode()).hexdigest()
        last = requests.newest(connection, caller.key, need)
        if last and last.state_at(at) in requests.OPEN:
            return last
        asking = ask.Asking(self.store.sealed, self.settings.consent, self.base_url(), self.policy_version, at)
        new = NewRequest(
            caller=caller,
            need=need,
            tool="connect",
            provider=wanted.provider.name,
            connector=name,
            wants_grant=True,
            wants_approval=False,
            digest="",
            shown=_shown(wanted, asks_reading=self.settings.consent.reads == "each"),
        )
        added = ask.add(connection, asking, new)
        return added if isinstance(added, LoanerError) else added[0]

    def _account(self, connector: Connector, mine: list[Grant]) -> ProviderAccount:
        provider = self.catalog.providers[connector.provider]
        pass_through = provider.lending.style == "pass_through"
        reads = (
            one.scope.usual for one in self.catalog.operations if one.provider is provider and one.effect == "read"
        )
        needed = frozenset[str]().union(*reads) if pass_through else frozenset()
        of_it = [grant for grant in mine if grant.connector == connector.name]
        enough = next(
            (grant for grant in of_it if not pass_through or provider.covers(grant.permissions, needed)), None
        )
        return ProviderAccount(connector, provider, needed, enough, tuple(one for one in of_it if one is not enough))


def _shown(wanted: ProviderAccount, *, asks_reading: bool) -> dict[str, Any]:
    told = ", ".join(sorted(wanted.permissions))
    offer = {"reads": Offer.of_account(wanted.provider).stored()} if asks_reading else {}
    return {
        **offer,
        "connect": True,
        "at": wanted.provider.title,
        "phrase": f"connect to {wanted.provider.title} as you",
        "permissions": sorted(wanted.permissions),
        "resource": "",
        "limits": [{"what": "permissions", "value": told, "by": "grant"}] if told else [],
        "may_remember": False,
        "outside": "",
        "target": "",
        "payload": [],
    }
