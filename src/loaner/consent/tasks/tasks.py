"""Tasks: proposed, agreed to, binding, and ended."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

import anyio
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from loaner.blocks.calls_in_flight import CallsInFlight
from loaner.catalog import BoundCall, Catalog
from loaner.clock import Now
from loaner.connectors import Connectors
from loaner.consent import ask
from loaner.consent.approvals import ApprovableCall, Approval
from loaner.consent.call import call_for
from loaner.consent.requests import ConsentRequest
from loaner.consent.resolve import Resolver
from loaner.consent.tasks import stored
from loaner.consent.tasks.host_tasks import find, id_of
from loaner.consent.tasks.proposal import Proposal
from loaner.consent.tasks.scope import TaskScope
from loaner.consent.tasks.stored import Holder, Task
from loaner.errors import InvalidArguments, LoanerError, PolicyDenied
from loaner.identity.caller import Caller, HostTask, Subject
from loaner.scope import Scope
from loaner.settings import ConsentSettings
from loaner.store import Store


@dataclass(frozen=True)
class RunningTask:
    """A task as it stands: what is left of it."""

    task: Task
    left: list[Approval]


@dataclass
class Tasks:
    store: Store
    catalog: Catalog
    connectors: Connectors
    settings: ConsentSettings
    now: Now
    base_url: Callable[[], str]
    policy_version: str
    resolver: Resolver
    running: CallsInFlight
    host: Proposal | None = None
    """The task that this server was started with: nothing else is done before the person agreed to it."""

    # What an agent asks.

    async def propose(self, caller: Caller, proposal: Proposal, *, source: str = "agent") -> RunningTask:
        """The task, if the person has agreed to this very proposal; they may have trimmed it.

        Raises what :meth:`loaner.consent.Consents.obtain` raises, and :class:`InvalidArguments`.
        """
        task_scope = proposal.task_scope(caller, self.catalog, self.connectors)

        def work(connection: Connection) -> Task | LoanerError:
            at = self.now()
            for task in stored.held(connection, self.holder(caller), at):
                if task.need == task_scope.need:
                    return task
            return self._asked(connection, caller, task_scope, source=source)

        found = await self.store.write(work)
        if isinstance(found, LoanerError):
            raise found
        return await self._running(found)

    async def require(self, caller: Caller) -> None:
        """Where the host brought a task, with this request or for all: it has to be agreed to before any call."""
        if caller.task is not None:
            await self._supplied(caller, caller.task)
        elif self.host is not None:
            await self.propose(caller, self.host, source="host")

    async def _supplied(self, caller: Caller, supplied: HostTask) -> None:
        """Raises as :meth:`propose`, and :class:`PolicyDenied` for a task that cannot be."""
        try:
            task_scope = Proposal.of(dict(supplied.wanted)).task_scope(caller, self.catalog, self.connectors)
        except InvalidArguments as wrong:
            raise PolicyDenied(f"the task that came with this call is none: {wrong.cause}", rule="task-token") from None
        task_id = id_of(supplied, task_scope, caller)

        def running(connection: Connection) -> bool:
            return find(connection, supplied, task_scope, caller, self.holder(caller), self.now()) is not None

        def work(connection: Connection) -> LoanerError | None:
            at = self.now()
            if running(connection):
                return None
            if supplied.agreed:
                with suppress(IntegrityError), connection.begin_nested():  # or another process was first
                    self.resolver.agreed_by_issuer(connection, caller, self.holder(caller), task_scope, task_id, at)
                return None
            return self._asked(connection, caller, task_scope, source="issuer", supplied=(supplied, task_id))

        if not await self.store.read(running) and (answer := await self.store.write(work)) is not None:
            raise answer

    async def end(self, caller: Caller, task_id: str | None) -> list[Task]:
        """End one running task of this agent, or all of them. Raises :class:`InvalidArguments` if there is none."""
        at = self.now()
        running = await self.store.read(lambda c: stored.held(c, self.holder(caller), at))
        ending = [task for task in running if task_id in {None, task.id}]
        if not ending:
            raise InvalidArguments("no such task is running.", do="loaner_status tells which are.")
        for task in ending:
            await self.end_of(task.id, caller.subject, why="ended by its agent")
        return ending

    async def of(self, caller: Caller) -> list[RunningTask]:
        """What this agent may do something with now."""
        return [await self._running(task) for task in await self.binding(caller) if not task.ended_at]

    async def binding(self, caller: Caller) -> list[Task]:
        """The tasks that a call of this caller may be a part of: one alone, where its host brought one with it.

        And those that its agent ended: it may do no more than before, until they would have ended by themselves.
        """
        at, holder, name = self.now(), self.holder(caller), caller.task.id if caller.task else None
        held = await self.store.read(lambda c: stored.held(c, holder, at))
        if name is not None:
            return [task for task in held if task.need == name]
        return held + await self.store.read(lambda c: stored.lasting(c, holder, at))

    # What a person's browser asks.

    async def of_person(self, subject: Subject) -> list[RunningTask]:
        at = self.now()
        return [
            await self._running(task) for task in await self.store.read(lambda c: stored.all_of(c, subject.key, at))
        ]

    async def agree(self, asked: ConsentRequest, task_scope: TaskScope, *, proven_by: str) -> bool:
        """A yes to a proposal as the person left it. Raises :class:`ValueError` if it is wider than what was asked."""
        self.resolver.clock.refuse()
        if not TaskScope.read(asked.shown["task"]).covers(task_scope):
            raise ValueError("an agreed task is never wider than the proposed one")
        return await self.resolver.agree(asked, task_scope, proven_by=proven_by)

    async def end_of(self, task_id: str, subject: Subject, *, why: str, by_person: bool = False) -> bool:
        """End a task of this person. Calls of it that run here are stopped, and their keys go back at once.

        ``by_person``: on their own page, so that nothing of it holds any longer.
        """
        at = self.now()

        def work(connection: Connection) -> bool:
            ended = stored.end(connection, task_id, subject.key, why, at, by_person=by_person)
            if ended:
                self.resolver.note_ended(connection, subject.key, at, why, task=task_id)
            return ended

        ended = await self.store.write(work)
        if ended:
            self.running.stop_task(task_id)
        return ended

    async def lasting_of(self, subject: Subject) -> list[Task]:
        """Tasks of this person that their agents ended, and that still bind them."""
        at = self.now()
        return await self.store.read(lambda c: stored.lasting_of(c, subject.key, at))

    async def let_go(self, task_id: str, subject: Subject) -> bool:
        """The person lets go of what an ended task demanded; whether it still held."""
        at = self.now()
        return await self.store.write(lambda c: stored.let_go(c, task_id, subject.key, at))

    # What a call asks.

    async def over(self, ids: Collection[str]) -> set[str]:
        """Which of these tasks ended, wherever: in another process, by a block, by the clock."""
        at = self.now()
        return await self.store.read(lambda c: stored.over(c, ids, at))

    async def inside(self, caller: Caller, bound: BoundCall, scope: Scope) -> str | None:
        """The running task that has this call's tool and resource, for the rules to see; nothing is counted."""
        await self.require(caller)
        return await self.fitting(caller, bound, scope)

    async def fitting(self, caller: Caller, bound: BoundCall, scope: Scope) -> str | None:
        """The same, and nobody is asked for a task that has to be agreed to first."""
        running = await self.binding(caller)
        if not running:
            return None
        at = self.now()
        call = call_for(caller, bound, scope, policy_version=self.policy_version, in_task=True)

        def look(connection: Connection) -> str | None:
            return next(
                (one.id for one in running if any(i.fits(call) for i in stored.items(connection, one.id, at))), None
            )

        return await self.store.read(look)

    async def lasting(self, task_id: str, seconds: float) -> None:
        """Return once a task is over, wherever it was ended, and after so many seconds in any case."""
        with anyio.move_on_after(seconds), suppress(PolicyDenied):
            async with self.running.of_task(task_id, changes=False):
                await anyio.sleep_forever()

    def holder(self, caller: Caller) -> Holder:
        return Holder(caller.subject.key, caller.agent.key, caller.environment, self.policy_version)

    def _asked(
        self,
        connection: Connection,
        caller: Caller,
        task_scope: TaskScope,
        *,
        source: str,
        supplied: tuple[HostTask, str] | None = None,
    ) -> LoanerError:
        asking = ask.Asking(self.store.sealed, self.settings, self.base_url(), self.policy_version, self.now())
        return ask.put_task(connection, asking, caller, task_scope, source=source, supplied=supplied)

    def refuses_outside(self, running: list[Task]) -> bool:
        """Is a call outside of these tasks refused, and not put to the person?"""
        if self.settings.outside_task:
            return self.settings.outside_task == "refuse"
        return any(task.source != "agent" for task in running)

    async def outside(self, running: list[Task], call: ApprovableCall) -> str:
        """For the person and the agent: what about this call the running task does not cover."""
        if not running:
            return ""
        why = await self.store.read(lambda c: stored.outside(c, running, call))
        return f"outside the task “{running[0].purpose}”: {why}"

    async def _running(self, task: Task) -> RunningTask:
        at = self.now()
        return RunningTask(task, await self.store.read(lambda c: stored.items(c, task.id, at)))
