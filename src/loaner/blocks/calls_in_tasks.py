"""The calls of this process that are part of a task, so that its end stops them and their keys go back.

A task may end anywhere: on a page that another process serves, by a block, by the clock. So the store is looked at
while such calls are under way; a call that has yet to begin finds no task to be counted against.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager

import anyio
import structlog

from loaner.errors import LoanerError, OutcomeUnknown, PolicyDenied

log = structlog.get_logger(__name__)
LOOK_EVERY = 0.1
"""Seconds between two looks while calls are under way."""


class CallsInTasks:
    """What is under way here, by task."""

    def __init__(self) -> None:
        self._calls: dict[str, set[anyio.CancelScope]] = defaultdict(set)
        self._over: set[str] = set()
        self._some = anyio.Event()

    def __bool__(self) -> bool:
        return bool(self._calls)

    @asynccontextmanager
    async def during(self, task_id: str | None, *, changes: bool) -> AsyncIterator[None]:
        """A call that stops when its task ends. ``changes``: it may have been carried out by then.

        Raises :class:`PolicyDenied` or :class:`OutcomeUnknown` when it was stopped.
        """
        if task_id is None:
            yield
            return
        with anyio.CancelScope() as scope:
            self._calls[task_id].add(scope)
            self._some.set()
            if task_id in self._over:  # it ended between the count that was taken and here
                scope.cancel()
            try:
                yield
            finally:
                self._calls[task_id].discard(scope)
                if not self._calls[task_id]:
                    del self._calls[task_id]
        if scope.cancelled_caught:
            raise _stopped(changes=changes)

    def stop(self, task_id: str) -> None:
        self._over.add(task_id)
        for scope in self._calls.get(task_id, ()):
            scope.cancel()

    async def watch(self, over: Callable[[Collection[str]], Awaitable[set[str]]]) -> None:
        """Stop the calls of tasks that are ``over``. Runs until it is cancelled."""
        while True:
            await self._some.wait()
            while self._calls:
                await anyio.sleep(LOOK_EVERY)
                try:
                    for task_id in await over(set(self._calls)):
                        self.stop(task_id)
                except LoanerError as failure:
                    log.warning("the tasks could not be read", reason=failure.log)
            self._some = anyio.Event()


def _stopped(*, changes: bool) -> LoanerError:
    words = "the task that this call was a part of ended while it ran"
    if not changes:
        return PolicyDenied(f"{words}.", rule="task-ended", do="Call it again if it is still wanted.")
    return OutcomeUnknown(
        f"{words}, and it may have been carried out.", do="Check whether it happened.", dont="Don't repeat the call."
    )
