"""Consent completed by the MCP TypeScript client. Needs Node's packages: ./run conformance --install-only."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream
from node_here import node

from journeys.town import ERROR, EVERYTHING, Town, town
from loaner.sandbox.person import Person

HERE = Path(__file__).parent
POST = {"channel": "#releases", "text": "v1.4.0 is out"}


pytestmark = [
    pytest.mark.foreign,
    pytest.mark.skipif(
        not node.installed(), reason="the TypeScript client is not installed: ./run conformance --install-only"
    ),
]


class Running:
    """The client's process, and alice in front of it."""

    def __init__(self, acme: Town, process: Process) -> None:
        assert process.stdout
        self._acme, self._process = acme, process
        self._said = TextReceiveStream(process.stdout)
        self._left = ""

    async def next(self) -> dict[str, Any]:
        while "\n" not in self._left:
            self._left += await self._said.receive()
        line, _, self._left = self._left.partition("\n")
        told: dict[str, Any] = json.loads(line)
        return told

    async def visit(self, url: str, *, deny: bool = False) -> None:
        alice = Person("alice", self._acme.sandbox_url)
        await anyio.to_thread.run_sync(
            lambda: alice.visit(url, loaner_url=self._acme.loaner.base_url, deny=deny, choose=EVERYTHING)
        )

    async def done(self) -> None:
        assert self._process.stdin
        await self._process.stdin.send(b"done\n")


@pytest.fixture
async def acme(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path / "home", consent={"hold_seconds": 20}) as built:
        yield built


@asynccontextmanager
async def posting(acme: Town, era: str, answer: str) -> AsyncIterator[Running]:
    bearer = await acme.token(agent="typescript-client")
    command = [str(node.NODE), str(HERE / "typescript_client.mjs"), str(node.modules_folder()), acme.mcp_url, bearer]
    command += [era, answer, "slack_send_message", json.dumps(POST)]
    async with await anyio.open_process(command, stdin=subprocess.PIPE, stderr=sys.stderr) as process:
        with anyio.fail_after(60):
            yield Running(acme, process)
        process.kill()


@pytest.mark.parametrize("deny", [False, True])
@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_the_person_decides_on_the_page_and_the_client_gets_the_answer(
    acme: Town, era: str, *, deny: bool
) -> None:
    """``auto`` is held by the server until the answer; ``legacy`` gets error -32042 and repeats the call."""
    async with posting(acme, era, "accept") as client:
        asked = await client.next()
        await client.visit(asked["ask"], deny=deny)
        await client.done()
        result = (await client.next())["result"]
    assert bool(result.get("isError")) is deny, result
    if deny:
        assert result["_meta"][ERROR]["code"] == "consent_denied"


@pytest.mark.parametrize("answer", ["decline", "cancel"])
async def test_what_no_person_can_have_answered_is_no_answer(acme: Town, answer: str) -> None:
    async with posting(acme, "auto", answer) as client:
        await client.next()
        result = (await client.next())["result"]
    assert result["_meta"][ERROR]["code"] == "consent_pending"


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_without_dialogs_it_is_told_in_words(acme: Town, era: str) -> None:
    async with posting(acme, era, "words") as client:
        result = (await client.next())["result"]
    assert result["_meta"][ERROR]["url"] in result["content"][0]["text"]
