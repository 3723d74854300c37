"""An IDE's agent: it starts ``loaner serve`` itself, over stdio, and never holds a secret.

    python examples/ide_agent/agent.py

Runs offline: GitHub, Slack and Linear are the sandbox's, and so is the person who approves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, Implementation

LOANER = [sys.executable, "-m", "loaner"]
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1}),
    ("github_add_issue_comment", {"owner": "acme", "repo": "web", "issue_number": 1, "body": "Looking into it."}),
    ("slack_send_message", {"channel": "#general", "text": "Working on acme/web#1."}),
]


@contextmanager
def sandbox() -> Iterator[str]:
    """Emulated providers beside the agent; with real ones there is nothing like it."""
    with subprocess.Popen([*LOANER, "sandbox"], stdout=subprocess.PIPE, text=True) as running:
        try:
            for line in running.stdout or ():
                yield json.loads(line)["base_url"]
                return
        finally:
            running.terminate()


async def call(agent: Client, tool: str, arguments: dict[str, Any]) -> CallToolResult:
    """Call a tool. When it says what the person must do, tell them, wait, and repeat the very same call."""
    answer = await agent.call_tool(tool, arguments)
    facts = (answer.meta or {}).get("dev.loaner/error", {})
    if facts.get("code") == "consent_required":
        print(f"  told       {answer.content[0].text.splitlines()[0]}")
        # A real agent shows the address and waits; this is what the person does in the browser.
        done = await anyio.run_process([*LOANER, "sandbox", "approve", facts["user_code"]], stderr=None)
        print(f"  person     {done.stdout.decode().strip()} {facts['user_code']}")
        answer = await agent.call_tool(tool, arguments)
    if answer.is_error:
        raise SystemExit(answer.content[0].text)
    return answer


async def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ["LOANER_HOME"] = home
        with sandbox() as url:
            server = StdioServerParameters(
                command=LOANER[0], args=[*LOANER[1:], "serve", "--sandbox", url], env=dict(os.environ)
            )
            async with Client(server, client_info=Implementation(name="ide-agent", version="1.0")) as agent:
                for tool, arguments in CALLS:
                    print(tool)
                    answer = await call(agent, tool, arguments)
                    print(f"  answer     {json.dumps(answer.structured_content)[:90]}")
        print((await anyio.run_process([*LOANER, "audit", "verify"], stderr=None)).stdout.decode().strip())


if __name__ == "__main__":
    anyio.run(main)
