"""MCP messages over this process's own pipes, read and written by the event loop itself.

The SDK's transport hands each message to worker threads and back, which costs more than reading it; and a thread that
waits for a line cannot be interrupted, so a process that is told to stop would not.
"""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Self

import anyio
import structlog
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_REQUEST,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from loaner.mcp_server.frames import Malformed, message_of

log = structlog.get_logger(__name__)
AtEnd = Callable[[], Awaitable[None]]
_LONGEST = 16 * 1024 * 1024
"""Bytes of one message."""


def usable() -> bool:
    """Are stdin and stdout both pipes, sockets or terminals? Files and Windows are for the SDK's transport."""
    return sys.platform != "win32" and all(map(_can_be_waited_for, (0, 1)))


def _can_be_waited_for(fd: int) -> bool:
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd)


class Open:
    """The requests that have no answer yet."""

    def __init__(self) -> None:
        self._ids: set[str | int] = set()
        self._none = anyio.Event()

    def asked(self, message: JSONRPCMessage) -> None:
        if isinstance(message, JSONRPCRequest):
            self._ids.add(message.id)
        elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            self._over((message.params or {}).get("requestId"))  # it will never be answered

    def answered(self, message: JSONRPCMessage) -> None:
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            self._over(message.id)

    async def none_left(self) -> None:
        while self._ids:
            await self._none.wait()

    def _over(self, request_id: object) -> None:
        if isinstance(request_id, str | int):
            self._ids.discard(request_id)
        if not self._ids:
            self._none.set()
            self._none = anyio.Event()


class Reading:
    """What the client says. A line that is no message is answered here, logged, and handed on to nobody."""

    def __init__(self, lines: asyncio.StreamReader, writing: Writing, at_end: AtEnd) -> None:
        self._lines = lines
        self._writing = writing
        self._at_end = at_end

    async def receive(self) -> SessionMessage | Exception:
        while True:
            try:
                line = await self._lines.readline()
            except ValueError:
                await self._refuse(Malformed(INVALID_REQUEST, None, f"a line of more than {_LONGEST} bytes"))
                continue
            except OSError:
                line = b""
            if not line:
                await self._at_end()
                raise anyio.EndOfStream
            if not line.strip():
                continue
            read = message_of(line)
            if isinstance(read, Malformed):
                await self._refuse(read)
                continue
            self._writing.open.asked(read)
            return SessionMessage(read)

    async def _refuse(self, line: Malformed) -> None:
        log.warning("stdin: no MCP message", reason=line.what)
        if line.wants_answer:
            with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
                await self._writing.line(line.answer())

    async def aclose(self) -> None:
        self._lines.feed_eof()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class Writing:
    """What the client is told: a line a message, each whole."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.open = Open()

    async def send(self, item: SessionMessage, /) -> None:
        try:
            await self.line(item.message.model_dump_json(by_alias=True, exclude_unset=True).encode())
        finally:
            self.open.answered(item.message)

    async def line(self, message: bytes) -> None:
        if self._writer.is_closing():
            raise anyio.ClosedResourceError
        self._writer.write(message + b"\n")
        try:
            await self._writer.drain()
        except OSError:
            raise anyio.BrokenResourceError from None

    async def aclose(self) -> None:
        """Nothing: what was written is flushed when the pipes are given back."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


@asynccontextmanager
async def opened(at_end: Callable[[Open], Awaitable[None]]) -> AsyncIterator[tuple[Reading, Writing]]:
    """Both pipes, while the block runs. Meanwhile descriptor 0 is empty and 1 is stderr, for children too.

    ``at_end`` runs when the client has said its last, while it may still be told something.
    """
    loop = asyncio.get_running_loop()
    with open(_own(0, os.O_RDONLY), "rb", 0) as source, open(_own(1, os.O_WRONLY), "wb", 0) as sink:  # noqa: ASYNC230 - no files
        lines = asyncio.StreamReader(_LONGEST)
        incoming, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), source)
        outgoing, protocol = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), sink
        )
        writer = asyncio.StreamWriter(outgoing, protocol, None, loop)
        kept = [os.dup(0), os.dup(1)]
        with open(os.devnull, "rb") as nothing:  # noqa: ASYNC230, PTH123 - never waits
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
        try:
            writing = Writing(writer)
            yield Reading(lines, writing, partial(at_end, writing.open)), writing
        finally:
            for fd, was in enumerate(kept):
                os.dup2(was, fd)
                os.close(was)
            await _closed(incoming, writer)


async def _closed(incoming: Any, writer: asyncio.StreamWriter) -> None:
    incoming.close()
    writer.close()
    with anyio.CancelScope(shield=True), anyio.move_on_after(1):  # a client that reads no more is not waited for
        try:
            await writer.wait_closed()
        except OSError:
            return
    await anyio.lowlevel.checkpoint()


def _own(fd: int, flags: int) -> int:
    """The same pipe under another number. A terminal is opened anew: not to wait must not become its shell's mode."""
    return os.open(os.ttyname(fd), flags | os.O_NOCTTY) if os.isatty(fd) else os.dup(fd)
