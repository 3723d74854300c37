"""An application or a function in the network's place, for whatever speaks to providers."""

from __future__ import annotations

import httpx2

from loaner.provider_call.bounded import Body
from loaner.provider_call.wire import WireAnswer, WireRequest

_NEVER_LEFT = (httpx2.ConnectError, httpx2.ConnectTimeout)


class Over:
    """A wire to any of httpx2's transports."""

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self.transport = transport

    async def ask(self, request: WireRequest, *, cut: bool) -> WireAnswer:
        request.check()  # what cannot be sent is refused here too
        asked = httpx2.Request(
            request.method,
            request.url.copy_with(raw_path=request.target.encode()),
            headers=request.headers,
            content=request.content,
        )
        request.sent = True
        try:
            answer = await self.transport.handle_async_request(asked)
            raw = b"".join([chunk async for chunk in answer.aiter_raw()]) if not answer.is_stream_consumed else None
        except httpx2.HTTPError as failure:
            request.sent = not isinstance(failure, _NEVER_LEFT)
            raise ConnectionError from None
        body = Body(answer.headers.get("content-encoding", "") if raw is not None else "", cut=cut)
        body.add(answer.content if raw is None else raw)
        return WireAnswer(answer.status_code, answer.headers, body.whole())

    def proxied(self, host: str) -> bool:
        return False

    async def aclose(self) -> None:
        await self.transport.aclose()
