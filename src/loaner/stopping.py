"""Stop, now: a block first, then what is under way, then what was lent, then what was granted.

The order is the promise. Once the block is durable nothing new begins; once the calls under way have ended nothing
is sent any more; and only then are credentials ended at the providers and tried, to see that they are dead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

import anyio
import structlog
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus
from sqlalchemy import Connection, Row, select

from loaner.background import every
from loaner.blocks import blocks
from loaner.blocks.blocks import Block, Kind, Party
from loaner.blocks.calls_in_flight import CallsInFlight
from loaner.clock import Now, iso
from loaner.consent.events import NoteEvent
from loaner.errors import GrantBroken, LoanerError, StoreUnusable
from loaner.grants import endings, loan_rows, pending_pairs
from loaner.grants.grants import NOT_OVER, Grant, grant_of
from loaner.grants.revoke import Revoked, Revoker
from loaner.identity.caller import Agent, Caller, Subject
from loaner.lending import journal
from loaner.lending.revocations import Revocations
from loaner.store import Store, owner
from loaner.store.tables import grants, loans

log = structlog.get_logger(__name__)
PATIENCE = 10.0
"""Seconds for calls under way, here and in other processes, to end and to give back what they hold."""
FINISH_EVERY = 30.0
"""Seconds between two looks for grants that a provider would not end."""
_LOOK_AGAIN = 0.02
_AT_ONCE = 8
_TRIES = 3
_UNFINISHED = "not confirmed: loaner failed while it was ended, and tries again (its log says why)"


class EndYeses(Protocol):
    """Ends the approvals and the open questions that a block covers; how many of each."""

    def __call__(self, connection: Connection, block: Block, *, at: datetime) -> tuple[int, int]: ...


@dataclass(frozen=True)
class LoanEnded:
    """What became of a credential that was out when the block went up."""

    provider: str
    resource: str
    confirmed: bool
    how: str
    latest_expiry: datetime
    server: str
    """The process that saw to it last."""


@dataclass(frozen=True)
class Stopped:
    """What was done, and what of it the providers confirmed. Durations in seconds."""

    block: Block
    cancelled: int
    """Calls that were under way in this process."""
    approvals: int
    questions: int
    loans: Sequence[LoanEnded]
    grants: Sequence[Revoked]
    blocked_in: float
    quiet_in: float
    """Until nothing that it covers was under way any more; then, or when patience ran out, credentials were ended."""
    took: float

    @property
    def confirmed(self) -> bool:
        return all(loan.confirmed for loan in self.loans) and all(grant.confirmed for grant in self.grants)


class Stopper:
    """Puts blocks up and takes them away."""

    def __init__(
        self,
        store: Store,
        revoker: Revoker,
        revocations: Revocations,
        running: CallsInFlight,
        *,
        end_yeses: EndYeses,
        note: NoteEvent,
        now: Now,
    ) -> None:
        self.store = store
        self.revoker = revoker
        self.revocations = revocations
        self.running = running
        self.end_yeses = end_yeses
        self.note = note
        self.now = now
        self._ending: set[str] = set()

    async def stop(self, kind: Kind, value: str, by: Caller) -> Stopped:
        """Stop whatever the block covers, and end its loans and grants. Once it returns, nothing more is sent.

        A grant belongs to a person and serves all their agents, so stopping an agent ends none.
        Raises :class:`StoreUnusable` when the block could not be put up; then nothing was done.
        """
        began = anyio.current_time()
        block = Block(kind, value, by.display or by.subject.sub, self.now())
        # Whoever goes away meanwhile: what is begun here is carried through.
        with anyio.CancelScope(shield=True):
            approvals, questions, ending = await self._put_up(block, by)
            blocked_in = anyio.current_time() - began
            watched, cancelled = await self._quiet(block)
            quiet_in = anyio.current_time() - began
            done = await self._end_grants(ending, by.subject.key)
            watched += await self.store.read(lambda c: _lost_pairs(c, block))
            ended = await self._loans_ended(watched)
        took = anyio.current_time() - began
        return Stopped(block, cancelled, approvals, questions, ended, done, blocked_in, quiet_in, took)

    async def end_grant(self, grant_id: str) -> Revoked:
        """The same for one grant, as its owner wants it. It needs no lifting afterwards: the person is asked anew.

        Raises :class:`GrantBroken` when it has ended already.
        """
        grant = await self.revoker.grants.get(grant_id)
        issuer, _, sub = grant.subject.partition(" ")
        agent = Agent("loaner pages", "loaner")
        who = Caller(Subject(issuer, sub), agent, grant.environment, "loaner's pages", display="the user")
        stopped = await self.stop("grant", grant_id, who)
        if not stopped.grants:
            raise GrantBroken("the grant has ended already.")
        await self.store.write(lambda c: blocks.lift_block(c, "grant", grant_id))
        return stopped.grants[0]

    async def resume(self, kind: Kind, value: str, by: Caller) -> bool:
        """Lift a block; whether it stood. What was revoked stays so: people are asked to connect again."""

        def work(connection: Connection) -> bool:
            stood = blocks.lift_block(connection, kind, value)
            if stood:
                self._note_block(connection, "resume", kind, value, by)
            return stood

        return await self.store.write(work)

    async def standing(self) -> list[Block]:
        """Every block, the oldest first."""
        return await self.store.read(blocks.listed)

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Try again to end what a provider would not. Until cancelled."""
        task_status.started()
        await every(FINISH_EVERY, self.finish, what="ending the grants that were revoked")

    async def finish(self) -> list[Revoked]:
        """Try once more to end the grants whose end no provider confirmed."""
        at = self.now()
        found = await self.store.read(lambda c: endings.due(c, self.revocations.environment, at))
        return await self._end_grants(found, None)

    async def end_unused(self, grant: Grant) -> None:
        """End what a provider granted and nobody is going to use, as far as that can be done at once."""
        await self._end_grants([grant], None)

    async def _put_up(self, block: Block, by: Caller) -> tuple[int, int, list[Grant]]:
        def work(connection: Connection) -> tuple[int, int, list[Grant]]:
            blocks.put_block(connection, block)
            approvals, questions = self.end_yeses(connection, block, at=block.at)
            ending = _covered_grants(connection, block)
            for grant in ending:
                endings.block(connection, grant.id, reason=f"{block.told()} by {block.set_by}", at=block.at)
            self._note_block(connection, "revoke", block.kind, block.value, by)
            return approvals, questions, ending

        for _ in range(_TRIES - 1):
            try:
                return await self.store.write(work)
            except StoreUnusable:
                continue  # PostgreSQL may have picked this one to break a deadlock; a block does not give up on that
        return await self.store.write(work)

    async def _quiet(self, block: Block) -> tuple[list[str], int]:
        """Wait until nothing that the block covers is under way; give back what nobody gives back."""
        watched: dict[str, None] = {}
        cancelled = 0
        with anyio.move_on_after(PATIENCE):
            while True:
                cancelled += self.running.stop([block])
                out = await self.store.read(lambda c: _out(c, block))
                watched |= dict.fromkeys(row.id for row in out)
                # Those that were tried had their turn, and a provider that said no; of a lost one nobody has the key.
                if all(row.attempts or journal.is_lost(row) for row in out):
                    break
                await self.revocations.sweep()  # where a process died, nobody else would
                await anyio.sleep(_LOOK_AGAIN)
        for row in await self.store.read(lambda c: _out(c, block)):
            if not journal.is_anothers(row):  # to take it over would lose what that process knows
                await self.revocations.end_now(row.id)
        return list(watched), cancelled

    async def _end_grants(self, ending: Sequence[Grant], by: str | None) -> list[Revoked]:
        done: list[Revoked] = []
        limit = anyio.CapacityLimiter(_AT_ONCE)

        async def end(grant: Grant) -> None:
            began = anyio.current_time()
            try:
                async with limit:
                    ended = await self.revoker.end(grant, self._noting(by), patience=PATIENCE, thorough=by is not None)
            except GrantBroken:
                return  # another process ended it meanwhile
            except LoanerError as failure:
                log.warning("a grant could not be ended", grant=grant.id, reason=failure.log or failure.cause)
                ended = Revoked(grant, confirmed=False, how=_UNFINISHED)
            except Exception:  # nothing that is wrong with one may keep the others from being ended
                log.exception("a grant could not be ended", grant=grant.id)
                ended = Revoked(grant, confirmed=False, how=_UNFINISHED)
            finally:
                self._ending.discard(grant.id)
            done.append(replace(ended, took=anyio.current_time() - began))

        mine = [grant for grant in ending if grant.id not in self._ending]
        self._ending.update(grant.id for grant in mine)
        async with anyio.create_task_group() as tasks:
            for grant in mine:
                tasks.start_soon(end, grant)
        return sorted(done, key=lambda one: (one.grant.provider, one.grant.created_at))

    def _noting(self, by: str | None) -> Any:
        def ended(connection: Connection, revoked: Revoked) -> None:
            grant = revoked.grant
            self.note(
                connection,
                "grant_ended",
                subject=grant.subject,
                at=self.now(),
                environment=grant.environment,
                provider=grant.provider,
                connector=grant.connector,
                grant_id=grant.id,
                reason=None if by is None or by == grant.subject else f"stopped by {by}",
                outcome="ok" if revoked.confirmed else "unknown",
                returned_how=revoked.how,
                returned_confirmed=revoked.confirmed,
                returned_at=iso(self.now()),
            )

        return ended

    def _note_block(self, connection: Connection, verb: str, kind: Kind, value: str, by: Caller) -> None:
        self.note(
            connection,
            verb,
            subject=by.subject.key,
            at=self.now(),
            **by.agent.recorded(),
            environment=by.environment,
            origin=by.origin,
            resource=f"block:{kind} {value}".rstrip(),
            outcome="ok",
        )

    async def _loans_ended(self, watched: Sequence[str]) -> list[LoanEnded]:
        rows = await self.store.read(lambda c: c.execute(select(loans).where(loans.c.id.in_(watched))).all())
        return [
            LoanEnded(
                row.provider,
                row.resource,
                confirmed=row.state in {"returned", "failed"},
                how=row.returned_how or f"not confirmed: {_why(row)}",
                latest_expiry=row.latest_expiry,
                server=owner.told(row.owner),
            )
            for row in rows
        ]


def _covered_grants(connection: Connection, block: Block) -> list[Grant]:
    """Those to end: also the ones that an earlier attempt could not."""
    rows = connection.execute(select(grants).where(grants.c.state.in_(NOT_OVER))).all()
    found = map(grant_of, rows)
    return [one for one in found if block.covers(Party(one.subject, "", one.environment, one.connector, one.id))]


def _why(row: Row[Any]) -> str:
    if journal.is_anothers(row):
        return f"the server ({owner.told(row.owner)}) alone knows it, and ends it"
    return row.last_error or (
        "it was issued to nobody" if row.style == pending_pairs.PAIR else "its call has not ended"
    )


def _lost_pairs(connection: Connection, block: Block) -> list[str]:
    """Pairs that a provider may have issued and that are in no grant."""
    lost = select(loans).where(loans.c.state.in_(loan_rows.OPEN), loans.c.style == pending_pairs.PAIR)
    return [row.id for row in connection.execute(lost) if block.covers(row)]


def _out(connection: Connection, block: Block) -> list[Row[Any]]:
    """Loans that may be in use, or not be given back yet."""
    lent = loans.c.style.not_in((pending_pairs.PAIR, journal.SHARED))  # what is shared ends with the loan itself
    rows = connection.execute(select(loans).where(loans.c.state.in_(loan_rows.OPEN), lent)).all()
    return [row for row in rows if block.covers(row)]
