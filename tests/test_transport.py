"""The transport against a real socket: what a hostile or broken provider cannot do to us."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from loaner.provider_call import ProviderTransport, Unanswered
from loaner.provider_call.addresses import is_public, resolve_public
from loaner.provider_call.bounded import MAX_BYTES, MAX_DEPTH, parsed
from loaner.secret import Secret

Serve = Callable[[SocketStream], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Server:
    """Answers every connection with one handler, and keeps what it was sent."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url_of(self, path: str) -> str:
        return f"{self.url}{path}"


@asynccontextmanager
async def serving(handle: Serve) -> AsyncIterator[Server]:
    server = Server()

    async def accept(stream: SocketStream) -> None:
        async with stream:
            heard = b""
            while b"\r\n\r\n" not in heard:
                heard += await stream.receive()
            server.heard.append(heard.decode())
            try:
                await handle(stream)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return  # the client had enough

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        server.port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's, no database's
        tasks.start_soon(listener.serve, accept)
        yield server
        tasks.cancel_scope.cancel()


def saying(answer: bytes) -> Serve:
    async def say(stream: SocketStream) -> None:
        await stream.send(answer)

    return say


async def test_json_arrives_parsed_and_text_as_text() -> None:
    async with ProviderTransport() as transport:
        async with serving(saying(HEAD + b"Content-Length: 8\r\n\r\n" + b'{"a": 1}')) as server:
            answer = await transport.exchange("GET", server.url_of("/a"), query={"q": "ü &"}, bearer=Secret("lent"))
            assert (answer.status, answer.body) == (200, {"a": 1})
            assert "GET /a?q=%C3%BC+%26 HTTP/1.1" in server.heard[0] or "GET /a?q=%C3%BC%20%26 " in server.heard[0]
            assert "Authorization: Bearer lent" in server.heard[0]
            assert "User-Agent: loaner/" in server.heard[0]
        async with serving(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")) as server:
            assert (await transport.exchange("GET", server.url_of("/a"))).body == "hi"


async def test_a_gzip_bomb_stops_at_the_cap() -> None:
    """MUST 49."""
    bomb = gzip.compress(b"\0" * (MAX_BYTES * 20))
    assert len(bomb) < 200_000
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)

    async with serving(saying(head + bomb)) as server, ProviderTransport() as transport:
        with pytest.raises(Unanswered, match="more than") as lost:
            await transport.exchange("GET", server.url_of("/"))
        assert lost.value.sent

        kept = await transport.exchange("GET", server.url_of("/"), cut=True)
        assert len(kept.body) == MAX_BYTES  # what was asked for as a text is one, and no more was ever held


async def test_an_endless_body_stops_at_the_cap() -> None:
    """MUST 49."""

    async def endless(stream: SocketStream) -> None:
        await stream.send(HEAD + b"\r\n")
        while True:
            await stream.send(b"x" * 65536)

    async with serving(endless) as server, ProviderTransport() as transport:
        with pytest.raises(Unanswered, match="more than"):
            await transport.exchange("GET", server.url_of("/"))


async def test_a_slow_drip_ends_at_the_deadline() -> None:
    """MUST 49."""

    async def drip(stream: SocketStream) -> None:
        await stream.send(HEAD + b"Content-Length: 100\r\n\r\n")
        while True:  # each byte within any read timeout, the whole never
            await stream.send(b" ")
            await anyio.sleep(0.01)

    async with serving(drip) as server, ProviderTransport() as transport:
        with pytest.raises(Unanswered, match="deadline") as lost:
            await transport.exchange("GET", server.url_of("/"), timeout=0.2)
    assert lost.value.sent


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"no http at all\r\n\r\n",
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        HEAD + b"Content-Encoding: br\r\nContent-Length: 4\r\n\r\nnope",
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 15\r\n\r\n" + gzip.compress(b"{}")[:15],
    ],
)
async def test_half_an_answer_is_none(answer: bytes) -> None:
    async with serving(saying(answer)) as server, ProviderTransport() as transport:
        with pytest.raises(Unanswered) as lost:
            await transport.exchange("POST", server.url_of("/"), json={}, bearer=Secret("lent"))
    assert lost.value.sent
    assert "lent" not in repr(lost.value)


async def test_a_closed_port_is_certain_not_to_have_been_reached() -> None:
    async with serving(saying(b"")) as server:
        url = server.url
    async with ProviderTransport() as transport:
        with pytest.raises(Unanswered) as lost:
            await transport.exchange("POST", url + "/", json={})
    assert not lost.value.sent


async def test_a_redirect_is_answered_and_not_followed() -> None:
    """MUST 45."""
    redirect = b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"

    async with serving(saying(redirect)) as server, ProviderTransport() as transport:
        answer = await transport.exchange("GET", server.url_of("/a"), bearer=Secret("lent"))

    assert (answer.status, answer.headers["location"]) == (302, "/b")
    assert len(server.heard) == 1


async def test_a_cookie_of_one_call_does_not_come_along_in_the_next() -> None:
    answer = HEAD + b"Set-Cookie: user=alice; Path=/\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"

    async with serving(saying(answer)) as server, ProviderTransport() as transport:
        await transport.exchange("GET", server.url_of("/"))
        await transport.exchange("GET", server.url_of("/"))

    assert len(server.heard) == 2
    assert "alice" not in server.heard[1]


async def test_the_environment_adds_no_proxy_and_no_credential(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """MUST 45."""
    async with serving(saying(HEAD + b"Content-Length: 2\r\n\r\n{}")) as server:
        (netrc := tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hunter2\n")  # type: ignore[operator]
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
        async with ProviderTransport() as transport:
            answer = await transport.exchange("GET", server.url_of("/"))
    assert answer.status == 200
    assert "uthorization" not in server.heard[0]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://127.0.0.1/",
        "https://user:password@example.com/",
        "https://example.com/a/../b",
        "https://example.com/%2e%2e/../b",
        "https://example.com/a b",
        "https://example.com/#x",
        "/relative",
    ],
)
async def test_a_url_that_would_not_be_requested_as_written_is_refused(url: str) -> None:
    """MUST 44, 46."""
    async with ProviderTransport() as transport:
        with pytest.raises(ValueError, match=r"https|as it is written"):
            await transport.exchange("GET", url, bearer=Secret("lent"))


async def test_nothing_of_a_call_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """MUST 60."""
    caplog.set_level(logging.DEBUG)
    async with serving(saying(HEAD + b"Content-Length: 2\r\n\r\n{}")) as server, ProviderTransport() as transport:
        await transport.exchange("GET", server.url_of("/"), query={"q": "canary-q"}, bearer=Secret("canary-t"))

    assert "canary" not in caplog.text


async def test_an_answer_cannot_send_us_to_a_private_address() -> None:
    """MUST 45."""
    async with ProviderTransport() as transport:
        for url in ("https://10.0.0.1/x", "https://[fd00::1]/x", "https://169.254.169.254/latest"):
            with pytest.raises(Unanswered, match="not a public") as refused:
                await transport.elsewhere("GET", url)
            assert not refused.value.sent


async def test_a_name_with_one_private_address_is_not_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """MUST 45."""

    async def resolved(host: str, port: int) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        return [(2, 1, 6, "", (address, port)) for address in ("93.184.216.34", "10.0.0.1")]

    monkeypatch.setattr(anyio, "getaddrinfo", resolved)

    assert await resolve_public("both.example", 443) is None


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("192.88.99.1", False),
        ("::1", False),
        ("::", False),
        ("::127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::a00:1", False),
        ("64:ff9b:1::a00:1", False),
        ("2002:a00:1::", False),
        ("2001::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("ff02::1", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    """MUST 45."""
    assert is_public(ip_address(address)) is public


def test_json_nested_deeper_than_asked_for_is_not_read() -> None:
    """MUST 49."""

    def nested(depth: int) -> bytes:
        return json.dumps(eval("[" * depth + "]" * depth)).encode()  # noqa: S307 - brackets only

    assert parsed(nested(MAX_DEPTH)) is not None
    assert parsed(nested(MAX_DEPTH + 1)) is None
    assert parsed(b"[" * 100_000) is None
