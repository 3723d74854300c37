"""Sockets of our own: taken before anything is announced, so that an address is never a guess."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Literal

import anyio
import uvicorn

from loaner.errors import SettingsInvalid

_PATIENCE = 5
"""Seconds that requests under way get at shutdown; a held consent would take longer, and is asked again."""


def at(host: str, port: int) -> socket.socket:
    """Listen exactly there. Raises :class:`SettingsInvalid` when the port is in use or not ours to take."""
    try:
        return _bound(host, port)
    except OSError as failure:
        why = "is in use" if failure.errno == errno.EADDRINUSE else f"cannot be used: {failure.strerror}"
        raise SettingsInvalid(
            f"port {port} on {host} {why}.", do="Stop the other server, or choose one: --port N (0 takes any)."
        ) from None


def loopback(preferred: int) -> socket.socket:
    """Listen on this machine only; on another free port when several servers run side by side."""
    try:
        return _bound("127.0.0.1", preferred)
    except OSError:
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
        listener.listen(256)
    except OSError:
        listener.close()
        raise
    return listener


class _Quiet(uvicorn.Server):
    """A server inside a larger program: it leaves the signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def served(app: Any, listener: socket.socket, *, lifespan: Literal["on", "off"] = "off") -> AsyncIterator[None]:
    """Serve ``app`` while the block runs."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,  # a URL may carry a one-time state
        lifespan=lifespan,
        ws="none",
        server_header=False,
        proxy_headers=False,  # who connects is what the socket says: anybody here may write such a header
        timeout_graceful_shutdown=_PATIENCE,
    )
    server = _Quiet(config)
    with contextlib.closing(listener):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [listener])
            try:
                yield
            finally:
                server.should_exit, server.force_exit = True, lifespan == "off"


async def told_to_stop() -> None:
    """Wait for SIGINT or SIGTERM. The program then ends by itself, with what was lent given back."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            return


async def until_told_to_stop(work: Callable[[], Awaitable[None]]) -> None:
    """Do ``work`` to its end, or until then."""
    if sys.platform == "win32":  # no loop there tells of signals
        await work()
        return
    async with anyio.create_task_group() as tasks:

        async def stop() -> None:
            await told_to_stop()
            tasks.cancel_scope.cancel()

        tasks.start_soon(stop)
        await work()
        tasks.cancel_scope.cancel()
