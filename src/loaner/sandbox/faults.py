"""Things going wrong on purpose: outages, rate limits and silence, per provider.

A fault waits for the next request to its provider whose path holds ``path``, and happens ``count`` times, or until
it is cleared. Statuses, rate limits, hanging, dripping and broken connections happen in front of the provider, so
the provider never sees the request; after ``after:NNN`` it did what was asked, and a gateway's page comes back in place
of its answer. ``wrong_scope`` and ``refused:<name>`` (:mod:`loaner.sandbox.refusals`) are for the provider to ask about
with :meth:`Faults.take`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loaner.sandbox.refusals import GITHUB, LINEAR, SLACK

BEFORE = ("hang", "rate_limit")
WHILE_ANSWERING = ("slow_drip", "half_close")
REFUSED = tuple(f"refused:{name}" for name in (*GITHUB, *SLACK, *LINEAR))
INSIDE = ("wrong_scope", *REFUSED)
DRIP_SECONDS = 0.05


@dataclass
class Fault:
    kind: str
    """``status:503``, ``after:502``, ``rate_limit``, ``hang``, ``slow_drip``, ``half_close``, ``wrong_scope``,
    ``refused:saml``."""
    path: str = ""
    count: int | None = None
    released: anyio.Event = field(default_factory=anyio.Event, repr=False)

    def __post_init__(self) -> None:
        known = (*BEFORE, *WHILE_ANSWERING, *INSIDE)
        if self.kind not in known and not re.fullmatch(r"(status|after):[1-5]\d\d", self.kind):
            raise ValueError(f"no such fault: {self.kind} (status:NNN, after:NNN, {', '.join(known)})")

    @property
    def is_outside(self) -> bool:
        return self.kind not in INSIDE

    def as_json(self) -> dict[str, object]:
        return {"kind": self.kind, "path": self.path, "count": self.count}


class Faults:
    """What is to go wrong, by provider: ``github``, ``slack``, ``linear`` or ``idp``."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Fault]] = {}
        self._taken: list[Fault] = []

    def add(self, provider: str, kind: str, *, path: str = "", count: int | None = None) -> None:
        """Raises ``ValueError`` for a kind that nobody knows."""
        self._waiting.setdefault(provider, []).append(Fault(kind, path, count))

    def clear(self, provider: str | None = None) -> None:
        """Forget the faults of one provider, or of all; requests left hanging are let go either way."""
        gone = [provider] if provider else list(self._waiting)
        for fault in [*self._taken, *(each for name in gone for each in self._waiting.pop(name, []))]:
            fault.released.set()
        self._taken.clear()

    def take(self, provider: str, path: str, kinds: Collection[str] | None = None) -> Fault | None:
        """The fault this request shall meet, counted down; ``None`` if all goes well.

        Without ``kinds``, one of those that happen in front of the provider.
        """
        for fault in self._waiting.get(provider, []):
            wanted = fault.is_outside if kinds is None else fault.kind in kinds
            if wanted and fault.path in path:
                if fault.count is not None:
                    fault.count -= 1
                    if fault.count <= 0:
                        self._waiting[provider].remove(fault)
                self._taken.append(fault)
                return fault
        return None

    def as_json(self) -> dict[str, list[dict[str, object]]]:
        return {provider: [each.as_json() for each in faults] for provider, faults in self._waiting.items() if faults}


# How each provider says "too fast": GitHub docs "Rate limits for the REST API" (403 or 429 and retry-after), Slack
# docs "Rate limits" (429), Linear docs "Rate limiting" (a GraphQL error with HTTP 400).
RATE_LIMITED: dict[str, tuple[int, dict[str, object]]] = {
    "github": (403, {"message": "You have exceeded a secondary rate limit.", "status": "403"}),
    "slack": (429, {"ok": False, "error": "ratelimited"}),
    "linear": (400, {"errors": [{"message": "Rate limit exceeded", "extensions": {"code": "RATELIMITED"}}]}),
}


class Faulty:
    """The ASGI wrapper that stands in front of one provider."""

    def __init__(self, app: ASGIApp, provider: str, faults: Faults) -> None:
        self.app = app
        self.provider = provider
        self.faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self.faults.take(self.provider, scope["path"]) if scope["type"] == "http" else None
        if fault is None:
            await self.app(scope, receive, send)
        elif fault.kind == "hang":
            await _hang(fault, receive)
            await _answer(send, 503, {"message": "let go by the sandbox"}, {})
        elif fault.kind == "slow_drip":
            await self.app(scope, receive, _dripping(send))
        elif fault.kind == "half_close":
            await self.app(scope, receive, _breaking(send))
        elif fault.kind.startswith("after:"):
            await self.app(scope, receive, _replacing(send, int(fault.kind.removeprefix("after:"))))
        elif fault.kind == "rate_limit":
            status, body = RATE_LIMITED.get(self.provider, (429, {"error": "rate_limited"}))
            await _answer(send, status, body, {b"retry-after": b"60"})
        else:
            status = int(fault.kind.removeprefix("status:"))
            await _answer(send, status, {"message": "injected by the sandbox", "status": str(status)}, {})


async def _answer(send: Send, status: int, body: dict[str, object], headers: dict[bytes, bytes]) -> None:
    raw = json.dumps(body).encode()
    shown = {b"content-type": b"application/json", b"content-length": str(len(raw)).encode(), **headers}
    await send({"type": "http.response.start", "status": status, "headers": list(shown.items())})
    await send({"type": "http.response.body", "body": raw})


async def _hang(fault: Fault, receive: Receive) -> None:
    """Say nothing until the client goes away or the fault is cleared."""
    async with anyio.create_task_group() as group:

        async def until_gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()

        group.start_soon(until_gone)
        await fault.released.wait()
        group.cancel_scope.cancel()


def _dripping(send: Send) -> Send:
    async def drip(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        for byte in message.get("body", b""):
            await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
            await anyio.sleep(DRIP_SECONDS)
        await send({"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)})

    return drip


def _replacing(send: Send, status: int) -> Send:
    async def replaced(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            raw = b"<html><title>The gateway got no answer</title></html>"
            shown = [(b"content-type", b"text/html"), (b"content-length", str(len(raw)).encode())]
            await send({"type": "http.response.start", "status": status, "headers": shown})
            await send({"type": "http.response.body", "body": raw})

    return replaced


def _breaking(send: Send) -> Send:
    async def half(message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        else:
            await send(message)

    return half
