"""How many connections are open, how much each may send, and for how long it may keep us waiting.

All of it before anything is known about who is there: one peer that opens connections and says nothing, or never
stops talking, must not keep the others out. h11 bounds a head that is not complete; this adds what time and number
take. Sources: RFC 9112 §9.5 (closing), RFC 9110 §15.5.9 (408), RFC 6585 §5 (431).
"""

from __future__ import annotations

import http
from typing import Any, Final

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from loaner.peers import peer_of
from loaner.settings import LimitSettings

log = structlog.get_logger(__name__)
MAX_HEAD: Final = 64 * 1024
"""Bytes of a request's first line and headers."""


class ClientConnections(ServerState):
    """All open connections of one listener."""

    def __init__(self, limits: LimitSettings) -> None:
        super().__init__()
        self.limits = limits
        self._of_peer: dict[str, set[BoundedConnection]] = {}
        self._count = 0

    def admit(self, new: BoundedConnection) -> bool:
        """Take one more; where there is no room, in place of one that waits for a request. Is there room?"""
        theirs = self._of_peer.setdefault(new.peer, set())
        crowd: set[BoundedConnection] | None = None
        if len(theirs) >= self.limits.connections_per_peer:
            crowd = theirs
        elif self._count >= self.limits.connections:
            crowd = max(self._of_peer.values(), key=len)  # whoever takes most of the room makes it
        if crowd is not None:
            waiting = [one for one in crowd if one.waits_for_request]
            if not waiting:
                log.warning("connection refused", peer=new.peer, reason="every connection is busy", setting="limits")
                return False
            longest = min(waiting, key=lambda one: (not one.begun, one.since))
            self.release(longest)
            longest.transport.abort()
        theirs.add(new)
        self._of_peer[new.peer] = theirs
        self._count += 1
        return True

    def release(self, one: BoundedConnection) -> None:
        theirs = self._of_peer.get(one.peer, set())
        if one in theirs:
            theirs.remove(one)
            self._count -= 1
        if not theirs:
            self._of_peer.pop(one.peer, None)

    def close_overdue(self, now: float) -> None:
        """End those that let us wait too long. Called about once a second."""
        for one in list(self.connections):
            if isinstance(one, BoundedConnection):
                one.close_if_overdue(now, self.limits)


class BoundedConnection(H11Protocol):
    """One connection. It is *waiting* until a whole head is there, then *busy* until the answer is complete."""

    server_state: ClientConnections

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.peer = peer_of(self.client[0] if self.client else "")
        self.since = self.loop.time()
        self.begun = True
        """A request is expected: from the first connection on, later from its first byte on."""
        self._head = 0
        self._unread_since: float | None = None
        if not self.server_state.admit(self):
            self.refuse(http.HTTPStatus.SERVICE_UNAVAILABLE)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server_state.release(self)
        super().connection_lost(exc)

    @property
    def waits_for_request(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        before = self.cycle
        if self.waits_for_request:
            if not self.begun:
                self.begun, self.since = True, self.loop.time()
            # What comes after an answer may be the rest of a body that nobody read.
            self._head += 0 if self.conn.their_state is h11.SEND_BODY else len(data)
        super().data_received(data)
        if self.cycle is not before:
            self._head, self.since = 0, self.loop.time()
        elif self.waits_for_request and self._head > MAX_HEAD:
            self.refuse(http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_response_complete(self) -> None:
        # Before the next request, which may be here already.
        self.begun, self.since, self._head = self.conn.their_state is h11.SEND_BODY, self.loop.time(), 0
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words
        too_large = self._head > MAX_HEAD
        self.refuse(http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if too_large else http.HTTPStatus.BAD_REQUEST)

    def refuse(self, status: http.HTTPStatus) -> None:
        """Say so where an answer can still be given, and hang up."""
        if self.transport.is_closing():
            return
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            words = f"{status.phrase}\n".encode()
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/plain\r\n"
            later = "Retry-After: 1\r\n" if status is http.HTTPStatus.SERVICE_UNAVAILABLE else ""
            self.transport.write(
                f"{head}{later}Content-Length: {len(words)}\r\nConnection: close\r\n\r\n".encode() + words
            )
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    def close_if_overdue(self, now: float, limits: LimitSettings) -> None:
        if self.transport.get_write_buffer_size() == 0:
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        elif now - self._unread_since > limits.answer_seconds:
            self.transport.abort()  # whoever does not read has no use for an answer
            return
        late = now - self.since
        if self.waits_for_request:
            overdue = self.begun and late > limits.head_seconds
        else:
            overdue = self.cycle.more_body and late > limits.body_seconds
        if overdue:
            self.refuse(http.HTTPStatus.REQUEST_TIMEOUT)
