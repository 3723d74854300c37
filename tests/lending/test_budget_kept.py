"""What was heard of a provider's limits, or is owed there, outlives the transaction that was to write it down."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import NoReturn

import anyio
import anyio.to_thread
import httpx2
import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from loaner import catalog
from loaner.errors import StoreUnusable
from loaner.limits.costs import unasked
from loaner.limits.key import LimitKey
from loaner.limits.limiter import Limiter
from loaner.provider_call import Answer
from loaner.settings import LimiterSettings
from loaner.store import LocalKey, Store, open_store

CATALOG = catalog.load()
READ = CATALOG["github_issue_read"].bind({"owner": "acme", "repo": "web", "issue_number": 1})
GITHUB = READ.operation.provider
MINE, OTHER = LimitKey(GITHUB, "github", "1"), LimitKey(GITHUB, "github", "2")
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:///{tmp_path / 'loaner.db'}", LocalKey(bytes(32))) as opened:
        yield opened


@pytest.fixture
def limiter(store: Store) -> Limiter:
    made = Limiter(store, lambda: AT, LimiterSettings())
    made.owe(MINE, unasked(GITHUB, "give_back"))
    return made


def remaining(requests: int) -> Answer:
    headers = {"x-ratelimit-resource": "core", "x-ratelimit-limit": "5000", "x-ratelimit-remaining": str(requests)}
    return Answer(200, httpx2.Headers(headers), {})


async def left(limiter: Limiter) -> dict[str, int]:
    return {one.rate_limit: one.left for one in await limiter.left(CATALOG.providers) if one.account == "1"}


async def test_what_is_owed_and_heard_survives_a_batch_that_is_run_again(store: Store, limiter: Limiter) -> None:
    """Two calls share a transaction, and what the second raises has the store run both anew."""
    limiter.heard(MINE, remaining(1000))
    begun, over, runs = Event(), Event(), list[str]()

    def busy(_: Connection) -> None:
        begun.set()
        over.wait(30)

    def fails(_: Connection) -> None:
        raise LookupError

    async def refused() -> None:
        with pytest.raises(LookupError):
            await limiter.granted(OTHER, READ, fails)

    async with anyio.create_task_group() as calls:
        calls.start_soon(store.write, busy)
        await anyio.to_thread.run_sync(begun.wait, 30)
        calls.start_soon(limiter.granted, MINE, READ, lambda _: runs.append("works"))
        calls.start_soon(refused)
        with anyio.fail_after(30):
            while store._jobs.qsize() < 2:  # noqa: ASYNC110 - a queue of another thread
                await anyio.sleep(0.01)
        over.set()
    assert runs == ["works", "works"]
    told = await left(limiter)
    assert (told["requests"], told["revocations"]) == (998, 890)


async def test_what_is_owed_and_heard_survives_a_loan_that_is_not_written(limiter: Limiter) -> None:
    def fails(_: Connection) -> None:
        raise LookupError

    limiter.heard(MINE, remaining(1000))
    for _ in range(2):
        with pytest.raises(LookupError):
            await limiter.granted(MINE, READ, fails)
    await limiter.granted(MINE, READ, lambda _: None)
    told = await left(limiter)
    assert (told["requests"], told["revocations"]) == (998, 890)


async def test_what_is_heard_meanwhile_is_newer_than_what_is_put_back(limiter: Limiter) -> None:
    def fails(_: Connection) -> None:
        limiter.heard(MINE, remaining(2000))  # an hour began
        raise LookupError

    limiter.heard(MINE, remaining(1000))
    with pytest.raises(LookupError):
        await limiter.granted(MINE, READ, fails)
    await limiter.granted(MINE, READ, lambda _: None)
    assert (await left(limiter))["requests"] == 1998


async def test_what_is_owed_and_heard_survives_a_commit_that_fails(
    limiter: Limiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Connection) -> NoReturn:
        raise OperationalError("COMMIT", {}, Exception("disk full"))

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("loaner.store.engine.assure_open", full)
        with pytest.raises(StoreUnusable):
            await limiter.granted(MINE, READ, lambda _: None)
    await limiter.granted(MINE, READ, lambda _: None)
    assert (await left(limiter))["revocations"] == 890
