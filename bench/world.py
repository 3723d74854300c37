"""The provider that all sides call, and how each side is started: one sandbox behind it, one home, people who agree."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import httpx2
from anyio.streams.text import TextReceiveStream
from mcp import StdioServerParameters

from loaner.sandbox.person import Person

HERE = Path(__file__).parent
PYTHON = sys.executable
LOANER = str(Path(sys.executable).with_name("loaner"))
# Registered in every sandbox, and good for nothing else.
CLIENT_ID = "Iv23liSANDBOXloaner"
CLIENT_SECRET = "sandbox-github-secret"  # noqa: S105 - published on purpose


EVERYTHING = {"reads": "everything", "agents": "all"}
"""What the person lets agents read: the benchmarks are about calls, not about asking."""


@dataclass(frozen=True)
class World:
    """A running provider, the sandbox behind it, and the folder that loaner keeps its state in."""

    base_url: str
    sandbox_url: str
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"LOANER_HOME": str(self.home)}

    async def approve(self, code: str, person: str) -> None:
        """Be that person: open the page for `code` and agree."""
        servers = [json.loads(file.read_text()) for file in (self.home / "servers").glob("*.json")]
        loaner_url = servers[0]["base_url"] if servers else None
        walk = Person(person, self.sandbox_url).approve
        outcome = await anyio.to_thread.run_sync(lambda: walk(code, loaner_url=loaner_url, choose=EVERYTHING))
        if outcome.state != "approved":
            raise RuntimeError(f"{person} could not agree: {outcome}")

    async def ledger(self) -> list[dict[str, Any]]:
        """Every token that was narrowed, as the provider saw it."""
        async with httpx2.AsyncClient(trust_env=False) as client:
            entries: list[dict[str, Any]] = (await client.get(f"{self.base_url}/ledger")).json()
            return entries

    async def static_token(self, person: str) -> str:
        """A user token such as people paste into a configuration file: the device flow, once, by hand."""
        async with httpx2.AsyncClient(trust_env=False, headers={"Accept": "application/json"}) as client:
            web = f"{self.base_url}/github/login"
            begun = (await client.post(f"{web}/device/code", data={"client_id": CLIENT_ID})).json()
            await self.approve(begun["user_code"], person)
            answer = await client.post(
                f"{web}/oauth/access_token",
                data={
                    "client_id": CLIENT_ID,
                    "device_code": begun["device_code"],
                    "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
                },
            )
            return str(answer.json()["access_token"])

    def loaner(self) -> StdioServerParameters:
        """loaner over stdio, against this sandbox. Its budgets are kept, but a thousand times as wide.

        GitHub would make some 180 tokens a minute for one person, which is no measure of a program.
        """
        environment = self.environment | {"LOANER_LIMITER__FACTOR": "1000"}
        return StdioServerParameters(
            command=LOANER, args=["serve", "--sandbox", self.base_url], env=environment, cwd=self.home
        )

    def bare(self, token: str) -> StdioServerParameters:
        """The bare server over stdio, with `token`."""
        upstream = {"UPSTREAM": f"{self.base_url}/github/api", "TOKEN": token}
        return StdioServerParameters(command=PYTHON, args=[str(HERE / "bare_server.py")], env=upstream)

    def by_hand(self, token: str) -> StdioServerParameters:
        """The bare server, minting from `token` and revoking around each call."""
        bare = self.bare(token)
        return bare.model_copy(
            update={"env": {**(bare.env or {}), "CLIENT_ID": CLIENT_ID, "CLIENT_SECRET": CLIENT_SECRET}}
        )


@asynccontextmanager
async def running(delay: float = 0) -> AsyncIterator[World]:
    """A provider that takes `delay` seconds for an answer, and a sandbox, each a process until the block is left."""
    with TemporaryDirectory(prefix="loaner-bench-") as home:
        environment = {"LOANER_HOME": home}
        async with started([LOANER, "sandbox", "--port", "0"], environment, home) as line:
            sandbox = json.loads(line)["base_url"]
            command = [PYTHON, str(HERE / "provider.py")]
            async with started(command, {"BEHIND": sandbox, "DELAY": str(delay)}, home) as port:
                yield World(f"http://127.0.0.1:{port.strip()}", sandbox, Path(home))


@asynccontextmanager
async def started(command: list[str], environment: dict[str, str], folder: str) -> AsyncIterator[str]:
    """A process and its first line; it ends with the block."""
    async with await anyio.open_process(command, env=environment, cwd=folder, stderr=None) as process:
        try:
            if process.stdout is None:
                raise RuntimeError("it has no output")
            line = ""
            async for text in TextReceiveStream(process.stdout):
                line += text
                if "\n" in line:
                    break
            yield line
        finally:
            process.terminate()
