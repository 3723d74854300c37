"""What lending works with: what is asked of a provider, what it minted, and the loan itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection

from loaner.blocks.blocks import Party
from loaner.catalog.provider import Provider
from loaner.grants.consent import Consent
from loaner.grants.grants import Grant
from loaner.identity.caller import Caller
from loaner.limits.key import LimitKey
from loaner.scope import Limit, Scope
from loaner.secret import Secret
from loaner.settings import Connector


@dataclass(frozen=True)
class MintRequest:
    """One credential that is wanted: for this scope, from this grant."""

    provider: Provider
    connector: Connector
    grant: Grant
    grant_token: Secret
    scope: Scope


@dataclass(frozen=True)
class Minted:
    """What a provider handed out. ``permissions`` is what it says that it gave."""

    credential: Secret
    permissions: frozenset[str]
    expires_at: datetime | None
    within: tuple[str, ...] = ()
    """What it was narrowed to: repositories such as ``acme/web``, or the account ``acme``."""
    beyond: str = ""
    """What else than was asked the provider says that it reaches, in words."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Accounts that it might have been for as well, and why it is not."""


@dataclass(frozen=True)
class Loan:
    """One credential for one call. It is given back when the ``async with`` that holds it is left."""

    id: str
    style: str
    credential: Secret
    permissions: frozenset[str]
    """What the credential can do; at a provider that cannot narrow, more than the call needs."""
    excess: frozenset[str]
    """What of that goes beyond the call."""
    limits: tuple[Limit, ...]
    minted_at: datetime
    expires_at: datetime | None
    within: tuple[str, ...] = ()
    """What it was narrowed to; empty where the provider cannot narrow."""
    beyond: str = ""
    """What else than was asked the provider says that it reaches: then it is not used."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Accounts that it might have been for as well, and why it is not."""
    known: tuple[Secret | None, ...] = field(default=(), repr=False)
    """Other secrets that it took: the grant's token and the app's. No answer may carry them to an agent either."""

    @property
    def fingerprint(self) -> str:
        return self.credential.fingerprint


@dataclass(frozen=True)
class Revocation:
    """A credential on its way back, and the record that closes with it."""

    loan_id: str
    credential: Secret
    style: str
    provider: str
    connector: str
    client_id: str | None
    """Of the app that it was minted for; ``None`` where nobody knows: then no answer but a revocation ends it."""
    record: dict[str, Any]
    attempts: int = 0
    account_id: str = ""
    """Whose limits a repeated attempt counts against, as the grant names it."""


def handback(loan_id: str, credential: Secret, ask: MintRequest, record: dict[str, Any]) -> Revocation:
    """The return of what was minted for ``ask``."""
    app, provider = ask.connector, ask.provider
    return Revocation(loan_id, credential, provider.lending.style, provider.name, app.name, app.client_id, record)


class OpenRecord(Protocol):
    """The record of the call, as far as lending fills it in."""

    handed_over: bool

    def needed(self, scope: Scope) -> object: ...

    def lent(self, loan: Loan, *, rung: str | None = None) -> object: ...

    def failed(self, error: BaseException) -> object: ...

    def body(self) -> dict[str, Any]: ...


class CloseRecord(Protocol):
    """Closes the record of a call that had a loan, in the transaction that ends the loan."""

    def __call__(
        self, connection: Connection, record: Mapping[str, Any], *, how: str, confirmed: bool, at: datetime
    ) -> None: ...


@dataclass(frozen=True)
class Borrower:
    """Who borrows, for which call, and on the strength of which consent."""

    call_id: str
    caller: Caller
    connector: Connector
    consent: Consent
    account: LimitKey
    """Whose limits it spends."""

    @property
    def grant_id(self) -> str:
        return self.consent.grant.id

    @property
    def task(self) -> str | None:
        """The approved task that the call is counted against."""
        return self.consent.task

    @property
    def party(self) -> Party:
        """Whom a block would stop."""
        who = self.caller
        return Party(who.subject.key, who.agent.key, who.environment, self.connector.name, self.grant_id)


class NotRevoked(Exception):
    """The provider did not confirm that a credential is dead. The reason is safe to keep and to show."""


class Outdated(Exception):
    """What was remembered of where a credential can be for is not so any more; the next attempt knows better."""


class Style(Protocol):
    """One way to narrow a grant to a single call. The list is closed; a new provider picks one."""

    name: str

    async def mint(self, ask: MintRequest) -> Minted:
        """Obtain the credential.

        Raises a :class:`LoanerError`; ``Unanswered(sent=True)`` when nobody knows; :class:`Outdated` once at most.
        """
        ...

    async def honours(self, ask: MintRequest) -> bool | None:
        """Does the provider still honour the grant's own token? ``None`` when it does not say."""
        ...

    async def give_back(self, loan: Revocation, provider: Provider, connector: Connector) -> str:
        """End it and say how, in a few words for the record. Raises :class:`NotRevoked`."""
        ...
