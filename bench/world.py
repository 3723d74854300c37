"""The providers that both sides call, and how each side is started: one sandbox, one home, one person who agrees."""

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

HERE = Path(__file__).parent
PYTHON = sys.executable
LOANER = str(Path(sys.executable).with_name("loaner"))
# Registered in every sandbox, and good for nothing else.
CLIENT_ID = "Iv23liSANDBOXloaner"
CLIENT_SECRET = "sandbox-github-secret"  # noqa: S105 - published on purpose


@dataclass(frozen=True)
class World:
    """A running sandbox and the folder that loaner keeps its state in."""

    base_url: str
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"LOANER_HOME": str(self.home)}

    async def approve(self, code: str, person: str) -> None:
        """Be that person: open the page for `code` and agree."""
        command = [LOANER, "sandbox", "approve", code, "--as", person]
        await anyio.run_process(command, env=self.environment, cwd=self.home)

    async def ledger(self) -> list[dict[str, Any]]:
        """Every token that the providers minted, as they saw it."""
        async with httpx2.AsyncClient(trust_env=False) as client:
            entries: list[dict[str, Any]] = (await client.get(f"{self.base_url}/sandbox/ledger")).json()
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
        environment = self.environment | {"LOANER_BUDGET__FACTOR": "1000"}
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
async def running() -> AsyncIterator[World]:
    """A new sandbox in a process of its own, until the block is left."""
    with TemporaryDirectory(prefix="loaner-bench-") as home:
        environment = {"LOANER_HOME": home}
        async with await anyio.open_process([LOANER, "sandbox", "--port", "0"], env=environment, cwd=home) as process:
            try:
                if process.stdout is None:
                    raise RuntimeError("the sandbox has no output")
                line = ""
                async for text in TextReceiveStream(process.stdout):
                    line += text
                    if "\n" in line:
                        break
                yield World(json.loads(line)["base_url"], Path(home))
            finally:
                process.terminate()
