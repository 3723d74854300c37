"""The way out: a company's proxy and its own authorities, and what goes wrong there."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.streams.tls
import httpx2
import pytest
import structlog
from anyio.abc import SocketStream
from pydantic import ValidationError

from loaner.errors import SettingsInvalid
from loaner.network import Network
from loaner.provider_call import ProviderTransport, Unanswered
from loaner.provider_call.connections import ProviderConnections
from loaner.secret import Secret
from loaner.settings import NetworkSettings
from office import NAME, Office, an_office, self_signed
from test_kept_connections import answer


@pytest.fixture
async def office(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Office]:
    async with an_office(tmp_path) as opened:
        yield opened


@pytest.fixture
def capture_logs() -> Iterator[list[dict[str, Any]]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


async def test_a_provider_is_reached_through_the_proxy_which_sees_a_name_and_no_credential(office: Office) -> None:
    async with ProviderTransport(ProviderConnections(office.network())) as transport:
        for number in (1, 2):
            answered = await transport.exchange("POST", f"https://{NAME}/x", json={}, bearer=Secret("lent-token"))
            assert answered.body == number
    assert [asked.splitlines()[0] for asked in office.asked] == [f"CONNECT {NAME}:443 HTTP/1.1"]  # and kept
    assert not any("lent-token" in asked for asked in office.asked)
    assert all("Bearer lent-token" in heard and "Proxy-Authorization" not in heard for heard in office.heard)


async def test_the_issuers_keys_come_the_same_way(office: Office) -> None:
    async with office.network().client(NAME) as client:
        assert (await client.get(f"https://{NAME}/keys")).json() == 1
    assert office.asked[0].startswith(f"CONNECT {NAME}:443 ")
    async with office.network(ca_file=None).client(NAME) as stranger:
        with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await stranger.get(f"https://{NAME}/keys")
    assert len(office.heard) == 1


async def test_nobody_is_led_elsewhere(tmp_path: Path) -> None:
    async def elsewhere(_head: str, _body: bytes) -> bytes:
        return f"HTTP/1.1 302 Found\r\nLocation: https://{NAME}/other\r\nContent-Length: 0\r\n\r\n".encode()

    async with an_office(tmp_path, elsewhere) as office, office.network().client(NAME) as client:
        assert (await client.get(f"https://{NAME}/keys")).status_code == 302
    assert len(office.heard) == 1


def test_what_is_no_user_with_a_password_is_not_sent_to_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXY_LOGIN", "s3cret")
    said = NetworkSettings.model_validate({"proxy": "http://proxy.example", "proxy_credentials": "env:PROXY_LOGIN"})
    with pytest.raises(SettingsInvalid, match=r"network\.proxy_credentials: .* is not user:password") as refused:
        Network.of(said)
    assert "s3cret" not in refused.value.told()


async def test_credentials_go_to_the_proxy_alone(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXY_LOGIN", "worker:s3cret")
    network = office.network(proxy_credentials="env:PROXY_LOGIN")
    async with ProviderTransport(ProviderConnections(network)) as transport, network.client(NAME) as client:
        await transport.exchange("GET", f"https://{NAME}/x")
        await client.get(f"https://{NAME}/keys")
    assert len(office.asked) == 2
    assert all(httpx2.BasicAuth("worker", "s3cret")._auth_header in asked for asked in office.asked)
    assert not any("roxy-" in heard for heard in office.heard)


@pytest.mark.parametrize(
    ("says", "told", "lasting"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "network.proxy_credentials", True),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "with 403", True),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "with 503", False),
        (b"<html>Welcome to the hotel</html>\r\n\r\n", "gave no answer of a proxy", True),
        (b"", "ended the connection", False),
    ],
    ids=["asks for credentials", "refuses", "is busy", "answers a page", "hangs up"],
)
async def test_a_proxy_that_makes_no_tunnel_is_named_and_nothing_is_sent(
    office: Office, says: bytes, told: str, lasting: bool, capture_logs: list[dict[str, Any]]
) -> None:
    """The operator's log says which host, by which proxy, and why."""
    office.says = says
    async with ProviderTransport(ProviderConnections(office.network())) as transport:
        with pytest.raises(Unanswered) as lost:
            await transport.exchange("POST", f"https://{NAME}/x", json={}, bearer=Secret("lent-token"))
    assert not lost.value.sent
    assert lost.value.lasting is lasting
    (line,) = [one["reason"] for one in capture_logs]
    assert told in line
    assert f"{NAME}:443" in line
    assert office.proxy.removeprefix("http://") in line
    assert "lent-token" not in line
    assert office.heard == []


async def test_a_proxy_that_is_not_there_is_named(office: Office) -> None:
    network = office.network(proxy="http://127.0.0.1:9")
    async with ProviderTransport(ProviderConnections(network)) as transport:
        with pytest.raises(Unanswered, match=r"127\.0\.0\.1:9 \(network\.proxy\) cannot be reached \(ECONNREFUSED\)"):
            await transport.exchange("GET", f"https://{NAME}/x")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"proxy": "http://user:pw@proxy.example:3128"}, "network.proxy_credentials"),
        ({"proxy": "socks5://proxy.example:1080"}, "must begin with https://"),
        ({"proxy": "http://proxy.example:3128/pac"}, "without a path"),
        ({"proxy_credentials": "env:NOBODY"}, "set network.proxy too"),
        ({"no_proxy": ["https://ghe.corp.example"]}, "must be an address or a host name"),
        ({"no_proxy": ["*.corp.example"]}, "must be an address or a host name"),
        ({"hosts": {"https://ghe.corp.example": {"ca_file": "/x"}}}, "must be an address or a host name"),
    ],
)
def test_what_would_never_match_or_never_be_used_is_refused(said: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(told)) as refused:
        NetworkSettings.model_validate(said)
    assert "user:pw" not in str(refused.value)


async def test_what_is_named_and_loopback_go_around_the_proxy(office: Office) -> None:
    network = office.network(no_proxy=["direct.example", ".corp.example"])
    ways = {host: network.proxy_for(host) is None for host in (NAME, "DIRECT.example", "127.0.0.1", "x.direct.example")}
    assert ways == {NAME: True, "DIRECT.example": True, "127.0.0.1": True, "x.direct.example": False}


async def test_without_a_setting_the_environment_changes_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, office.proxy)
    monkeypatch.setenv("SSL_CERT_FILE", str(office.ca_file))
    async with ProviderTransport() as transport:
        with pytest.raises(Unanswered, match=f"{NAME}:443 cannot be resolved"):
            await transport.exchange("GET", f"https://{NAME}/x")
    assert office.asked == []


async def test_an_authority_may_be_for_one_host_alone(office: Office) -> None:
    network = office.network(ca_file=None, hosts={NAME: {"ca_file": office.ca_file}})
    async with ProviderTransport(ProviderConnections(network)) as transport:
        assert (await transport.exchange("GET", f"https://{NAME}/x")).body == 1
        with pytest.raises(Unanswered, match="CERTIFICATE_VERIFY_FAILED"):
            await transport.exchange("GET", "https://other.corp.example/x")
    async with ProviderTransport(
        ProviderConnections(office.network(ca_file=None, hosts={"other.corp.example": {"ca_file": office.ca_file}}))
    ) as transport:
        with pytest.raises(Unanswered, match="CERTIFICATE_VERIFY_FAILED"):
            await transport.exchange("GET", f"https://{NAME}/x")
    assert len(office.heard) == 1


@pytest.mark.parametrize("content", [None, "", "no certificate", "key"], ids=["missing", "empty", "text", "with a key"])
def test_a_file_of_authorities_that_is_something_else_stops_the_start(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    certificate, key = self_signed(NAME)
    if content is not None:
        file.write_bytes(key + certificate if content == "key" else content.encode())
    with pytest.raises(SettingsInvalid, match=r"network\.ca_file: .*ca\.pem"):
        Network.of(NetworkSettings(ca_file=file))
    with pytest.raises(SettingsInvalid, match=r'network\.hosts\."ghe\.example"\.ca_file: .*ca\.pem'):
        Network.of(NetworkSettings.model_validate({"hosts": {"ghe.example": {"ca_file": file}}}))


async def test_a_certificate_is_for_one_host_and_from_an_authority_that_is_known(tmp_path: Path) -> None:
    """A stranger hears nothing, not even that there was something to hear."""
    certificate, key = self_signed("localhost")
    (file := tmp_path / "both.pem").write_bytes(key + certificate)
    serves = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serves.load_cert_chain(file)
    (authority := tmp_path / "ca.pem").write_bytes(certificate)
    knows = Network.of(NetworkSettings(ca_file=authority))

    async def handle(stream: SocketStream) -> None:
        async with stream:
            with suppress(anyio.BrokenResourceError, anyio.EndOfStream, ssl.SSLError):
                tls = await anyio.streams.tls.TLSStream.wrap(stream, ssl_context=serves, server_side=True)
                heard.append((await tls.receive()).decode())
                await tls.send(answer(1))
                await tls.receive()

    heard: list[str] = []
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - anyio's, no database's
        tasks.start_soon(listener.serve, handle)
        for known, host in ((knows, "127.0.0.1"), (Network(), "localhost")):
            async with ProviderTransport(ProviderConnections(known)) as transport:
                with pytest.raises(Unanswered, match="CERTIFICATE_VERIFY_FAILED") as lost:
                    await transport.exchange("GET", f"https://{host}:{port}/", bearer=Secret("lent"))
                assert not lost.value.sent
                assert lost.value.lasting
                assert f"{host}:{port}" in str(lost.value)
        assert heard == []
        async with ProviderTransport(ProviderConnections(knows)) as transport:
            assert (await transport.exchange("GET", f"https://localhost:{port}/", bearer=Secret("lent"))).body == 1
        assert "Bearer lent" in heard[0]
        tasks.cancel_scope.cancel()
