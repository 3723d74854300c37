"""Asking the person by the best means the client declared (MCP 2026-07-28 and 2025-11-25, elicitation, URL mode).

1. A client of the modern era that opens URLs gets an ``InputRequiredResult`` and repeats the call by itself. Each
   repetition is *held* until the person has decided or the time is up, then answered "not yet" by state alone.
   Clients give up after ten rounds, so the ladder ends with words before that.
2. A client of the earlier era that opens URLs gets error -32042, which lists the URL.
3. Any other gets words, at once. This is the main path today.

``decline`` is the only answer that is a no, and only where a person can have given it: not sooner than somebody reads,
and not from a client none of whose questions was ever answered on a page. Those, like ``cancel``, come from a client
with nobody at it, and end in words with the link. No yes is ever taken from here, so leniency gives nothing away.

The state that travels through the client is sealed, bound to the caller and the call, good for one turn, and holds no
authority: which consent we wait for, and how often we did. What may be sent is decided by the approval.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError, UrlElicitationRequiredError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ElicitRequest,
    ElicitRequestURLParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from loaner.characters import marked
from loaner.clock import Now
from loaner.consent.requests import BY_DIALOG, OPEN
from loaner.errors import ConsentDenied, ConsentNeeded
from loaner.identity.caller import Caller
from loaner.mcp_server.ports import Decisions
from loaner.shutdown import Shutdown

MAX_ROUNDS: Final = 8
"""Clients stop at ten; ours must have ended with words by then."""
READING_MS: Final = 1500
"""A dialog that is answered sooner was not read."""
_KEY: Final = "consent"
_UNDECIDED: Final = frozenset(OPEN)

Carry = Callable[[], Awaitable[CallToolResult]]
"""Makes the call once; raises what went wrong."""
Outcome = CallToolResult | InputRequiredResult


@dataclass(frozen=True)
class Waiting:
    """The unsealed request state."""

    handle: str
    rounds: int
    asked_ms: int
    """When the dialog was put, in milliseconds since the epoch."""
    turn: str = field(default_factory=lambda: secrets.token_hex(16))
    """Names this state and no other; a client that loses one asks anew, without any."""

    def told(self) -> str:
        return f"{self.rounds} {self.asked_ms} {self.turn} {self.handle}"

    @classmethod
    def read(cls, state: str | None) -> Waiting | None:
        """Only ever of our own making: the boundary has refused everything else."""
        if not state:
            return None
        rounds, asked_ms, turn, handle = state.split(" ", 3)
        return cls(handle, int(rounds), int(asked_ms), turn)


@dataclass(frozen=True)
class ConsentLadder:
    decisions: Decisions
    hold_seconds: float
    shutdown: Shutdown
    now: Now
    base_url: Callable[[], str]

    async def climb(
        self, carry: Carry, ctx: ServerRequestContext[Any, Any], params: CallToolRequestParams, caller: Caller
    ) -> Outcome:
        """Carry the call, and if a person has to be asked first, ask.

        Raises :class:`MCPError` (-32602, as for a state that was altered) for a state that was used before.
        """
        waiting = Waiting.read(params.request_state)
        if waiting is None:
            try:
                return await carry()
            except ConsentNeeded as needed:
                return self._ask(needed, ctx, params.name, rounds=0)
        if not await self.decisions.spend_turn(waiting.turn):
            raise MCPError(INVALID_PARAMS, "This requestState was used before. Call the tool again without it.")
        answer = (params.input_responses or {}).get(_KEY)
        action = answer.action if isinstance(answer, ElicitResult) else None
        if action == "decline" and await self._is_seen(waiting, caller):
            await self._deny(waiting, caller)
            raise ConsentDenied(
                "the user refused this operation.",
                do=f"Ask them what they want instead. If that was not them: {self._link(waiting)}",
                dont="Do not retry or reach it by another tool.",
            )
        if action in {"decline", "cancel"}:
            return await carry()  # perhaps approved by other means; otherwise the error's words are the fallback
        return await self._hold(carry, ctx, params, waiting)

    async def _is_seen(self, waiting: Waiting, caller: Caller) -> bool:
        """Can a person have given this answer?"""
        took = self.now().timestamp() * 1000 - waiting.asked_ms
        return took >= READING_MS and await self.decisions.reaches_person(caller)

    def _link(self, waiting: Waiting) -> str:
        return f"{self.base_url()}/consent/{waiting.handle}"

    async def _deny(self, waiting: Waiting, caller: Caller) -> None:
        """So that the page stops offering a yes. A no needs no proof of who gave it."""
        if asked := await self.decisions.question(waiting.handle, caller.subject):
            await self.decisions.deny(asked, proven_by=BY_DIALOG)

    async def _hold(
        self, carry: Carry, ctx: ServerRequestContext[Any, Any], params: CallToolRequestParams, waiting: Waiting
    ) -> Outcome:
        rounds = waiting.rounds + 1
        decided = await self._decided(waiting.handle)
        if decided in _UNDECIDED and rounds < MAX_ROUNDS:
            return InputRequiredResult(request_state=Waiting(waiting.handle, rounds, waiting.asked_ms).told())
        try:
            return await carry()
        except ConsentNeeded as needed:
            if rounds >= MAX_ROUNDS or needed.invitation.handle == waiting.handle:
                raise
            return self._ask(needed, ctx, params.name, rounds=rounds)  # the first expired; this is another

    async def _decided(self, handle: str) -> str | None:
        """The state once it is decided, when the time is up, or when this server ends: the client then repeats its
        call at another one."""
        decided: str | None = None
        async with anyio.create_task_group() as tasks:

            async def release() -> None:
                await self.shutdown.releases_held()
                tasks.cancel_scope.cancel()

            tasks.start_soon(release)
            decided = await self.decisions.wait_for_decision(handle, self.hold_seconds)
            tasks.cancel_scope.cancel()
        return decided or await self.decisions.wait_for_decision(handle, 0)

    def _ask(
        self, needed: ConsentNeeded, ctx: ServerRequestContext[Any, Any], tool: str, *, rounds: int
    ) -> InputRequiredResult:
        if not _opens_urls(ctx):
            raise needed
        invitation = needed.invitation
        ask = ElicitRequestURLParams(
            message=f"{invitation.user_code} · {marked(invitation.sentence)}",
            url=invitation.url,
            elicitation_id=invitation.handle,  # the earlier era's only; the SDK leaves it out in the modern one
        )
        if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            raise UrlElicitationRequiredError([ask], f"{tool} needs the user's approval at the given address.")
        return InputRequiredResult(
            input_requests={_KEY: ElicitRequest(params=ask)},
            request_state=Waiting(invitation.handle, rounds, round(self.now().timestamp() * 1000)).told(),
        )


def _opens_urls(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Decided by what the client declared, never by its name or era; a bare ``{}`` means forms only."""
    declared = ctx.session.client_capabilities
    return bool(declared and declared.elicitation and declared.elicitation.url is not None)
