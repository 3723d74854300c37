"""Consent completed by clients that nobody here wrote, against `loaner serve --http --sandbox`: FastMCP's by its
dialog, LangChain's by the words that its model reads. ./run conformance installs them and runs this."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import foreign
import pytest
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

sys.path.append(str(Path(__file__).parents[1] / "conformance"))
import served

HERE = Path(__file__).parent
POST = json.dumps({"channel": "#releases", "text": "v1.4.0 is out"})
ERROR = "dev.loaner/error"
pytestmark = pytest.mark.foreign


@pytest.fixture
async def server() -> AsyncIterator[served.Served]:
    async with served.over_http("foreign-client") as running:
        yield running


async def loaner(at: served.Served, *arguments: str) -> str:
    done = await anyio.run_process([served.LOANER, "sandbox", *arguments], env=at.environment, stderr=sys.stderr)
    return done.stdout.decode()


async def posted(at: served.Served) -> int:
    """How often Slack was told to post, by its own account."""
    entries = [json.loads(line) for line in (await loaner(at, "ledger", "--json")).splitlines()]
    uses = [use for entry in entries if entry["provider"] == "slack" for use in entry["uses"]]
    return sum(use["path"].endswith("chat.postMessage") for use in uses)


class Running:
    def __init__(self, process: Process) -> None:
        assert process.stdout
        self._process, self._said, self._left = process, TextReceiveStream(process.stdout), ""

    async def next(self) -> dict[str, Any]:
        while "\n" not in self._left:
            self._left += await self._said.receive()
        line, _, self._left = self._left.partition("\n")
        told: dict[str, Any] = json.loads(line)
        return told

    async def go_on(self) -> None:
        assert self._process.stdin
        await self._process.stdin.send(b"go on\n")


@asynccontextmanager
async def client(name: str, at: served.Served, *arguments: str) -> AsyncIterator[Running]:
    """The client's process, posting one message as alice."""
    if not foreign.installed(name):
        pytest.skip(f"{name}'s client is not installed: ./run conformance --install-only")
    script = [str(foreign.python(name)), "-W", "ignore", str(HERE / f"{name}_client.py")]
    command = [*script, f"{at.url}/mcp", at.tokens["alice"], *arguments, "slack_send_message", POST]
    async with await anyio.open_process(command, stdin=subprocess.PIPE, stderr=sys.stderr) as process:
        with anyio.fail_after(120):
            yield Running(process)
        process.kill()


@pytest.mark.parametrize("era", ["auto", "legacy"])
@pytest.mark.parametrize("deny", [False, True], ids=["yes", "no"])
async def test_fastmcp_opens_the_page_and_gets_the_answer(server: served.Served, era: str, *, deny: bool) -> None:
    async with client("fastmcp", server, era, "accept") as agent:
        url = (await agent.next())["ask"]
        await loaner(server, "approve", url, "--as", "alice", *(["--deny"] if deny else []))
        await agent.go_on()
        result = (await agent.next())["result"]
    assert bool(result.get("isError")) is deny, result
    assert await posted(server) == (not deny)
    if deny:
        assert result["_meta"][ERROR]["code"] == "consent_denied"


async def test_declining_at_once_in_fastmcp_is_no_answer(server: served.Served) -> None:
    async with client("fastmcp", server, "auto", "decline") as agent:
        await agent.next()
        result = (await agent.next())["result"]
    assert result["_meta"][ERROR]["code"] == "consent_pending"
    assert await posted(server) == 0


async def test_langchains_model_reads_what_to_do_and_its_second_try_succeeds(server: served.Served) -> None:
    async with client("langchain", server) as agent:
        told = (await agent.next())["told"]
        page = re.search(rf"{re.escape(server.url)}/consent/[\w-]+", told)
        assert page, told
        assert await posted(server) == 0
        await loaner(server, "approve", page[0], "--as", "alice")
        await agent.go_on()
        assert "result" in await agent.next()
    assert await posted(server) == 1


async def test_langchains_model_is_told_of_a_no(server: served.Served) -> None:
    async with client("langchain", server) as agent:
        page = re.search(rf"{re.escape(server.url)}/consent/[\w-]+", (await agent.next())["told"])
        assert page
        await loaner(server, "approve", page[0], "--as", "alice", "--deny")
        await agent.go_on()
        told = (await agent.next())["told"]
    assert "refused" in told
    assert await posted(server) == 0
