"""The calls of this process that are under way, so that a block, or the end of their task, ends them too.

Both may come about anywhere: on a page that another process serves, by the clock. So the store is looked at while
calls are under way; a call that has yet to begin looks for itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import anyio

from loaner.background import attempt, every
from loaner.blocks import blocks
from loaner.blocks.blocks import Block, Party
from loaner.errors import LoanerError, OutcomeUnknown, PolicyDenied
from loaner.store import Store

LOOK_EVERY = 0.1
"""Seconds between two looks while calls are under way."""
_REMEMBERED = 256
"""Tasks that ended last: a call of one may be counted already and not be here yet."""

Over = Callable[[Collection[str]], Awaitable[set[str]]]
"""Which of these tasks do not run any more."""
Ended = Callable[[bool], LoanerError]
"""What a call is told that was ended; ``True`` where it may have been carried out by then."""


@dataclass(eq=False)
class _Call:
    scope: anyio.CancelScope
    party: Party | None = None
    task: str | None = None
    ended: Ended | None = None

    def end(self, why: Ended) -> bool:
        """Whether this is what ended it."""
        if self.ended is not None:
            return False
        self.ended = why
        self.scope.cancel()
        return True


class CallsInFlight:
    """What is under way here, and how to stop it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._calls: set[_Call] = set()
        self._over: deque[str] = deque(maxlen=_REMEMBERED)
        self._some = anyio.Event()

    @contextmanager
    def call(self, party: Party, *, changes: bool) -> Iterator[None]:
        """A call that a block may end from outside. ``changes``: it may have been carried out by then.

        Raises :class:`PolicyDenied` or :class:`OutcomeUnknown` when it was ended.
        """
        with self._under_way(_Call(anyio.CancelScope(), party=party), changes=changes):
            yield

    @asynccontextmanager
    async def of_task(self, task: str | None, *, changes: bool) -> AsyncIterator[None]:
        """A call that ends with its task, if it is a part of one. Raises as :meth:`call`."""
        if task is None:
            yield
            return
        call = _Call(anyio.CancelScope(), task=task)
        if task in self._over:  # it ended between the count that was taken and here
            call.end(_with_its_task)
        with self._under_way(call, changes=changes):
            yield

    @contextmanager
    def _under_way(self, call: _Call, *, changes: bool) -> Iterator[None]:
        self._calls.add(call)
        self._some.set()
        try:
            with call.scope:
                yield
        finally:
            self._calls.discard(call)
        if call.ended and call.scope.cancelled_caught:
            raise call.ended(changes)

    def stop(self, standing: Sequence[Block]) -> int:
        """Cancel every call here that one of the blocks covers; how many."""
        stopped = 0
        for call in self._calls:
            if call.party and (block := _covering(standing, call.party)):
                stopped += call.end(_by(block))
        return stopped

    def stop_task(self, task: str) -> None:
        """Cancel every call here that is a part of it."""
        self._over.append(task)
        for call in self._calls:
            if call.task == task:
                call.end(_with_its_task)

    async def watch(self, over: Over) -> None:
        """Stop what other processes blocked, and what is a part of a task that is ``over``. Runs until cancelled."""

        async def look_for_blocks() -> None:
            if any(call.party for call in self._calls):
                self.stop(await self.store.read(blocks.listed))

        async def look_for_tasks() -> None:
            if tasks := {call.task for call in self._calls if call.task}:
                for task in await over(tasks):
                    self.stop_task(task)

        async def look() -> None:
            await attempt(look_for_blocks, what="looking for blocks")
            await look_for_tasks()

        await every(self._until_due, look, what="looking for tasks that are over", at_once=False)

    async def _until_due(self) -> None:
        if not self._calls:
            self._some = anyio.Event()
            await self._some.wait()
        await anyio.sleep(LOOK_EVERY)


def _covering(standing: Sequence[Block], party: Party) -> Block | None:
    return next((block for block in standing if block.covers(party)), None)


def _by(block: Block) -> Ended:
    def ended(changes: bool) -> LoanerError:
        if not changes:
            return block.refusal()
        return OutcomeUnknown(
            f"{block.told()} since this call began, and it may have been carried out.",
            do=f"Check whether it happened. Ask {block.set_by} how to go on.",
            dont="Don't repeat the call.",
            log="ended by a block",
        )

    return ended


def _with_its_task(changes: bool) -> LoanerError:
    words = "the task that this call was a part of ended while it ran"
    if not changes:
        return PolicyDenied(f"{words}.", rule="task-ended", do="Call it again if it is still wanted.")
    return OutcomeUnknown(
        f"{words}, and it may have been carried out.", do="Check whether it happened.", dont="Don't repeat the call."
    )
