"""A stop while a provider's answer with new tokens is on its way: they are kept, and nothing is asked for anew."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from sqlalchemy import create_engine, select, update

from journeys.test_stdio_ends import raw_server, say
from journeys.town import EVERYTHING, error_of, local_agent
from loaner.sandbox.person import Person
from loaner.sandbox.run import RunningSandbox, serving
from loaner.store.tables import grants, loans

GITHUB = {"name": "github_get_repository", "arguments": {"owner": "acme", "repo": "web"}}
LINEAR = {"name": "linear_get_issue", "arguments": {"id": "ENG-1"}}
SOON = 30


@pytest.fixture
async def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningSandbox]:
    monkeypatch.setattr("loaner.sandbox.faults.DRIP_SECONDS", 0.01)  # some seconds for an answer with tokens
    async with serving(home=tmp_path) as running:
        running.sandbox.switches.github_device_interval = 1
        yield running


def alive(running: RunningSandbox, provider: str) -> int:
    """Access tokens of people that work at the provider now."""
    ledger = running.sandbox.ledger
    return sum(ledger.is_alive(one) for one in ledger if (one.provider, one.kind) == (provider, "user"))


def issued(running: RunningSandbox, provider: str) -> int:
    return sum(1 for one in running.sandbox.ledger if (one.provider, one.kind) == (provider, "user"))


@asynccontextmanager
async def stopped_while_answering(running: RunningSandbox, home: Path, provider: str) -> AsyncIterator[Any]:
    """A server that gets SIGTERM once its provider has issued tokens and is still sending them."""
    before = issued(running, provider)
    path = {"github": "/access_token", "linear": "/oauth/token"}[provider]
    async with raw_server(home, running) as server, anyio.create_task_group() as tasks:
        running.sandbox.faults.add(provider, "slow_drip", path=path)
        yield server, tasks
        with anyio.fail_after(SOON):
            while issued(running, provider) == before:  # noqa: ASYNC110 - the sandbox has no event for it
                await anyio.sleep(0.01)
            server.send_signal(signal.SIGTERM)
            assert await server.wait() == 0
        tasks.cancel_scope.cancel()
    running.sandbox.faults.clear()


def in_store(home: Path, work: Callable[..., Any]) -> Any:
    engine = create_engine(f"sqlite:///{home / 'loaner.db'}")
    with engine.begin() as connection:
        found = work(connection)
    engine.dispose()
    return found


async def goes_on(running: RunningSandbox, home: Path, call: dict[str, Any], asked: str = "") -> None:
    """The next server has what was issued: it calls with it, and no pair is missing. Whoever has just connected is
    still asked whether the account is theirs, and never sent to the provider again."""
    async with local_agent(home, running.base_url) as agent:
        if asked:
            ours = error_of(await agent.call_tool(call["name"], call["arguments"]))["url"].rpartition("/consent/")[0]
            url = ours + urlsplit(asked).path
            person = Person("alice", running.base_url)
            ended = await anyio.to_thread.run_sync(lambda: person.visit(url, loaner_url=ours))
            assert set(ended.pages) == {url}
        assert not (answer := await agent.call_tool(call["name"], call["arguments"])).is_error, answer
    provider = call["name"].partition("_")[0]
    assert alive(running, provider) == 1
    states = in_store(home, lambda c: c.execute(select(loans.c.state).where(loans.c.style == "pair")).scalars().all())
    assert states
    assert set(states) == {"returned"}


@pytest.mark.parametrize("call", [GITHUB, LINEAR], ids=["a device poll", "a code exchange"])
async def test_what_a_consent_is_answered_with_is_kept(
    sandbox: RunningSandbox, tmp_path: Path, call: dict[str, Any]
) -> None:
    async with stopped_while_answering(sandbox, tmp_path, call["name"].partition("_")[0]) as (server, tasks):
        await say(server, id=2, method="tools/call", params=call)
        told = json.loads(await BufferedByteReceiveStream(server.stdout).receive_until(b"\n", 1_000_000))
        url = told["result"]["_meta"]["dev.loaner/error"]["url"]

        def walk() -> None:
            with suppress(Exception):  # the pages end with the server
                Person("alice", sandbox.base_url, patience=1).visit(
                    url, loaner_url=url.rpartition("/consent/")[0], choose=EVERYTHING
                )

        tasks.start_soon(anyio.to_thread.run_sync, walk)
    await goes_on(sandbox, tmp_path, call, url)


async def test_what_a_refresh_is_answered_with_is_kept(sandbox: RunningSandbox, tmp_path: Path) -> None:
    async with local_agent(tmp_path, sandbox.base_url) as agent:
        url = error_of(await agent.call_tool(LINEAR["name"], LINEAR["arguments"]))["url"]  # type: ignore[arg-type]
        person = Person("alice", sandbox.base_url)
        await anyio.to_thread.run_sync(
            lambda: person.visit(url, loaner_url=url.rpartition("/consent/")[0], choose=EVERYTHING)
        )
    in_store(tmp_path, lambda c: c.execute(update(grants).values(expires_at=datetime(2000, 1, 1, tzinfo=UTC))))
    async with stopped_while_answering(sandbox, tmp_path, "linear") as (server, _):
        await say(server, id=2, method="tools/call", params=LINEAR)
    await goes_on(sandbox, tmp_path, LINEAR)
