"""Lending: one credential for one call, on behalf of one person.

The order is the security: the intent is durable before the provider is asked, the sealed credential is durable
before it is used, and giving back begins on every way out.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from functools import partial

import anyio

from loaner.blocks import blocks
from loaner.blocks.blocks import Party
from loaner.blocks.calls_in_flight import CallsInFlight
from loaner.catalog import BoundCall
from loaner.clock import Now
from loaner.errors import (
    GrantBroken,
    LoanerError,
    OutcomeUnknown,
    ProviderUnavailable,
    ScopeNotGrantable,
    StoreUnusable,
)
from loaner.failpoints import reached
from loaner.grants.refresh import Refresher
from loaner.lending import journal
from loaner.lending.journal import SHARED
from loaner.lending.loan import (
    Borrower,
    Loan,
    Minted,
    MintRequest,
    OpenRecord,
    Outdated,
    Style,
    handback,
)
from loaner.lending.revocations import Revocations
from loaner.lending.shared import SharedPlace, Sharing, limits_when_shared
from loaner.limits.limiter import Limiter
from loaner.provider_call import Unanswered, replication
from loaner.provider_call.failures import out_of_reach
from loaner.scope import Scope
from loaner.secret import Secret
from loaner.store import Store


class Lender:
    def __init__(
        self,
        store: Store,
        styles: Mapping[str, Style],
        refresher: Refresher,
        revocations: Revocations,
        now: Now,
        limiter: Limiter,
        running: CallsInFlight,
        sharing: Sharing,
    ) -> None:
        self.store = store
        self.styles = styles
        self.refresher = refresher
        self.revocations = revocations
        self.now = now
        self.limiter = limiter
        self.running = running
        self.sharing = sharing

    @asynccontextmanager
    async def lend(self, borrower: Borrower, bound: BoundCall, scope: Scope, record: OpenRecord) -> AsyncIterator[Loan]:
        """Lend one credential for one call. Leaving the block starts giving it back, whatever happened inside.

        Where credentials run low, a read inside a task may get one that others use as well (:mod:`.sharing`).
        """
        place = await self.sharing.place(borrower, bound, scope, record)
        loan, ask, loan_id = (place and place.taken) or await self._own(borrower, bound, scope, record, place)
        try:
            _refuse_other_width(loan, ask)
            reached("call.before")
            with self.running.call(borrower.party, changes=bound.operation.effect != "read"):
                yield loan
            reached("call.answered")
        except GrantBroken as failure:
            record.failed(failure)
            again = await self._refused(ask, failure)
            record.failed(again)
            raise again from None
        except BaseException as failure:
            record.failed(failure)
            raise
        finally:
            with anyio.CancelScope(shield=True):
                try:
                    if bound.operation.effect != "read":
                        await self._write_outcome(loan_id, record)
                finally:
                    if place:
                        await place.leave(record)
                    else:
                        self._begin_return(loan.id, loan.credential, ask, record)

    async def _refused(self, ask: MintRequest, failure: GrantBroken) -> LoanerError:
        """The credential of a call was refused. Only the provider's word on the grant's own token is about the grant.

        Raises :class:`GrantBroken` when the grant turns out to be over.
        """
        title = ask.provider.title
        if await self.styles[ask.provider.lending.style].honours(ask) is False:
            # It may be one that was replaced, or evicted, meanwhile: then the grant is still good.
            await self.refresher.renewed(ask.grant, ask.provider, ask.connector)
            told = f"{title} did not accept the credential, so nothing was done; it has been renewed."
            again = ProviderUnavailable(told, do="Repeat the call now.", log=failure.log)
        else:
            told = f"{title} does not know yet the credential that it made for this call, so nothing was done."
            again = ProviderUnavailable(told, do="Repeat the call in 10 s.", log=failure.log)
        again.undone = failure.undone
        return again

    async def _own(
        self, borrower: Borrower, bound: BoundCall, scope: Scope, record: OpenRecord, place: SharedPlace | None
    ) -> tuple[Loan, MintRequest, str]:
        """A credential that is minted for this call."""
        with place.filling() if place else nullcontext() as fill:
            ask, loan_id, rung = await self._intend(borrower, bound, scope, record)
            record.handed_over = True  # from here on, the record is closed together with the loan
            # Neither a caller who goes away nor a stop may leave a mint under way that nobody waits for.
            with self.refresher.transport.unbroken.section():
                loan = await self._minted(ask, loan_id, record, SHARED if place else rung, borrower.party)
            if fill:
                fill(loan, ask)
        return loan, ask, loan_id

    async def _intend(
        self, borrower: Borrower, bound: BoundCall, scope: Scope, record: OpenRecord
    ) -> tuple[MintRequest, str, str | None]:
        """A live token of the grant, and the loan on it, written down before anything is minted.

        Raises :class:`RateLimited` when the provider's limits leave no room for the call.
        """
        loan_id, body, provider = secrets.token_hex(16), record.body(), bound.operation.provider
        while True:
            await self._not_blocked(borrower.party)
            grant, token = await self.refresher.fresh(borrower.grant_id, provider, borrower.connector)
            ask, at = MintRequest(provider, borrower.connector, grant, token, scope), self.now()
            intend = partial(
                journal.intend,
                loan_id=loan_id,
                ask=ask,
                caller=borrower.caller,
                call_id=borrower.call_id,
                record=body,
                at=at,
            )
            reached("intent.before")
            self.revocations.use(loan_id)
            try:
                rung = await self.limiter.granted(borrower.account, bound, intend)
            except journal.TokenMoved:
                continue  # another process is replacing it; fresh() waits for that
            except BaseException:
                self.revocations.unused(loan_id)
                raise
            reached("intent.written")
            return ask, loan_id, rung

    async def _minted(self, ask: MintRequest, loan_id: str, record: OpenRecord, rung: str | None, party: Party) -> Loan:
        """The credential, sealed in the journal before anyone can use it; :class:`PolicyDenied` when blocked."""
        try:
            minted, ask = await self._accepted(ask, party)
            reached("mint.answered")
        except Unanswered as failure:
            error = ProviderUnavailable(
                f"{ask.provider.title} gave no usable answer when a credential was asked for. Nothing was sent.",
                do="Repeat the call in a minute.",
                log=str(failure),
            )
            if failure.lasting:
                error = out_of_reach(ask.provider, failure)
            record.failed(error)
            if failure.sent:
                # It may have minted one that we never saw: the loan stays listed until it must have expired.
                await self.revocations.give_up(loan_id, record.body(), "the provider did not answer the mint")
            else:
                await self.revocations.not_lent(loan_id, record.body())
            raise error from None
        except LoanerError as failure:
            record.failed(failure)
            await self.revocations.not_lent(loan_id, record.body())
            raise
        except Exception as failure:
            # Nobody foresaw it, so nobody can say that nothing was minted.
            record.failed(failure)
            await self.revocations.give_up(loan_id, record.body(), "the mint failed inside loaner")
            raise
        try:
            loan = self._loan(loan_id, ask, minted)
            if rung == SHARED:
                loan = replace(loan, limits=limits_when_shared(loan.limits))
            record.needed(ask.scope)
            record.lent(loan, rung=rung)
            body, keep = record.body(), loan.style != "pass_through"
            written = partial(
                journal.lent, store=self.store, loan_id=loan_id, minted=minted, record=body, keep=keep, party=party
            )
            block = await self.store.write(partial(written, at=loan.minted_at))
            reached("credential.sealed")
            if block:
                raise block.refusal()  # noqa: TRY301 - it leaves as every other failure here, giving the key back
        except BaseException as failure:
            record.failed(failure)
            self._begin_return(loan_id, minted.credential, ask, record)
            raise
        return loan

    async def _accepted(self, ask: MintRequest, party: Party) -> tuple[Minted, MintRequest]:
        """Mint; where the provider says that the grant's token is dead, once more with a renewed one.

        Raises :class:`GrantBroken` when the grant is over, or is said to be dead although it was just renewed.
        """
        try:
            return await self._narrowest(ask, party)
        except GrantBroken:
            await self._not_blocked(party)
            grant, token = await self.refresher.renewed(ask.grant, ask.provider, ask.connector)
        ask = replace(ask, grant=grant, grant_token=token)
        for wait in ask.provider.lending.replication.waits:  # the renewed one is milliseconds old
            try:
                return await self._narrowest(ask, party, again=True)
            except GrantBroken:
                await replication.sleep(wait)
        try:
            return await self._narrowest(ask, party, again=True)
        except GrantBroken:
            await self.refresher.retire(grant, f"{ask.provider.title} says that its token is dead")
            raise

    async def _narrowest(self, ask: MintRequest, party: Party, *, again: bool = False) -> tuple[Minted, MintRequest]:
        """Mint what the call needs or, where the provider accepts either and the app has only the other, that.

        Raises what the first attempt raised when none can be had. ``again``: none of them is the first request.
        """
        style = self.styles[ask.provider.lending.style]
        refusal: ScopeNotGrantable | None = None
        for scope in _ways(ask.scope):
            if scope.only != ask.scope.only and refusal and not refusal.of_names:
                break
            one = replace(ask, scope=scope)
            try:
                if again or refusal:
                    await self._not_blocked(party)
                reached("mint.before")
                return await self._made(style, one, party), one
            except ScopeNotGrantable as refused:
                if refused.of_target:
                    raise
                refusal = refusal or refused
        raise refusal or ScopeNotGrantable(f"{ask.provider.title} cannot give {ask.scope.told()}.")

    async def _made(self, style: Style, ask: MintRequest, party: Party) -> Minted:
        try:
            return await style.mint(ask)
        except Outdated:
            await self._not_blocked(party)
            return await style.mint(ask)

    async def _not_blocked(self, party: Party) -> None:
        """A look before a request that no intent has just been admitted for. Raises :class:`PolicyDenied`.

        Nothing is decided by it, the intent decides; it keeps a grant from being refreshed for a call that is stopped,
        and a slow mint from being followed by another after ``stop`` has given up waiting for it.
        """
        for block in await self.store.read(blocks.listed):
            if block.covers(party):
                raise block.refusal()

    def _loan(self, loan_id: str, ask: MintRequest, minted: Minted) -> Loan:
        needed = ask.scope.permissions
        # Where the provider does not say what it gave, what was asked for is what the record can claim.
        given = minted.permissions or needed
        return Loan(
            id=loan_id,
            style=ask.provider.lending.style,
            credential=minted.credential,
            permissions=given,
            excess=ask.provider.excess(given, needed),
            limits=ask.scope.limits,
            minted_at=self.now(),
            expires_at=minted.expires_at,
            within=minted.within,
            beyond=minted.beyond,
            left_out=minted.left_out,
            known=(ask.grant_token, ask.connector.client_secret),
        )

    async def _write_outcome(self, loan_id: str, record: OpenRecord) -> None:
        """What a write did is durable before anyone is told. A read's record may follow."""
        body = record.body()
        try:
            await self.store.write(lambda c: journal.returning(c, loan_id, record=body))
            reached("outcome.written")
        except StoreUnusable as failure:
            raise OutcomeUnknown(
                "the call was made, but how it ended could not be recorded.",
                do="Check whether it happened before repeating it.",
                log=failure.log,
            ) from None

    def _begin_return(self, loan_id: str, credential: Secret, ask: MintRequest, record: OpenRecord) -> None:
        self.revocations.begin(handback(loan_id, credential, ask, record.body()))


def _refuse_other_width(loan: Loan, ask: MintRequest) -> None:
    """A provider may give something else than was asked (RFC 6749 §5.1). Less would fail there, so it fails here;
    more than asked is a wider key than anybody agreed to, unless the provider cannot narrow and that was said."""
    title, told = ask.provider.title, ask.scope.told()
    if ask.scope.permissions and not any(
        ask.provider.covers(loan.permissions, enough) for enough in (ask.scope.permissions, *ask.scope.alternatives)
    ):
        raise ScopeNotGrantable(f"{title} gave less than {told}.")
    if loan.style != "pass_through" and loan.excess - ask.provider.always:
        raise ScopeNotGrantable(f"{title} gave more than {told}; it was given back unused.")
    if loan.beyond:
        raise ScopeNotGrantable(f"{title} gave a credential for {loan.beyond} instead of {told}; it went back unused.")


def _ways(scope: Scope) -> Iterator[Scope]:
    """The scopes that a credential for this call may have, the wanted one first."""
    yield from (scope.instead(permissions) for permissions in (scope.permissions, *scope.alternatives))
    yield from scope.without_one()
