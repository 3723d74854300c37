"""How much one person may ask for: calls in a minute, at the same time, and bytes. So one cannot starve the others.

A call beyond the rate is told in words that a model understands. Whoever goes on at twice the rate is refused before
the request is read. Neither leaves a record for each: one says how many there were.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from time import monotonic
from typing import Final

import structlog
from mcp_types import INVALID_REQUEST
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loaner.errors import RateLimited, StoreUnusable
from loaner.identity.caller import Caller
from loaner.mcp_server.bearer import caller_in
from loaner.mcp_server.frames import too_much
from loaner.peers import MINUTE, PeerBucket
from loaner.settings import LimitSettings

log = structlog.get_logger(__name__)
_PEOPLE: Final = 10_000
"""Remembered at once; the one heard of the longest ago is forgotten, whose share is full again by then."""
_TOO_MANY: Final = -32000

Note = Callable[[str, int], Awaitable[None]]
"""Writes one record for a person: so many requests of theirs were refused."""


class _Share:
    def __init__(self, limits: LimitSettings) -> None:
        most, size = limits.calls_per_minute, limits.megabytes_per_minute * 1024 * 1024
        self.calls, self.requests, self.bytes = (
            PeerBucket(most, most),
            PeerBucket(2 * most, 2 * most),
            PeerBucket(size, size),
        )
        self.under_way = 0
        self.refused = 0
        self.noted_at = -math.inf


class Shares:
    """What each person has left."""

    def __init__(self, limits: LimitSettings, note: Note) -> None:
        self.limits = limits
        self._note = note
        self._of: OrderedDict[str, _Share] = OrderedDict()

    def of(self, caller: Caller) -> _Share:
        key = caller.subject.key
        share = self._of.get(key) or self._of.setdefault(key, _Share(self.limits))
        self._of.move_to_end(key)
        if len(self._of) > _PEOPLE:
            self._of.popitem(last=False)
        return share

    async def take_call(self, caller: Caller) -> None:
        """Raises :class:`RateLimited` where this person made too many."""
        if seconds := self.of(caller).calls.take(1):
            await self.refused(caller)
            wait = math.ceil(seconds)
            raise RateLimited(
                f"more than {self.limits.calls_per_minute} calls of this user in a minute: retry after {wait} s.",
                retry_after=wait,
                dont="Don't repeat it sooner.",
                log="limits.calls_per_minute",
            )

    async def refused(self, caller: Caller) -> None:
        """Count it, and once a minute leave one record of how many there were."""
        share = self.of(caller)
        share.refused += 1
        if monotonic() - share.noted_at < MINUTE:
            return
        count, share.refused, share.noted_at = share.refused, 0, monotonic()
        log.warning("refused requests beyond the limits of one person", settings="[limits]")
        try:
            await self._note(caller.subject.key, count)
        except StoreUnusable as failure:
            log.warning("refused requests could not be recorded", reason=failure.log)


class ShareDoor:
    """ASGI middleware behind the token: the share of whoever it vouches for."""

    def __init__(self, app: ASGIApp, shares: Shares, *, max_body: int) -> None:
        self._app = app
        self._shares = shares
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = caller_in(scope)
        share = self._shares.of(caller)
        seconds = share.requests.take(1)
        if scope["method"] != "POST" and not seconds:
            await self._app(scope, receive, send)
            return
        if share.under_way >= self._shares.limits.calls_at_once:
            seconds = max(seconds, 1.0)
        if seconds:
            await self._shares.refused(caller)
            await _refusal(HTTPStatus.TOO_MANY_REQUESTS, "too many requests of this user", seconds)(
                scope, receive, send
            )
            return
        share.under_way += 1  # before the body is there: it may be slow, and is kept until it is whole
        try:
            await self._measured(share, caller, scope, receive, send)
        finally:
            share.under_way -= 1

    async def _measured(self, share: _Share, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        if int(Headers(scope=scope).get("content-length", "0")) > self._max_body:
            await self._app(scope, receive, send)  # refused there, unread
            return
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._max_body:
                await _refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the request is too large")(scope, receive, send)
                return
        if seconds := share.bytes.take(len(body)):
            await self._shares.refused(caller)
            await _refusal(HTTPStatus.TOO_MANY_REQUESTS, "too many bytes of this user", seconds)(scope, receive, send)
            return
        if problem := too_much(bytes(body)):
            await _refusal(HTTPStatus.BAD_REQUEST, problem)(scope, receive, send)
            return
        await self._app(scope, _again(bytes(body), receive), send)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body that was read, then whatever comes after it."""
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _refusal(status: HTTPStatus, words: str, seconds: float = 0) -> JSONResponse:
    """As JSON-RPC, without an id: the request was not read, or not parsed."""
    code = _TOO_MANY if seconds else INVALID_REQUEST
    later = {"Retry-After": str(math.ceil(seconds))} if seconds else {}
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": words}}, status, later)
