"""A loopback proxy that adds an access token to each request, for clients that cannot send one.

The conformance suite has no option for a bearer. Everything else passes through byte by byte, the Host and Origin
headers and what is malformed too: some scenarios forge them, and the server must see the forgery. Only the proxy's own
address is rewritten to the server's, since that is what an honest client would have sent.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

HEAD_ENDS = b"\r\n\r\n"
MAX_HEAD = 65_536


@asynccontextmanager
async def adding_bearer(upstream: str, token: str) -> AsyncIterator[str]:
    """Serve a proxy to `upstream` (scheme and authority) on a free port; yield the proxy's own base URL."""
    there = urlsplit(upstream)
    assert there.hostname
    assert there.port

    async def forward(client: SocketStream) -> None:
        async with client:
            said = BufferedByteReceiveStream(client)
            with contextlib.suppress(anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, OSError):
                first, *lines = (await said.receive_until(HEAD_ENDS, MAX_HEAD)).split(b"\r\n")
                # One request a connection, so that no head goes by unseen.
                kept = [line for line in lines if not line.lower().startswith(b"connection:")]
                added = [f"Authorization: Bearer {token}".encode(), b"Connection: close"]
                head = b"\r\n".join([first, *kept, *added]).replace(own, there.netloc.encode()) + HEAD_ENDS
                async with await anyio.connect_tcp(there.hostname, there.port) as server:
                    await server.send(head)
                    async with anyio.create_task_group() as both:
                        both.start_soon(pump, said, server)
                        await pump(server, client)
                        both.cancel_scope.cancel()

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - a socket, and no query of Django's
    own = f"127.0.0.1:{port}".encode()
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, forward)
        yield f"http://{own.decode()}"
        group.cancel_scope.cancel()


async def pump(source: ByteReceiveStream, sink: ByteSendStream) -> None:
    with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async for chunk in source:
            await sink.send(chunk)
