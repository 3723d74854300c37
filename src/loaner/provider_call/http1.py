"""HTTP/1.1 over kept connections, one request at a time on each, parsed by llhttp (`httptools`) at its strictest.

A general client costs a call more than everything else that loaner does, and most of what it can do must not happen
here: no redirect, no proxy, no cookie, no retry, no upgrade. What is wrong with an answer ends its connection.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import anyio
import anyio.to_thread
import httptools
import httpx2

from loaner.provider_call.bounded import MAX_BYTES, Body, TooMuch

_CONNECT = 5.0
"""Seconds to reach a provider; whatever fails before is certain not to have been sent."""
_AT_ONCE = 100
"""Connections to all providers together. GitHub takes as many requests at once."""
_KEPT = 20.0
"""Seconds that a connection may wait for its next request: less than a provider leaves it open."""
_MAX_HEAD = 65_536
_LINE = re.compile(r"[\x21-\x7e]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")


class Broken(Exception):
    """The connection ended, or what came is no answer."""


@dataclass
class Outgoing:
    """One request, whole. Its headers hold the credential."""

    method: str
    url: httpx2.URL
    """Where to; of it, ``target`` alone goes out."""
    target: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(default=b"", repr=False)
    address: str | None = None
    """To connect to, where the name in ``url`` was resolved before."""
    sent: bool = False
    """False only while certainly nothing has left this computer."""

    def encoded(self) -> bytes:
        """Raises :class:`ValueError` where a line of it would read as something else."""
        head = {"Host": self.url.netloc.decode(), **self.headers}
        if self.content or self.method in {"POST", "PUT", "PATCH"}:
            head["Content-Length"] = str(len(self.content))
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        words = (self.method, self.target, *head)
        if not all(map(_LINE.fullmatch, words)) or not all(map(_VALUE.fullmatch, head.values())):
            raise ValueError("a line of the request is none")  # and is not told: it may be the credential
        return "\r\n".join(lines).encode() + self.content


@dataclass(frozen=True)
class Incoming:
    """One answer, whole and bounded."""

    status: int
    headers: httpx2.Headers
    body: bytes = field(repr=False)


class Wire(Protocol):
    """Whatever carries a request to a provider."""

    async def ask(self, request: Outgoing, *, cut: bool) -> Incoming:
        """Raises :class:`OSError`, :class:`Broken`, :class:`TooMuch` or :class:`ValueError`.

        ``request.sent`` tells whether any of it had left by then.
        """
        ...

    async def aclose(self) -> None: ...


class _Connection(asyncio.Protocol):
    """What comes on one connection. It is used again only if exactly one answer came, and nothing since."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.kept_at = 0.0
        self.usable = True
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[Incoming] | None = None

    async def ask(self, request: Outgoing, encoded: bytes, *, cut: bool) -> Incoming:
        self._answer, self.usable = self._loop.create_future(), False
        self._parser = httptools.HttpResponseParser(self)
        self._cut, self._came = cut, 0
        self._head: list[tuple[bytes, bytes]] = []
        self._body: Body | None = None
        request.sent = True
        self._transport.write(encoded)
        try:
            return await self._answer
        finally:
            self._answer = None
            if not self.usable:
                self._transport.abort()

    def is_fresh(self) -> bool:
        return self.usable and self._loop.time() - self.kept_at < _KEPT and not self._transport.is_closing()

    def abort(self) -> None:
        self._transport.abort()

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what connects a stream is one
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._answer is None:  # said unasked: whatever it is, the next request must not get it for an answer
            self.usable = False
            self._transport.abort()
            return
        self._came += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.usable = False
            self._fail(Broken("not HTTP/1.1"))
        if self._came > (_MAX_HEAD if self._body is None else 2 * MAX_BYTES):
            self._fail(TooMuch("more than an answer has beside its body"))

    def connection_lost(self, failure: Exception | None) -> None:
        self.usable = False
        self.closed.set()
        if self._answer is not None:
            # RFC 9112 §6.3: where no length is given, the end of the connection is the end of the body.
            if failure is None and self._body is not None and not self._has_length:
                self._finish()
            self._fail(Broken("ended early"))

    # What the parser tells.

    def on_message_begin(self) -> None:
        if self._answer is None or self._answer.done():
            self.usable = False  # a second answer, to nobody's question

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head.append((name, value))  # what follows a chunked body comes too late to be one

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._parser.get_http_version() not in {"1.0", "1.1"}:
            self._fail(Broken("another version of HTTP"))
        if status < httpx2.codes.OK:  # "early hints" and their like: the answer is still to come
            if status == httpx2.codes.SWITCHING_PROTOCOLS:
                self._fail(Broken("nobody asked to switch protocols"))
            return
        self._status, self._headers = status, httpx2.Headers(self._head)
        self._has_length = "content-length" in self._headers or "transfer-encoding" in self._headers
        self._keeps = self._parser.should_keep_alive()
        try:
            self._body = Body(self._headers.get("content-encoding", ""), cut=self._cut)
        except TooMuch as failure:
            self._fail(failure)

    def on_body(self, chunk: bytes) -> None:
        if self._body is None or self._answer is None or self._answer.done():
            return
        try:
            self._body.add(chunk)
        except TooMuch as failure:
            self._fail(failure)
        if self._body.is_full:
            self._finish()

    def on_message_complete(self) -> None:
        if self._body is None:
            self._head = []
        elif self._answer is not None and not self._answer.done():
            self.usable = self._keeps
            self._finish()

    def _finish(self) -> None:
        if self._body is not None and self._answer is not None and not self._answer.done():
            try:
                self._answer.set_result(Incoming(self._status, self._headers, self._body.whole()))
            except TooMuch as failure:
                self._fail(failure)

    def _fail(self, failure: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self.usable = False
            self._answer.set_exception(failure)


def _verifying() -> ssl.SSLContext:
    """Hosts are verified by the authorities that httpx2 ships, whatever the environment says."""
    context = httpx2.create_ssl_context(trust_env=False)
    context.set_alpn_protocols(["http/1.1"])
    return context


class Pool:
    """Connections to all providers. ``tls`` makes the context that verifies them, when first needed."""

    def __init__(self, tls: Callable[[], ssl.SSLContext] = _verifying) -> None:
        self._make_tls = tls
        self._tls: ssl.SSLContext | None = None
        self._idle: dict[tuple[str, str, str | None], list[_Connection]] = {}
        self._every = weakref.WeakSet[_Connection]()
        self._making = set[asyncio.Task[_Connection]]()
        self._room = anyio.Semaphore(_AT_ONCE, fast_acquire=True)

    async def ask(self, request: Outgoing, *, cut: bool) -> Incoming:
        encoded = request.encoded()
        place = (request.url.scheme, request.url.netloc.decode(), request.address)
        async with self._room:
            connection = self._kept(place) or await self._connected(request)
            answer = await connection.ask(request, encoded, cut=cut)
            if connection.usable:
                connection.kept_at = asyncio.get_running_loop().time()
                self._idle.setdefault(place, []).append(connection)
            return answer

    async def aclose(self) -> None:
        """Let go of every connection."""
        self._idle.clear()
        if self._making:
            await asyncio.wait(self._making, timeout=1)
        every = list(self._every)  # also those given up on just now, whose end is still to come
        for connection in every:
            connection.abort()
        with anyio.move_on_after(1, shield=True):
            for connection in every:
                await connection.closed.wait()

    def _kept(self, place: tuple[str, str, str | None]) -> _Connection | None:
        """One that waits and is still good: the one used last, so that the others grow old."""
        kept = self._idle.pop(place, [])
        fresh = [connection for connection in kept if connection.is_fresh()]
        for connection in kept:
            if connection not in fresh:
                connection.abort()
        chosen = fresh.pop() if fresh else None
        if fresh:
            self._idle[place] = fresh
        return chosen

    async def _connected(self, request: Outgoing) -> _Connection:
        secure = request.url.scheme == "https"
        if secure and self._tls is None:
            self._tls = await anyio.to_thread.run_sync(self._make_tls)
        making = asyncio.create_task(self._made(request, self._tls if secure else None))
        self._making.add(making)
        making.add_done_callback(self._making.discard)
        # Beside the call: one that is cancelled just when the connection is there would drop it unclosed.
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            making.add_done_callback(_let_go)
            raise

    async def _made(self, request: Outgoing, tls: ssl.SSLContext | None) -> _Connection:
        host, secure = request.url.host, request.url.scheme == "https"
        with anyio.fail_after(_CONNECT):
            _, connection = await asyncio.get_running_loop().create_connection(
                _Connection,
                request.address or host,
                request.url.port or (443 if secure else 80),
                ssl=tls,
                server_hostname=host if secure else None,
                happy_eyeballs_delay=0.25,
            )
        self._every.add(connection)
        return connection


def _let_go(made: asyncio.Task[_Connection]) -> None:
    """Nobody waits for this connection any more."""
    if not made.cancelled() and made.exception() is None:
        made.result().abort()
