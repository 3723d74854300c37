"""Sockets of our own: taken before anything is announced, so that an address is never a guess."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal

import anyio
import uvicorn

from loaner.cli._address import AddressInUse
from loaner.cli._connections import MAX_HEAD, BoundedConnection, ClientConnections
from loaner.cli._edge import Edge
from loaner.errors import SettingsInvalid
from loaner.settings import LimitSettings
from loaner.shutdown import Shutdown

_QUEUE = 1024
"""Connections that wait to be accepted: a burst must not cost another client a second try."""
_SIDE_BY_SIDE = 10
_AT_ONCE = 64
"""Accepted, or failed to be, before asyncio looks at anything else."""
_FINISH = 5.0
"""Seconds that requests under way get at the end, where nobody says otherwise."""
_TOLD = 5.0
"""Seconds for what was cut to be told; a mint that is under way is waited for."""
_FILES_WANTED = 8192
_FILES_KEPT = 96 + _AT_ONCE
"""Descriptors for the store, providers and logs: no number of connections may take them."""


def at(host: str, port: int) -> socket.socket:
    """Listen exactly there. Raises :class:`AddressInUse`, or :class:`SettingsInvalid` for what is not ours to take."""
    try:
        return _bound(host, port)
    except OSError as failure:
        if failure.errno == errno.EADDRINUSE:
            raise AddressInUse(
                f"port {port} on {host} is in use.", do="Stop the other server, or choose one: --port N (0 takes any)."
            ) from None
        raise SettingsInvalid(
            f"port {port} on {host} cannot be used: {failure.strerror}.", do="Choose another: --port N (0 takes any)."
        ) from None


def loopback(preferred: int) -> socket.socket:
    """Listen on this machine only; where several servers run side by side, on one of the ports that follow, so that
    who forwards ports knows them beforehand."""
    for port in range(preferred, min(preferred + _SIDE_BY_SIDE, 65536)):
        with contextlib.suppress(OSError):
            return _bound("127.0.0.1", port)
    return _bound("127.0.0.1", 0)


def url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, or asyncio leaves Nagle's algorithm on and each answer waits for an acknowledgement (40 ms).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_QUEUE)
    except OSError:
        listener.close()
        raise
    return listener


class _Server(uvicorn.Server):
    """A server inside a larger program: it leaves the signals alone, and counts its connections."""

    def __init__(self, config: uvicorn.Config, limits: LimitSettings) -> None:
        super().__init__(config)
        self.connections = ClientConnections(limits)
        self.server_state = self.connections
        self.finished = anyio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def run_until_told(self, listener: socket.socket) -> None:
        try:
            await self.serve([listener])
        finally:
            self.finished.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(_QUEUE)  # asyncio has set it to what is accepted at once

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:  # once a second
            self.connections.close_overdue(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def finish(self, shutdown: Shutdown, seconds: float) -> None:
        """End in the order that :mod:`loaner.shutdown` tells."""
        for accepting in getattr(self, "servers", ()):
            accepting.close()  # before anyone is told to connect anew
        self.should_exit = True
        shutdown.close()
        with anyio.move_on_after(seconds):
            await self._finished_or(shutdown.cutting)
        shutdown.cut()
        with anyio.move_on_after(_TOLD):
            await self.finished.wait()
        shutdown.end()
        with anyio.move_on_after(1):
            await self.finished.wait()
        for connection in list(self.connections.connections):
            connection.transport.abort()  # who does not read what it is told
        with anyio.move_on_after(1):
            await self.finished.wait()
        self.force_exit = True

    async def _finished_or(self, cutting: anyio.Event) -> None:
        async with anyio.create_task_group() as tasks:

            async def either(event: anyio.Event) -> None:
                await event.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(either, self.finished)
            tasks.start_soon(either, cutting)


@contextlib.asynccontextmanager
async def served(
    app: Any,
    listener: socket.socket,
    *,
    lifespan: Literal["on", "off"] = "off",
    limits: LimitSettings | None = None,
    shutdown: Shutdown | None = None,
    finish_seconds: float = _FINISH,
) -> AsyncIterator[None]:
    """Serve ``app`` while the block runs; then let what is under way finish, where ``lifespan`` is on."""
    shutdown = shutdown or Shutdown()
    config = uvicorn.Config(
        Edge(app, shutdown),
        http=BoundedConnection,
        log_config=None,
        access_log=False,  # a URL may carry a one-time state
        lifespan=lifespan,
        ws="none",
        server_header=False,
        proxy_headers=False,  # who connects is what the socket says: anybody here may write such a header
        backlog=_AT_ONCE,
        h11_max_incomplete_event_size=MAX_HEAD,
    )
    server = _Server(config, _within_files(limits or LimitSettings()))
    with contextlib.closing(listener):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.run_until_told, listener)
            try:
                yield
            except BaseException:
                server.should_exit = server.force_exit = True
                shutdown.end()
                raise
            if lifespan == "off":
                server.should_exit = server.force_exit = True
                shutdown.end()
            else:
                await server.finish(shutdown, finish_seconds)


def _within_files(limits: LimitSettings) -> LimitSettings:
    """No more connections than the system gives us descriptors for, after asking it for enough."""
    if sys.platform == "win32":
        return limits
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_WANTED if hard == resource.RLIM_INFINITY else min(_FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    room = limits.connections if soft == resource.RLIM_INFINITY else max(8, soft - _FILES_KEPT)
    most = min(limits.connections, room)
    return limits.model_copy(
        update={"connections": most, "connections_per_peer": min(limits.connections_per_peer, most)}
    )
