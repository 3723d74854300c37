"""A loopback proxy that adds an access token to each request, for clients that cannot send one.

The conformance suite has no option for a bearer. Everything else passes through as it came, the Host and
Origin headers too: some scenarios forge them, and the server must see the forgery. Only the proxy's own
address is rewritten to the server's, since that is what an honest client would have sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

HOP_BY_HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"upgrade", b"te", b"trailer"}
METHODS = ["GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"]


@asynccontextmanager
async def adding_bearer(upstream: str, token: str) -> AsyncIterator[str]:
    """Serve a proxy to `upstream` (scheme and authority) on a free port; yield the proxy's own base URL."""
    there = httpx2.URL(upstream).netloc
    client = httpx2.AsyncClient(timeout=None, follow_redirects=False, trust_env=False)

    async def forward(request: Request) -> Response:
        here = request.scope["server"]
        own = f"{here[0]}:{here[1]}".encode()
        headers = [(name, value.replace(own, there)) for name, value in request.headers.raw if name not in HOP_BY_HOP]
        headers.append((b"authorization", f"Bearer {token}".encode()))
        target = httpx2.URL(upstream).join(request.url.path).copy_with(query=request.url.query.encode() or None)
        # A Request made by hand carries none of the client's own default headers.
        outgoing = httpx2.Request(request.method, target, headers=headers, content=await request.body())
        answer = await client.send(outgoing, stream=True)
        response = StreamingResponse(
            answer.aiter_raw(), status_code=answer.status_code, background=BackgroundTask(answer.aclose)
        )
        response.raw_headers = [(n.lower(), v) for n, v in answer.headers.raw if n.lower() not in HOP_BY_HOP]
        return response

    app = Starlette(routes=[Route("/{path:path}", forward, methods=METHODS)])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    socket = server.config.bind_socket()
    async with client, anyio.create_task_group() as group:
        group.start_soon(server.serve, [socket])
        try:
            yield f"http://127.0.0.1:{socket.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
