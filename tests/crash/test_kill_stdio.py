"""An agent's own server, which it talks to through pipes, is killed at every point of a call; or its pipe is closed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from crash.forks import Child
from crash.kit import MODERN, Shop
from crash.test_kill import CALL, READ, STRUCK, Call
from loaner.identity.local_person import local_subject

ACCOUNT = "bob"
"""The account of the person at this machine. ``alice`` is connected by another person, who keeps her."""


class Pipes:
    """The agent's ends: it says one thing, and need not hear the answer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names = {"input": str(folder / "input"), "output": str(folder / "output")}
        for name in self.names.values():
            os.mkfifo(name)
        self._output = os.open(self.names["output"], os.O_RDONLY | os.O_NONBLOCK)
        self._input: int | None = os.open(self.names["input"], os.O_RDWR)  # does not wait for the reader

    def call(self, call: Call) -> None:
        meta = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
        params = {"name": call[0], "arguments": call[1], "_meta": meta}
        said = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        assert self._input is not None
        os.write(self._input, json.dumps(said).encode() + b"\n")

    def hang_up(self) -> None:
        if self._input is not None:
            os.close(self._input)
            self._input = None

    def close(self) -> None:
        self.hang_up()
        os.close(self._output)


@contextlib.contextmanager
def pipes(folder: Path) -> Iterator[Pipes]:
    made = Pipes(folder)
    try:
        yield made
    finally:
        made.close()


async def started(shop: Shop, ends: Pipes, point: str = "") -> Child:
    return await shop.forks.start(**shop._job("stdio", point=point, **ends.names))


async def works(shop: Shop) -> None:
    """The person at this machine has connected GitHub, or does so now, and can make the call."""
    child = await shop.carry(*READ, subject=local_subject().key, account=ACCOUNT)
    shop.books.balance(shop.told())
    for _ in range(2):
        child.go()
        assert child.ended.is_set() or await child.stops() or await child.wait() == 0, shop.log()


@pytest.mark.parametrize("point", CALL)
async def test_a_local_server_killed_at(linked: Shop, tmp_path: Path, point: str) -> None:
    await works(linked)
    with pipes(tmp_path) as agent:
        server = await started(linked, agent, point)
        agent.call(READ)
        assert await server.wait() == -signal.SIGKILL, linked.log()
    linked.books.balance(await linked.run("recover"))
    await works(linked)


@pytest.mark.parametrize(("event", "kind"), STRUCK)
async def test_a_local_server_killed_while_the_provider_answers(
    linked: Shop, tmp_path: Path, event: str, kind: str
) -> None:
    await works(linked)
    with pipes(tmp_path) as agent:
        server = await started(linked, agent)
        with linked.struck(server, event, "github", kind):
            agent.call(READ)
            assert await server.wait() == -signal.SIGKILL, linked.log()
    linked.books.balance(await linked.run("recover"))
    await works(linked)


async def test_an_agent_that_closes_its_pipe_in_mid_call_leaves_no_key_behind(linked: Shop, tmp_path: Path) -> None:
    await works(linked)
    before = {entry.fingerprint for entry in linked.ledger}
    linked.running.sandbox.faults.add("github", "hang", path="/api/repos/")
    with pipes(tmp_path) as agent:
        server = await started(linked, agent)
        agent.call(READ)
        with anyio.fail_after(20):
            while not [one for one in linked.ledger if one.fingerprint not in before]:  # noqa: ASYNC110 - a provider's
                await anyio.sleep(0.02)
        agent.hang_up()
        assert await server.wait() == 0, linked.log()
    linked.running.sandbox.faults.clear()
    assert [
        one.as_json() for one in linked.ledger if one.fingerprint not in before and linked.ledger.is_alive(one)
    ] == []
    found = await linked.run("recover")
    linked.books.balance(found)
    assert found["records"][-1]["tool"] == READ[0]
