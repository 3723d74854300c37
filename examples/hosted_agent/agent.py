"""A hosted agent: it reaches loaner over HTTP, with an access token that says which agent it is and for whom.

    python examples/hosted_agent/agent.py

Runs offline: the providers, the identity provider and the person who approves are the sandbox's.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult

LOANER = [sys.executable, "-m", "loaner"]
AGENT = "release-bot"


@contextmanager
def service() -> Iterator[str]:
    """``loaner serve --http`` with everything emulated; yields the address that agents are given."""
    command = [*LOANER, "serve", "--http", "--sandbox", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        try:
            for line in running.stderr or ():
                if found := re.search(r"MCP at (\S+),", line):
                    yield found[1]
                    return
        finally:
            running.terminate()


async def loaner(*arguments: str) -> str:
    done = await anyio.run_process([*LOANER, *arguments], stderr=None)  # what goes wrong there is said here
    return done.stdout.decode().strip()


@asynccontextmanager
async def connected(url: str, user: str) -> AsyncIterator[Client]:
    """The agent at work for one person. Its token proves who both are; it opens no provider."""
    token = await loaner("sandbox", "token", "--user", user, "--agent", AGENT)
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http)) as agent,
    ):
        yield agent


async def call(agent: Client, user: str, tool: str, arguments: dict[str, Any]) -> CallToolResult:
    """Call a tool; a first time, its person is asked."""
    answer = await agent.call_tool(tool, arguments)
    facts = (answer.meta or {}).get("dev.loaner/error", {})
    if facts.get("code") == "consent_required":
        print(f"  {user:6} is asked: {facts['message']}")
        # A real agent sends them the address; this is what they do there.
        print(f"  {user:6} {await loaner('sandbox', 'approve', facts['user_code'], '--as', user)}")
        answer = await agent.call_tool(tool, arguments)
    return answer


async def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ["LOANER_HOME"] = home
        with service() as url:
            print(f"{AGENT} reaches {url}")
            for user in ("alice", "bob"):
                async with connected(url, user) as agent:
                    for repo in ("web", "secrets"):
                        arguments = {"owner": "acme", "repo": repo, "limit": 2}
                        answer = await call(agent, user, "github_list_issues", arguments)
                        told = json.dumps(answer.structured_content) if not answer.is_error else answer.content[0].text
                        print(f"  {user:6} acme/{repo}: {told.splitlines()[0][:80]}")
        print(await loaner("audit", "verify"))


if __name__ == "__main__":
    anyio.run(main)
