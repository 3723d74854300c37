"""A server's memory does not grow with the calls it made."""

from __future__ import annotations

import anyio
import pytest

from crash.kit import Shop

READ = ("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1})
HELD = ("linear_get_issue", {"id": "ENG-1"})
AT_ONCE = 8
STINT, STINTS = 64, 4
"""What is filled once makes one stint grow, or two; what piles up makes each of them."""
NO_BUDGET = {"LOANER_LIMITER__FACTOR": "0"}


async def calls(shop: Shop, count: int) -> None:
    async def some() -> None:
        for done in range(count // AT_ONCE):
            answer = await shop.call(*(READ if done % 2 else HELD))
            assert answer, "the server is gone"
            assert not answer.get("isError"), answer

    async with anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE):
            tasks.start_soon(some)
    # Keys are given back beside the answers; on a busy machine some are still on their way.
    with anyio.fail_after(60):
        while any(one.kind == "scoped" and shop.ledger.is_alive(one) for one in shop.ledger):  # noqa: ASYNC110
            await anyio.sleep(0.02)


async def test_nothing_piles_up_with_the_calls(linked: Shop) -> None:
    server = await linked.serve(measured=True)
    await calls(linked, 24)
    held = await linked.measure(server)
    for _ in range(STINTS):
        before = held
        await calls(linked, STINT)
        held = await linked.measure(server)
        more = held["blocks"] - before["blocks"]
        if held["grown"] < STINT / 2 and more < 30 * STINT:
            break
    await server.kill()
    assert held["grown"] < STINT / 2, "a collection grows with the calls"
    assert more < 30 * STINT, "Python holds ever more"


@pytest.mark.soak
async def test_memory_is_flat(linked: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """After 100,000 calls, against after 1,000: the better part of a day's work for one server."""
    linked.running.sandbox.switches.linear_requests_per_hour = 10_000_000
    linked.running.sandbox.switches.linear_complexity_per_hour = 1_000_000_000
    server = await linked.serve(measured=True, **NO_BUDGET)
    first, done = None, 0
    for mark in (1000, 10_000, 100_000):
        while done < mark:
            linked.bearer = await linked.token()
            await calls(linked, 1000)
            done += 1000
        held = await linked.measure(server)
        first = first or held
        with capsys.disabled():
            print(f"\n{done} calls: {held}")  # noqa: T201
    await server.kill()
    assert held["resident_kib"] - first["resident_kib"] < 16 * 1024
    assert held["blocks"] - first["blocks"] < 50_000
