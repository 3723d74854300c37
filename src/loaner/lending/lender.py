"""Lending: one credential for one call, on behalf of one person.

The order is the security: the intent is durable before the provider is asked, the sealed credential is durable
before it is used, and giving back begins on every way out.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import anyio

from loaner.caller import Caller
from loaner.catalog import BoundCall
from loaner.clock import Now
from loaner.errors import LoanerError, ProviderUnavailable, ScopeNotGrantable
from loaner.lending import journal
from loaner.lending.loan import Ask, Handback, Loan, Minted, Style
from loaner.lending.refresh import Refresher
from loaner.lending.returning import Returns
from loaner.provider_call import Unanswered
from loaner.scope import Scope
from loaner.settings import Connector
from loaner.store import Store


class OpenRecord(Protocol):
    """The record of the call, as far as lending fills it in."""

    handed_over: bool

    def lent(self, loan: Loan) -> object: ...

    def failed(self, error: BaseException) -> object: ...

    def body(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Need:
    """Who borrows, for which call, on the strength of which grant."""

    call_id: str
    caller: Caller
    connector: Connector
    grant_id: str


class Lender:
    def __init__(
        self, store: Store, styles: Mapping[str, Style], refresher: Refresher, returns: Returns, now: Now
    ) -> None:
        self.store = store
        self.styles = styles
        self.refresher = refresher
        self.returns = returns
        self.now = now

    @asynccontextmanager
    async def lend(self, need: Need, bound: BoundCall, scope: Scope, record: OpenRecord) -> AsyncIterator[Loan]:
        """Lend one credential for one call. Leaving the block starts giving it back, whatever happened inside."""
        provider, connector = bound.operation.provider, need.connector
        grant, token = await self.refresher.fresh(need.grant_id, provider, connector)
        ask = Ask(provider, connector, grant, token, scope)
        style = self.styles[provider.lending.style]
        loan_id = await self._intend(ask, need, record)
        record.handed_over = True  # from here on, the record is closed together with the loan
        # A caller who goes away must not leave a mint under way that nobody waits for.
        with anyio.CancelScope(shield=True):
            loan = await self._minted(style, ask, loan_id, record)
        try:
            self._refuse_less(loan, ask)
            yield loan
        except BaseException as failure:
            record.failed(failure)
            raise
        finally:
            with anyio.CancelScope(shield=True):
                try:
                    if bound.operation.effect != "read":
                        # What a write did is durable before anyone is told; a read's record may follow.
                        body = record.body()
                        await self.store.write(lambda c: journal.returning(c, loan_id, record=body))
                finally:
                    self._begin_return(loan, ask, record)

    async def _minted(self, style: Style, ask: Ask, loan_id: str, record: OpenRecord) -> Loan:
        """The credential, sealed in the journal before anyone can use it."""
        minted = await self._mint(style, ask, loan_id, record)
        loan = self._loan(loan_id, style, ask, minted)
        record.lent(loan)
        try:
            await self._write_down(loan, minted, record)
        except BaseException as failure:
            record.failed(failure)
            self._begin_return(loan, ask, record)
            raise
        return loan

    def _refuse_less(self, loan: Loan, ask: Ask) -> None:
        """A provider may give less than was asked (RFC 6749 §5.1); the call would fail there, so it fails here."""
        if ask.scope.permissions and not ask.provider.covers(loan.permissions, ask.scope.permissions):
            raise ScopeNotGrantable(f"{ask.provider.title} gave less than {ask.scope.told()}.")

    async def _intend(self, ask: Ask, need: Need, record: OpenRecord) -> str:
        loan_id, body, at = secrets.token_hex(16), record.body(), self.now()
        await self.store.write(
            lambda c: journal.intend(c, loan_id, ask, need.caller, call_id=need.call_id, record=body, at=at)
        )
        return loan_id

    async def _mint(self, style: Style, ask: Ask, loan_id: str, record: OpenRecord) -> Minted:
        try:
            return await style.mint(ask)
        except Unanswered as failure:
            error = ProviderUnavailable(
                f"{ask.provider.title} did not answer when a credential was asked for. Nothing was sent.",
                do="Repeat the call in a minute.",
            )
            record.failed(error)
            if failure.sent:
                # It may have minted one that we never saw: the loan stays listed until it must have expired.
                await self.returns.give_up(loan_id, record.body(), "the provider did not answer the mint")
            else:
                await self.returns.not_lent(loan_id, record.body())
            raise error from None
        except LoanerError as failure:
            record.failed(failure)
            await self.returns.not_lent(loan_id, record.body())
            raise

    async def _write_down(self, loan: Loan, minted: Minted, record: OpenRecord) -> None:
        body, at = record.body(), loan.minted_at
        keep = loan.style != "held"
        await self.store.write(lambda c: journal.lent(c, self.store, loan.id, minted, record=body, at=at, keep=keep))

    def _loan(self, loan_id: str, style: Style, ask: Ask, minted: Minted) -> Loan:
        scope = ask.scope
        # Where the provider does not say what it gave, what was asked for is what the record can claim.
        given = minted.permissions or scope.permissions
        return Loan(
            id=loan_id,
            style=style.name,
            credential=minted.credential,
            permissions=given,
            excess=ask.provider.excess(given, scope.permissions),
            limits=scope.limits,
            minted_at=self.now(),
            expires_at=minted.expires_at,
        )

    def _begin_return(self, loan: Loan, ask: Ask, record: OpenRecord) -> None:
        self.returns.begin(
            Handback(loan.id, loan.credential, loan.style, ask.provider.name, ask.connector.name, record.body())
        )
