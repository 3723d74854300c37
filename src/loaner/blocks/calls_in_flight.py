"""The calls of this process that hold a credential right now, so that a block ends them too.

A block that another process put up is noticed by looking at the store, and only while a call is under way: a call
that has yet to begin looks for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import anyio
import structlog

from loaner.blocks import blocks
from loaner.blocks.blocks import Block, Party
from loaner.errors import LoanerError, OutcomeUnknown
from loaner.store import Store

log = structlog.get_logger(__name__)
LOOK_EVERY = 0.1
"""Seconds between two looks for new blocks while calls are under way."""


@dataclass(eq=False)
class _Call:
    party: Party
    scope: anyio.CancelScope
    block: Block | None = None


class CallsInFlight:
    """What is under way here, and how to stop it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._calls: set[_Call] = set()
        self._some = anyio.Event()

    @contextmanager
    def call(self, party: Party, *, changes: bool) -> Iterator[None]:
        """A call that a block may end from outside. ``changes``: it may have been carried out by then.

        Raises :class:`PolicyDenied` or :class:`OutcomeUnknown` when it was ended.
        """
        call = _Call(party, anyio.CancelScope())
        self._calls.add(call)
        self._some.set()
        try:
            with call.scope:
                yield
        finally:
            self._calls.discard(call)
        if call.block and call.scope.cancelled_caught:
            raise _ended(call.block, changes=changes)

    def stop(self, standing: Sequence[Block]) -> int:
        """Cancel every call here that one of the blocks covers; how many."""
        stopped = 0
        for call in self._calls:
            block = next((block for block in standing if block.covers(call.party)), None)
            if block and call.block is None:
                call.block = block
                call.scope.cancel()
                stopped += 1
        return stopped

    async def watch(self) -> None:
        """Stop what other processes put a block around. Runs until it is cancelled."""
        while True:
            await self._some.wait()
            while self._calls:
                await anyio.sleep(LOOK_EVERY)
                try:
                    self.stop(await self.store.read(blocks.listed))
                except LoanerError as failure:
                    log.warning("the blocks could not be read", reason=failure.log)
                except Exception:  # without this look, nothing here would be stopped by another process any more
                    log.exception("the blocks could not be looked at")
            self._some = anyio.Event()


def _ended(block: Block, *, changes: bool) -> LoanerError:
    if not changes:
        return block.refusal()
    return OutcomeUnknown(
        f"{block.told()} since this call began, and it may have been carried out.",
        do=f"Check whether it happened. Ask {block.set_by} how to go on.",
        dont="Don't repeat the call.",
        log="ended by a block",
    )
