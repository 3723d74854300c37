"""Serving a sandbox on loopback, in the running event loop."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import uvicorn

from loaner.sandbox.app import Sandbox, create_app

STATE_FILE = "sandbox.json"


class PortInUse(Exception):
    """Somebody else listens on the port that was asked for."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is in use")
        self.port = port


@dataclass(frozen=True)
class RunningSandbox:
    base_url: str
    urls: dict[str, str]
    sandbox: Sandbox


class _Server(uvicorn.Server):
    """A server that leaves the process's signals alone and says when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = anyio.Event()
        self.stopping = anyio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        """Tick once a second, and stop at once when asked to: uvicorn's own loop looks only now and then."""
        while not self.stopping.is_set():
            await self.on_tick(0)
            with anyio.move_on_after(1):
                await self.stopping.wait()


@contextlib.asynccontextmanager
async def serving(
    port: int = 0, home: Path | None = None, *, sandbox: Sandbox | None = None
) -> AsyncIterator[RunningSandbox]:
    """Run a sandbox until the block is left.

    Args:
        port: ``0`` takes any free one.
        home: where to leave ``sandbox.json`` while it runs, so that other processes find it.
        sandbox: the one to serve; a new one otherwise.

    Raises:
        PortInUse: when ``port`` is taken.
    """
    sandbox = sandbox or Sandbox()
    with contextlib.closing(_listen(port)) as listener:
        sandbox.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = _Server(
            uvicorn.Config(
                create_app(sandbox), log_config=None, log_level="critical", access_log=False, lifespan="off", ws="none"
            )
        )
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve, [listener])
            await server.ready.wait()
            try:
                with _announced(home, sandbox):
                    yield RunningSandbox(sandbox.base_url, sandbox.urls, sandbox)
            finally:
                sandbox.faults.clear()  # lets go of requests left hanging
                server.force_exit = True  # does not wait for connections that clients keep open
                server.stopping.set()


def _listen(port: int) -> socket.socket:
    # The protocol is named because asyncio sets TCP_NODELAY only on sockets that say they are TCP; without it every
    # answer on a kept connection waits 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError as taken:
        listener.close()
        if taken.errno == errno.EADDRINUSE:
            raise PortInUse(port) from taken
        raise
    return listener


@contextlib.contextmanager
def _announced(home: Path | None, sandbox: Sandbox) -> Iterator[None]:
    if home is None:
        yield
        return
    file = home / STATE_FILE
    home.mkdir(parents=True, exist_ok=True)
    draft = home / f".{STATE_FILE}.{os.getpid()}"
    draft.write_text(json.dumps({"base_url": sandbox.base_url, "pid": os.getpid(), "urls": sandbox.urls}))
    draft.replace(file)  # readers see the whole file or none
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError, ValueError):
            if json.loads(file.read_text()).get("pid") == os.getpid():  # another sandbox may have taken the place
                file.unlink()
