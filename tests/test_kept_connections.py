"""The connections to providers, kept and reused, against a server that does with them what it likes."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
import anyio.abc
import anyio.streams.tls
import pytest
from anyio.abc import SocketStream

from loaner.provider_call import ProviderTransport, Unanswered
from loaner.secret import Secret
from test_transport import saying, serving

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def answer(number: int) -> bytes:
    body = b"%d" % number
    return OK + b"Content-Length: %d\r\n\r\n" % len(body) + body


def answering(
    *answers: bytes, then: Callable[[SocketStream], Awaitable[None]] | None = None
) -> Callable[[SocketStream], Awaitable[None]]:
    """On each connection: an answer to each request, and then something else."""

    async def handle(stream: SocketStream) -> None:
        await stream.send(answers[0])
        for one in answers[1:]:
            await stream.receive()
            await stream.send(one)
        if then:
            await then(stream)
        else:
            with suppress(anyio.EndOfStream):
                await stream.receive()

    return handle


def always(answer: bytes) -> Callable[[SocketStream], Awaitable[None]]:
    async def handle(stream: SocketStream) -> None:
        with suppress(anyio.EndOfStream):
            while True:
                await stream.send(answer)
                await stream.receive()

    return handle


async def test_a_connection_is_kept_for_the_next_request() -> None:
    async with serving(answering(answer(1), answer(2))) as server, ProviderTransport() as transport:
        assert (await transport.exchange("GET", server.url_of("/"))).body == 1
        assert (await transport.exchange("GET", server.url_of("/"))).body == 2
        assert len(server.heard) == 1


async def test_requests_at_once_do_not_share_a_connection() -> None:
    release = anyio.Event()

    async def handle(stream: SocketStream) -> None:
        if len(server.heard) == 2:
            release.set()
        await release.wait()  # neither is answered before both have come
        await stream.send(answer(1))

    async with serving(handle) as server, ProviderTransport() as transport, anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(transport.exchange, "GET", server.url_of("/"))


async def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    closed = anyio.Event()

    async def close(stream: SocketStream) -> None:
        await stream.aclose()
        closed.set()

    async with serving(answering(answer(1), then=close)) as server, ProviderTransport() as transport:
        for _ in range(3):
            closed = anyio.Event()
            assert (await transport.exchange("POST", server.url_of("/"), json={})).body == 1
            await closed.wait()
            await anyio.wait_all_tasks_blocked()
        assert len(server.heard) == 3


@pytest.mark.parametrize(("method", "connections"), [("GET", 1), ("POST", 2)])
async def test_a_write_takes_a_kept_connection_only_while_it_was_used_just_now(
    method: str, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was idle may be closed by a balancer at that very moment, and then nobody knows what became of it."""
    monkeypatch.setattr("loaner.provider_call.connections._KEPT_FOR_WRITES", 0)
    async with serving(always(answer(1))) as server, ProviderTransport() as transport:
        for _ in range(2):
            await transport.exchange(method, server.url_of("/"))
        assert len(server.heard) == connections


async def test_a_connection_is_not_used_longer_than_its_server_says() -> None:
    short = answer(1).replace(b"\r\n\r\n", b"\r\nKeep-Alive: max=9, timeout=1\r\n\r\n")
    async with serving(always(short)) as server, ProviderTransport() as transport:
        for _ in range(2):
            await transport.exchange("GET", server.url_of("/"))
        assert len(server.heard) == 2


async def test_a_request_that_was_written_is_never_repeated() -> None:
    async def hear_and_close(stream: SocketStream) -> None:
        server.heard.append((await stream.receive()).decode())

    async with serving(answering(answer(1), then=hear_and_close)) as server, ProviderTransport() as transport:
        await transport.exchange("GET", server.url_of("/first"))
        with pytest.raises(Unanswered, match="ended early") as lost:
            await transport.exchange("GET", server.url_of("/second"))
        assert lost.value.sent
        assert [request.split()[1] for request in server.heard] == ["/first", "/second"]


@pytest.mark.parametrize("garbage", [answer(666), b"\r\n\r\n" + answer(666)], ids=["answer", "gap"])
async def test_what_comes_after_an_answer_answers_nothing(garbage: bytes) -> None:
    async with serving(answering(answer(1) + garbage)) as server, ProviderTransport() as transport:
        for number in range(1, 3):
            assert (await transport.exchange("GET", server.url_of("/"))).body == 1
            assert len(server.heard) == number


async def test_an_answer_with_noise_behind_it_is_refused_and_its_connection_ends() -> None:
    async with serving(answering(answer(1) + b"garbage")) as server, ProviderTransport() as transport:
        for number in range(1, 3):
            with pytest.raises(Unanswered) as lost:
                await transport.exchange("GET", server.url_of("/"))
            assert lost.value.sent
            assert len(server.heard) == number


async def test_what_comes_unasked_on_a_kept_connection_answers_nothing() -> None:
    async def blurt(stream: SocketStream) -> None:
        await answered.wait()
        await stream.send(answer(666))
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await stream.receive()
        hung_up.set()

    answered, hung_up = anyio.Event(), anyio.Event()
    async with serving(answering(answer(1), then=blurt)) as server, ProviderTransport() as transport:
        assert (await transport.exchange("GET", server.url_of("/"))).body == 1
        answered.set()
        await hung_up.wait()
        assert (await transport.exchange("GET", server.url_of("/"))).body == 1


class _Answers(asyncio.Protocol):
    """A server that does not mind who leaves."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(answer(1))  # type: ignore[attr-defined]


async def test_a_caller_who_goes_away_while_it_is_connected_leaves_nothing_open() -> None:
    """At whatever step: a socket that nobody closed warns, and a warning is an error."""
    server = await asyncio.get_running_loop().create_server(_Answers, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with ProviderTransport() as transport:
        for step in range(400):
            with anyio.move_on_after(step * 5e-6), suppress(Unanswered):
                await transport.exchange("GET", url)
        assert (await transport.exchange("GET", url)).body == 1
    server.close()
    await server.wait_closed()
    gc.collect()


async def test_a_caller_who_goes_away_takes_the_connection_along() -> None:
    heard, hung_up = anyio.Event(), anyio.Event()

    async def wait(stream: SocketStream) -> None:
        heard.set()
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await stream.receive()
        hung_up.set()

    async with serving(wait) as server, ProviderTransport() as transport:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(transport.exchange, "GET", server.url_of("/"))
            await heard.wait()
            tasks.cancel_scope.cancel()
        await hung_up.wait()


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (CHUNKED + b"1\r\n4\r\n1;x=y\r\n2\r\n0\r\n\r\n", 42),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + answer(42), 42),
        (OK + b"\r\n42", 42),
        (b"HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n", None),
        (b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n42", 42),
    ],
    ids=["chunks", "hints first", "until the end", "nothing", "1.0"],
)
async def test_every_way_to_give_a_body_is_understood(raw: bytes, body: object) -> None:
    async with serving(saying(raw)) as server, ProviderTransport() as transport:
        assert (await transport.exchange("GET", server.url_of("/"))).body == body


async def test_a_folded_header_is_one_value() -> None:
    """As RFC 9112 §5.2 tells a user agent to read it."""
    raw = OK + b"X-Long: a\r\n b\r\nContent-Length: 2\r\n\r\n42"
    async with serving(saying(raw)) as server, ProviderTransport() as transport:
        answered = await transport.exchange("GET", server.url_of("/"))
        assert answered.headers["x-long"].split() == ["a", "b"]
        assert answered.body == 42


async def test_a_trailer_is_no_header() -> None:
    raw = CHUNKED + b"2\r\n42\r\n0\r\nX-RateLimit-Remaining: 5000\r\n\r\n"
    async with serving(saying(raw)) as server, ProviderTransport() as transport:
        assert "x-ratelimit-remaining" not in (await transport.exchange("GET", server.url_of("/"))).headers


@pytest.mark.parametrize(
    "raw",
    [
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n42\r\n0\r\n\r\n",
        OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n42",
        OK + b"Content-Length: -2\r\n\r\n42",
        CHUNKED + b"2\r\n42\r\n",
        CHUNKED + b"fffffffffffffffff\r\n42\r\n0\r\n\r\n",
        CHUNKED + b"2\n42\n0\n\n",
        OK + b"X: a\x00b\r\nContent-Length: 2\r\n\r\n42",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n42",
        b"<html>no</html>\r\n\r\n",
    ],
    ids=[
        "both lengths", "two lengths", "negative", "truncated", "overflow", "bare newlines", "nul", "upgrade", "http2",
        "html",
    ],
)  # fmt: skip
async def test_what_could_be_read_in_two_ways_is_no_answer(raw: bytes) -> None:
    async with serving(saying(raw)) as server, ProviderTransport() as transport:
        with pytest.raises(Unanswered) as lost:
            await transport.exchange("GET", server.url_of("/"))
    assert lost.value.sent


@pytest.mark.parametrize(
    ("begun", "more"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-Filler: " + b"x" * 1000 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 1000),
        (CHUNKED + b"0\r\n", b"X-Filler: " + b"x" * 100_000 + b"\r\n"),
    ],
    ids=["headers", "one header", "trailers"],
)
async def test_nothing_but_a_body_may_be_large(begun: bytes, more: bytes) -> None:
    async def endless(stream: SocketStream) -> None:
        await stream.send(begun)
        while True:
            await stream.send(more)

    async with serving(endless) as server, ProviderTransport() as transport:
        with pytest.raises(Unanswered, match=r"more than|not HTTP"):
            await transport.exchange("GET", server.url_of("/"))


@pytest.mark.parametrize(
    ("begun", "more"),
    [
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 20),
        (CHUNKED, b"1;" + b"x" * 100_000 + b"\r\n4\r\n"),
    ],
    ids=["hints", "chunk extensions"],
)
async def test_what_is_read_and_not_kept_ends_at_the_deadline(begun: bytes, more: bytes) -> None:
    async def endless(stream: SocketStream) -> None:
        await stream.send(begun)
        while True:
            await stream.send(more)

    async with serving(endless) as server, ProviderTransport() as transport:
        with pytest.raises(Unanswered, match="deadline") as lost:
            await transport.exchange("GET", server.url_of("/"), timeout=0.3)
        assert lost.value.sent


@pytest.mark.parametrize("end", ["\r\n", "\n", "\x00", "\r", "é"], ids=repr)
async def test_a_token_cannot_write_a_line_of_its_own(end: str) -> None:
    async with serving(saying(answer(1))) as server, ProviderTransport() as transport:
        with pytest.raises(Unanswered) as lost:
            await transport.exchange("GET", server.url_of("/"), bearer=Secret(f"canary{end}X-Evil: 1"))
        assert not lost.value.sent
        assert "canary" not in str(lost.value)
        assert lost.value.__cause__ is None
        assert server.heard == []
