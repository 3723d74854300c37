"""One loop for all that runs beside the calls: an error stops it no more than a damaged row does."""

from __future__ import annotations

import anyio
import pytest
from anyio.lowlevel import checkpoint
from structlog.testing import capture_logs

from loaner.background import every
from loaner.errors import StoreUnusable


@pytest.mark.parametrize(
    ("fault", "level"), [(StoreUnusable("it is full."), "warning"), (KeyError("a damaged row"), "error")]
)
async def test_an_error_is_logged_and_the_next_time_comes(fault: Exception, level: str) -> None:
    done, turns = anyio.Event(), iter([fault, fault, None])

    async def work() -> None:
        if failure := next(turns, None):
            raise failure
        done.set()

    with capture_logs() as logs:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: every(0.001, work, what="looking at rows"))
            with anyio.fail_after(10):
                await done.wait()
            tasks.cancel_scope.cancel()
    assert [(line["event"], line["log_level"]) for line in logs] == [("looking at rows failed", level)] * 2


async def test_it_waits_first_where_it_is_not_done_at_once_and_ends_when_it_is_cancelled() -> None:
    seen: list[str] = []

    async def pause() -> None:
        await checkpoint()
        seen.append("pause")

    async def work() -> None:
        seen.append("work")
        if len(seen) > 3:
            scope.cancel()

    with anyio.CancelScope() as scope:
        await every(pause, work, what="waiting", at_once=False)
    assert seen == ["pause", "work", "pause", "work"]
