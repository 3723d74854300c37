"""A company's network: a host with a certificate of the company's own, and a proxy that alone leads there."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import anyio
import anyio.abc
import anyio.streams.tls
import httpx2
from anyio.abc import SocketAttribute, SocketStream
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from loaner.network import Network
from loaner.settings import NetworkSettings
from test_kept_connections import answer

NAME = "ghe.corp.example"
"""It resolves nowhere: only the proxy knows the way."""
Inside = Callable[[str, bytes], Awaitable[bytes]]
"""What the host answers to a head and a body."""


@dataclass
class Office:
    ca_file: Path
    proxy: str = ""
    asked: list[str] = field(default_factory=list)
    """Heads of what the proxy was asked."""
    heard: list[str] = field(default_factory=list)
    """Heads of what reached the host, inside TLS."""
    says: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"

    def network(self, **more: object) -> Network:
        return Network.of(NetworkSettings.model_validate({"proxy": self.proxy, "ca_file": self.ca_file} | more))


@asynccontextmanager
async def an_office(folder: Path, inside: Inside | None = None) -> AsyncIterator[Office]:
    certificate, key = self_signed(NAME)
    (folder / "both.pem").write_bytes(key + certificate)
    (folder / "ca.pem").write_bytes(certificate)
    serves = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serves.load_cert_chain(folder / "both.pem")
    office = Office(folder / "ca.pem")

    async def tunnel(stream: SocketStream) -> None:
        async with stream:
            head, _ = await _request(stream)
            office.asked.append(head)
            await stream.send(office.says)
            if b" 200 " not in office.says:
                return
            with suppress(anyio.BrokenResourceError, anyio.EndOfStream, ssl.SSLError):
                tls = await anyio.streams.tls.TLSStream.wrap(stream, ssl_context=serves, server_side=True)
                while True:
                    head, body = await _request(tls)
                    office.heard.append(head)
                    await tls.send(await inside(head, body) if inside else answer(len(office.heard)))

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        office.proxy = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"  # noqa: S610 - anyio's
        tasks.start_soon(listener.serve, tunnel)
        yield office
        tasks.cancel_scope.cancel()


async def _request(stream: anyio.abc.ByteReceiveStream) -> tuple[str, bytes]:
    heard = b""
    while b"\r\n\r\n" not in heard:
        heard += await stream.receive()
    head, _, body = heard.partition(b"\r\n\r\n")
    length = next((line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b"0")
    while len(body) < int(length):
        body += await stream.receive()
    return head.decode(), body


def enterprise(sandbox_url: str) -> Inside:
    """The emulated GitHub as GitHub Enterprise Server lays it out: the API below ``/api/v3`` of one host."""

    async def inside(head: str, body: bytes) -> bytes:
        request, *lines = head.split("\r\n")
        method, target, _ = request.split(" ")
        api = target.removeprefix("/api/v3")
        place = f"/github{target}" if api == target else f"/github/api{api}"
        headers = dict(line.split(": ", 1) for line in lines)
        kept = {name: value for name, value in headers.items() if name.lower() not in {"host", "accept-encoding"}}
        async with httpx2.AsyncClient(trust_env=False) as client:
            got = await client.request(method, f"{sandbox_url}{place}", headers=kept, content=body)
        if "location" in got.headers:  # what it stores is on the same host
            got.headers["location"] = re.sub("^http://[^/]+/[a-z]+/", f"https://{NAME}/", got.headers["location"])
        told = [
            f"{name}: {value}" for name, value in got.headers.items() if name not in {"content-length", "connection"}
        ]
        first = f"HTTP/1.1 {got.status_code} {got.reason_phrase}"
        return "\r\n".join([first, *told, f"content-length: {len(got.content)}", "", ""]).encode() + got.content

    return inside


def self_signed(name: str) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.9"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    return made.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain
    )
