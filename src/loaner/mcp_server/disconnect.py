"""A client that hangs up has cancelled its call (MCP 2026-07-28, streamable HTTP, "Cancellation").

With plain JSON answers the SDK does not look at the connection while a call runs, so we do. In the earlier era a
broken connection means nothing (2025-11-25, "Sending Messages to the Server"), and there the SDK is left alone.
"""

from __future__ import annotations

import anyio
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class CancelledByLeaving:
    """ASGI middleware: cancels the request's handling when the client is gone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        version = Headers(scope=scope).get("mcp-protocol-version")
        if scope["method"] != "POST" or version is None or version in HANDSHAKE_PROTOCOL_VERSIONS:
            await self._app(scope, receive, send)
            return
        body_read, gone = anyio.Event(), anyio.Event()

        async def handed_on() -> Message:
            """The body goes to the handler; after it, ``receive`` is the watcher's."""
            if body_read.is_set():
                await gone.wait()
                return {"type": "http.disconnect"}
            message = await receive()
            if message["type"] == "http.disconnect":
                gone.set()
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                body_read.set()
            return message

        async with anyio.create_task_group() as group:

            async def watch() -> None:
                await body_read.wait()
                while not gone.is_set():
                    if (await receive())["type"] == "http.disconnect":
                        gone.set()
                group.cancel_scope.cancel()

            group.start_soon(watch)
            await self._app(scope, handed_on, send)
            group.cancel_scope.cancel()
