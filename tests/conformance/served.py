"""`loaner serve --http --sandbox` as a process of its own, with tokens for it: what a hosted agent would meet."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import httpx2
from anyio.abc import Process

LOANER = str(Path(sys.executable).with_name("loaner"))


@dataclass(frozen=True)
class Served:
    """A running server: its base URL, an access token for each person, and the environment it runs in."""

    url: str
    tokens: dict[str, str]
    environment: dict[str, str]


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def over_http(agent: str, *, patience: float = 30) -> AsyncIterator[Served]:
    """Serve over HTTP until the block is left. Raises RuntimeError when the server ends or stays silent."""
    port = free_port()
    with TemporaryDirectory(prefix="loaner-") as home:
        environment = os.environ | {"LOANER_HOME": home}
        command = [LOANER, "serve", "--http", "--sandbox", "--port", str(port)]
        # Its words go to our error stream: the output is for results.
        async with await anyio.open_process(
            command, env=environment, cwd=home, stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=sys.stderr
        ) as process:
            try:
                await answering(f"http://127.0.0.1:{port}/mcp", process, patience)
                yield Served(
                    f"http://127.0.0.1:{port}",
                    {person: await token(person, agent, environment) for person in ("alice", "bob")},
                    environment,
                )
            finally:
                with suppress(ProcessLookupError):
                    process.terminate()


async def token(person: str, agent: str, environment: dict[str, str]) -> str:
    """An access token of the sandbox's identity provider: `person`, through `agent`."""
    command = [LOANER, "sandbox", "token", "--user", person, "--agent", agent]
    return (await anyio.run_process(command, env=environment)).stdout.decode().strip()


async def answering(url: str, process: Process, patience: float) -> None:
    """Wait until `url` gives any answer at all: a port that is open may belong to a server that is about to fail."""
    async with httpx2.AsyncClient(trust_env=False, timeout=patience) as client:
        with anyio.move_on_after(patience):
            while process.returncode is None:
                try:
                    await client.get(url)
                except httpx2.TransportError:
                    await anyio.sleep(0.05)
                else:
                    return
    raise RuntimeError("the server ended" if process.returncode is not None else f"no answer within {patience:.0f} s")
