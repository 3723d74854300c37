"""The listener of both servers, by raw connections: what it takes before anybody is known."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import pytest

from loaner.cli import _listening
from loaner.cli._connections import MAX_HEAD
from loaner.cli._edge import MAX_TARGET
from loaner.peers import peer_of
from loaner.settings import LimitSettings
from no_files import no_more_files

ASK = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
SOON = 20
"""Seconds; the limits under test are fractions of one."""


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Reads everything, then answers with the host and the path that it was asked for, or with very much."""
    while (await receive()).get("more_body"):
        pass
    if scope["path"] == "/broken":
        raise ValueError("canary")
    host = next(value for name, value in scope["headers"] if name == b"host")
    body = b"x" * 20_000_000 if scope["path"] == "/much" else host + b" " + scope["path"].encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def says(self, *said: bytes) -> bytes:
        """All that is answered until the server hangs up."""
        with anyio.fail_after(SOON):
            for part in said:
                self.writer.write(part)
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def status(self, *said: bytes) -> int:
        """Of one answer; the connection stays."""
        with anyio.fail_after(SOON):
            for part in said:
                self.writer.write(part)
            return int((await self.reader.readuntil(b"\r\n")).split()[1])


class Listener:
    def __init__(self, port: int) -> None:
        self.port = port
        self._open: list[Connection] = []

    async def connect(self, *, source: str = "127.0.0.1", limit: int = 2**16) -> Connection:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0), limit=limit)
        self._open.append(Connection(reader, writer))
        return self._open[-1]

    def hang_up(self) -> None:
        for connection in self._open:
            connection.writer.transport.abort()


@asynccontextmanager
async def listening(**limits: Any) -> AsyncIterator[Listener]:
    listening = _listening.loopback(0)
    listener = Listener(listening.getsockname()[1])
    async with _listening.served(app, listening, limits=LimitSettings(**limits)):
        yield listener
        listener.hang_up()


async def test_half_open_connections_of_one_peer_keep_nobody_out() -> None:
    """MUST 63. Neither another address, nor somebody behind the same one."""
    async with listening(connections=8, connections_per_peer=4) as listener:
        silent = [await listener.connect() for _ in range(40)]
        for one in silent:
            one.writer.write(b"GET / HTTP/1.1\r\nHost: ")
        assert await (await listener.connect(source="127.0.0.2")).status(ASK) == 200
        assert await (await listener.connect()).status(ASK) == 200
        assert await silent[0].says() == b"", "the first made room"


async def test_where_every_connection_is_busy_the_next_is_told_to_come_later() -> None:
    """MUST 63."""
    async with listening(connections=8, connections_per_peer=2) as listener:
        for _ in range(2):
            busy = await listener.connect()
            busy.writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            assert b"100" in await busy.reader.readline()
        refused = await (await listener.connect()).says()
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After:" in refused
        assert await (await listener.connect(source="127.0.0.2")).status(ASK) == 200


async def busy(listener: Listener, source: str) -> Connection:
    """A connection whose request is being read."""
    connection = await listener.connect(source=source)
    connection.writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    with anyio.fail_after(SOON):
        assert b"100" in await connection.reader.readuntil(b"\r\n\r\n")
    return connection


async def test_all_peers_together_have_so_many_connections_and_whoever_has_most_makes_room() -> None:
    """MUST 63: no number of addresses takes more, and one that waits for nothing goes before one that works."""
    async with listening(connections=4, connections_per_peer=4) as listener:
        idle = [await listener.connect() for _ in range(2)]
        for one in idle:
            assert await one.status(ASK) == 200
        working = [await busy(listener, f"127.0.0.{number}") for number in (2, 3)]
        assert await (await listener.connect(source="127.0.0.4")).status(ASK) == 200
        assert b"200" not in await idle[0].says(ASK), "the longest idle one of the peer with most of them is gone"
        for one in working:
            assert await one.status(b"12345") == 200

    async with listening(connections=2, connections_per_peer=2) as listener:
        working = [await busy(listener, f"127.0.0.{number}") for number in (1, 2)]
        refused = await (await listener.connect(source="127.0.0.3")).says()
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After:" in refused
        for one in working:
            assert await one.status(b"12345") == 200


@pytest.mark.parametrize(("files", "most"), [(100, 8), (300, 140), (1_000_000, 1000)])
def test_connections_leave_files_for_the_store_and_the_providers(
    monkeypatch: pytest.MonkeyPatch, files: int, most: int
) -> None:
    """MUST 63: the system's limit is raised where that is allowed, and what stays of it is shared."""
    limits = [64, files]

    def raised(_: int, to: tuple[int, int]) -> None:
        limits[:] = to

    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", raised)
    within = _listening._within_files(LimitSettings())
    assert (within.connections, within.connections_per_peer) == (most, min(400, most))


async def test_without_a_file_for_a_new_connection_the_others_are_served_and_it_is_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """MUST 63: the listener goes on by itself once there are files again."""
    monkeypatch.setattr(asyncio.constants, "ACCEPT_RETRY_DELAY", 0.01)
    loop, refused = asyncio.get_running_loop(), anyio.Event()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda *_: refused.set())  # where the loop tells of a connection that it cannot take
    async with listening() as listener:
        known = await listener.connect()
        assert await known.status(ASK) == 200
        with socket.socket() as new:
            new.setblocking(False)
            with no_more_files():
                with suppress(BlockingIOError):
                    new.connect(("127.0.0.1", listener.port))
                with anyio.fail_after(SOON):
                    await refused.wait()
                    await known.reader.readuntil(b"\r\n0\r\n\r\n")  # the end of the answer before
                assert await known.status(ASK) == 200
                with pytest.raises(BlockingIOError):
                    new.recv(1)
            later = Connection(*await asyncio.open_connection(sock=new))
            assert await later.status(ASK) == 200
            later.writer.close()
    loop.set_exception_handler(before)


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\nHost: here\r\n", b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\n12"]
)
async def test_a_head_or_a_body_that_does_not_come_to_its_end_is_not_waited_for(said: bytes) -> None:
    """MUST 63."""
    async with listening(head_seconds=0.2, body_seconds=0.2) as listener:
        assert (await (await listener.connect()).says(said)).startswith(b"HTTP/1.1 408 ")


async def test_an_answer_that_nobody_reads_is_not_kept() -> None:
    """MUST 63."""
    async with listening(answer_seconds=0.2) as listener:
        deaf = await listener.connect(limit=1000)
        deaf.writer.write(b"GET /much HTTP/1.1\r\nHost: here\r\n\r\n")
        deaf.reader._transport.pause_reading()  # type: ignore[attr-defined]
        with anyio.fail_after(SOON):
            while await _open_here(listener.port):  # noqa: ASYNC110 - the other end is the system's
                await anyio.sleep(0.05)


async def _open_here(port: int) -> int:
    """How many connections the server side still has."""
    table = await anyio.Path("/proc/net/tcp").read_text()
    established, here = "01", f":{port:04X}"
    rows = [line.split() for line in table.splitlines()[1:]]
    return sum(1 for row in rows if row[1].endswith(here) and row[3] == established)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: here\r\nX: " + b"a" * MAX_HEAD + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: here\r\nX: " + b"a" * (MAX_HEAD + 1000), 431),
        (b"GET / HTTP/1.1\r\nHost: here\r\n" + b"X: a\r\n" * (MAX_HEAD // 4), 431),
        (b"GET /" + b"a" * MAX_TARGET + b" HTTP/1.1\r\nHost: here\r\n\r\n", 414),
        (b"GET /?" + b"a" * MAX_TARGET + b" HTTP/1.1\r\nHost: here\r\n\r\n", 414),
        (b"GET /" + b"a" * (MAX_TARGET - 1) + b" HTTP/1.1\r\nHost: here\r\n\r\n", 200),
        (b"\x16\x03\x01 a TLS hello\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: here\r\nHost: there\r\n\r\n", 400),
    ],
    ids=["in one piece", "without end", "many", "path", "query", "longest path", "TLS", "two hosts"],
)
async def test_a_head_is_bounded_and_well_formed(said: bytes, status: int) -> None:
    """MUST 63: 64 KiB of head, 8 KiB of target."""
    async with listening() as listener:
        assert await (await listener.connect()).status(said) == status


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        (b"http://there.example/x?y", b"there.example /x"),
        (b"HTTPS://there.example", b"there.example /"),
        (b"http://here/%41", b"here /A"),
        (b"ftp://there.example/", None),
        (b"http:///x", None),
        (b"*", None),
        (b"there.example:443", None),
    ],
)
async def test_in_absolute_form_the_target_names_the_host(target: bytes, answer: bytes | None) -> None:
    """RFC 9112 §3.2.2: whatever ``Host`` says. So another server's name cannot pass beside ours."""
    async with listening() as listener:
        said = await (await listener.connect()).says(
            b"GET " + target + b" HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
        )
    assert (b"\r\n" + answer + b"\r\n" in said) if answer else said.startswith(b"HTTP/1.1 400 ")


async def test_a_fault_of_ours_is_one_line_in_the_log_and_an_answer_without_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with listening() as listener:
        said = await (await listener.connect()).says(b"GET /broken HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 500 ")
    assert b'{"error":"internal"}' in said
    logged = "".join(capsys.readouterr())
    assert "ValueError" in logged
    assert "canary" not in logged
    assert "Traceback" not in logged


def test_a_peer_is_an_address_or_a_network_of_ipv6() -> None:
    assert peer_of("192.0.2.1") == peer_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert peer_of("2001:db8::1") == peer_of("2001:db8::2%eth0") != peer_of("2001:db8:0:1::1")
