"""Many processes on one store: one of them refreshes, and none takes a loan out of another's hands."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from sqlalchemy import select, update

from crash.forks import Child
from crash.kit import Shop
from loaner.store.tables import grants, loans

PROCESSES = 64
READ = ("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1})


def alive(shop: Shop, kind: str) -> list[str]:
    return [entry.fingerprint for entry in shop.ledger if entry.kind == kind and shop.ledger.is_alive(entry)]


async def test_sixty_four_processes_refresh_one_expired_grant_once(linked: Shop) -> None:
    """MUST 38."""
    linked.expire("linear")
    with linked.database() as connection:
        mine = (grants.c.provider == "linear") & (grants.c.state == "active")
        grant = connection.execute(select(grants.c.id).where(mine)).scalar_one()
    before = len([entry for entry in linked.ledger if entry.provider == "linear" and entry.kind == "refresh"])
    told: list[str] = []

    async def one(number: int) -> None:
        told.append(await linked.run("refresh", provider="linear", grant=grant, answer=f"{number}.json"))

    async with anyio.create_task_group() as tasks:
        for number in range(PROCESSES):
            tasks.start_soon(one, number)
        with anyio.fail_after(60):
            while len(list(linked.home.glob("*.ready"))) < PROCESSES:  # noqa: ASYNC110
                await anyio.sleep(0.05)
        (linked.home / "go").touch()
    rotations = [entry for entry in linked.ledger if entry.provider == "linear" and entry.kind == "refresh"][before:]
    assert len(rotations) == 1
    assert len(told) == PROCESSES
    (token,) = set(told)
    assert any(entry.fingerprint == token and linked.ledger.is_alive(entry) for entry in linked.ledger)


@asynccontextmanager
async def hanging(shop: Shop) -> AsyncIterator[Child]:
    """A server with a call that its provider does not answer."""

    async def lent() -> bool:
        with shop.database() as connection:
            return bool(connection.execute(select(loans.c.id).where(loans.c.state == "lent")).first())

    server = await shop.serve()
    shop.running.sandbox.faults.add("github", "hang", path="/api/repos/")
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shop.call, *READ)
            with anyio.fail_after(60):
                while not (alive(shop, "scoped") and await lent()):  # noqa: ASYNC110 - as above
                    await anyio.sleep(0.02)
            yield server
            shop.running.sandbox.faults.clear()
    finally:
        shop.running.sandbox.faults.clear()
        await server.kill()


async def test_a_loan_in_use_is_left_to_the_process_that_uses_it_whatever_another_clock_says(linked: Shop) -> None:
    async with hanging(linked):
        for skew in (0, 10, 60):
            await linked.run("recover", skew=skew)
            assert len(alive(linked, "scoped")) == 1
    found = await linked.run("recover")
    assert alive(linked, "scoped") == []
    assert found["loans"] == []


async def test_a_server_told_to_stop_gives_back_what_it_lent_before_it_ends(linked: Shop) -> None:
    async with hanging(linked) as server:
        os.kill(server.pid, signal.SIGTERM)
        status = await server.wait()
        assert status == 0, status
        assert alive(linked, "scoped") == []
    found = await linked.run("recover")
    assert found["loans"] == []
    assert [record.get("code") for record in found["records"] if record.get("tool") == READ[0]][
        -1
    ] == "provider_unavailable"


async def test_a_loan_of_another_machine_is_taken_over_only_when_no_clock_could_excuse_it(linked: Shop) -> None:
    """The last of this file: no server starts on a store whose newest record is of a clock that was ahead."""
    server = await linked.serve("call.before")
    await linked.call(*READ)
    await server.wait()
    with linked.database() as connection:
        connection.execute(update(loans).where(loans.c.state == "lent").values(owner="elsewhere/pid:[1] 1 1"))
    for skew, left in ((0, 1), (10, 1), (20, 0)):
        await linked.run("recover", skew=skew)
        assert len(alive(linked, "scoped")) == left, skew
