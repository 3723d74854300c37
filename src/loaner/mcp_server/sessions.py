"""MCP sessions of the earlier era, with a share for each person: nobody's are ended for somebody else's."""

from __future__ import annotations

import time
from collections import Counter
from http import HTTPStatus
from typing import Any, Final

import structlog
from mcp.server.auth.middleware.bearer_auth import AuthorizationContext
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER, StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from loaner.settings import LimitSettings

log = structlog.get_logger(__name__)
RETRY_AFTER: Final = 30
"""Seconds after which one who found no room may try again."""


class SharedSessions(StreamableHTTPSessionManager):
    """One more session of a person who has all of theirs ends the one that they used the longest ago."""

    def __init__(self, *args: Any, limits: LimitSettings, **kwargs: Any) -> None:
        super().__init__(*args, **(kwargs | {"max_sessions": limits.sessions}))
        self._limits = limits
        self._calls: Counter[str] = Counter()
        """Requests under way, by session; a stream that is only listened to is none."""
        self._used: dict[str, float] = {}

    async def _handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = Headers(scope=scope).get(MCP_SESSION_ID_HEADER, "")

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
                message = {**message, "headers": [*message["headers"], (b"retry-after", str(RETRY_AFTER).encode())]}
            await send(message)

        if scope["method"] != "POST" or session not in self._server_instances:
            await super()._handle_request(scope, receive, told)
            return
        self._calls[session] += 1
        try:
            await super()._handle_request(scope, receive, told)
        finally:
            self._calls[session] -= 1
            self._used[session] = time.monotonic()

    def _admit_session(self, requestor: AuthorizationContext | None) -> StreamableHTTPServerTransport | None:
        self._forget()
        theirs = [one for one, owner in self._session_owners.items() if _same_person(owner, requestor)]
        if len(theirs) >= self._limits.sessions_per_person:
            room = self._end_longest_idle(theirs)
        elif len(self._server_instances) >= self._limits.sessions:
            room = self._end_longest_idle(self._of_whoever_has_most())
        else:
            room = True
        admitted = super()._admit_session(requestor) if room else None
        if admitted is None:
            log.warning("refused an MCP session: no room, and none that is idle", setting="limits.sessions")
        elif admitted.mcp_session_id:
            self._used[admitted.mcp_session_id] = time.monotonic()
        return admitted

    def _of_whoever_has_most(self) -> list[str]:
        of: dict[tuple[str | None, str | None], list[str]] = {}
        for session, owner in self._session_owners.items():
            of.setdefault((owner["issuer"], owner["subject"]), []).append(session)
        return max(of.values(), key=len, default=[])

    def _end_longest_idle(self, sessions: list[str]) -> bool:
        idle = [one for one in sessions if not self._calls[one]]
        tasks: Any = self._task_group  # the SDK declares it by its first value alone
        if not idle or tasks is None:
            return False
        longest = min(idle, key=lambda one: self._used.get(one, 0.0))
        transport = self._server_instances.pop(longest)  # its id answers 404 from here on
        self._session_owners.pop(longest, None)
        tasks.start_soon(self._discard_session, longest, transport)
        return True

    def _forget(self) -> None:
        for session in self._used.keys() - self._server_instances.keys():
            del self._used[session]
            self._calls.pop(session, None)


def _same_person(one: AuthorizationContext, other: AuthorizationContext | None) -> bool:
    return other is not None and (one["issuer"], one["subject"]) == (other["issuer"], other["subject"])
