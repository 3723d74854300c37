"""A server's memory does not grow with the calls it made."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from crash.kit import Shop

HELD = ("linear_get_issue", {"id": "ENG-1"})
AT_ONCE = 8


def resident(pid: int) -> int:
    """KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


async def calls(shop: Shop, count: int) -> None:
    async def some() -> None:
        for _ in range(count // AT_ONCE):
            answer = await shop.call(*HELD)
            assert answer, "the server is gone"

    async with anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE):
            tasks.start_soon(some)


@pytest.mark.soak
@pytest.mark.parametrize(("early", "late"), [(1000, 20_000)])
async def test_memory_is_flat(linked: Shop, early: int, late: int, capsys: pytest.CaptureFixture[str]) -> None:
    linked.running.sandbox.switches.linear_requests_per_hour = 10_000_000
    linked.running.sandbox.switches.linear_complexity_per_hour = 1_000_000_000
    server = await linked.serve()
    await calls(linked, early)
    before = resident(server.pid)
    await calls(linked, late - early)
    grown = (resident(server.pid) - before) / (late - early) * 1024
    await server.kill()
    with capsys.disabled():
        print(f"\n{before} KiB after {early} calls; {grown:.0f} bytes a call up to {late}")  # noqa: T201
    assert grown < 4096
