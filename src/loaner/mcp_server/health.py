"""What a probe asks: ``GET /livez`` (the process answers) and ``GET /readyz`` (it can serve calls).

A probe comes by address and not by name, so both answer any ``Host``; they take no cookie and no token, and say
nothing that a stranger could use. What readiness costs is paid once for all who ask within a few seconds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final

import anyio
from sqlalchemy import Connection, delete
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from loaner.clock import Now
from loaner.errors import SettingsInvalid, StoreUnusable
from loaner.identity.issuer_keys import IssuerKeys, IssuerUnreachable
from loaner.shutdown import Shutdown
from loaner.store import Store, clock_seen
from loaner.store.tables import throttles

KNOWN_FOR: Final = 5.0
"""Seconds that an answer about readiness is good for."""
_WAIT: Final = 3.0
"""Seconds for all checks together; what has not answered by then fails."""
_ROW: Final = "readiness"

Check = Callable[[], Awaitable[None]]
"""Returns when all is well; raises, or takes too long."""


class Readiness:
    """Whether calls can be served, and what is in the way, in general words."""

    def __init__(self, checks: Mapping[str, Check], shutdown: Shutdown) -> None:
        self._checks = checks
        self._shutdown = shutdown
        self._known: list[str] = []
        self._known_until = 0.0
        self._looking = anyio.Lock()

    async def failing(self) -> list[str]:
        if self._shutdown.begun.is_set():
            return ["stopping"]
        async with self._looking:  # those who ask meanwhile get the same answer
            if anyio.current_time() >= self._known_until:
                self._known = await self._look()
                self._known_until = anyio.current_time() + KNOWN_FOR
        return self._known

    async def _look(self) -> list[str]:
        failing = set(self._checks)

        async def look(name: str, check: Check) -> None:
            try:
                await check()
            except (StoreUnusable, IssuerUnreachable, SettingsInvalid):
                return
            failing.discard(name)

        with anyio.move_on_after(_WAIT):
            async with anyio.create_task_group() as tasks:
                for name, check in self._checks.items():
                    tasks.start_soon(look, name, check)
        return sorted(failing)


class Health:
    """ASGI middleware, before every check of who asks and how."""

    def __init__(self, app: ASGIApp, readiness: Readiness) -> None:
        self._app = app
        self._readiness = readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path")
        if scope["type"] != "http" or path not in {"/livez", "/readyz"}:
            await self._app(scope, receive, send)
            return
        if scope["method"] not in {"GET", "HEAD"}:
            answer = _told(HTTPStatus.METHOD_NOT_ALLOWED, {"error": "method_not_allowed"})
        elif path == "/livez":
            answer = _told(HTTPStatus.OK, {"status": "ok"})
        elif failing := await self._readiness.failing():
            answer = _told(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "unavailable", "failing": failing})
        else:
            answer = _told(HTTPStatus.OK, {"status": "ok"})
        await answer(scope, receive, send)


def store_writable(store: Store, now: Now) -> Check:
    """The store takes a write, and keeps it."""

    async def check() -> None:
        at = now()

        def work(connection: Connection) -> None:
            connection.execute(delete(throttles).where(throttles.c.key == _ROW))
            connection.execute(throttles.insert().values(key=_ROW, count=0, window_ends=at))

        await store.write(work)

    return check


def clock_agrees(store: Store, now: Now) -> Check:
    """The clock is not behind what any server of the store noted; else nothing that was agreed to counts here."""

    async def check() -> None:
        clock_seen.refuse_behind(await store.read(clock_seen.latest), now())

    return check


def issuer_known(keys: IssuerKeys) -> Check:
    """The issuer's keys are here, and young enough to be used."""

    async def check() -> None:
        await keys.settle()

    return check


def _told(status: HTTPStatus, body: Mapping[str, object]) -> Response:
    return JSONResponse(dict(body), status, {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})
