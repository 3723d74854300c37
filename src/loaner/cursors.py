"""Cursors that only the one they were given to can bring back.

A cursor is no authority, since the call that carries it is checked like every other; but it holds a provider's own
mark, and a mark that somebody made up or took from another person must not reach the provider.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from loaner.errors import InvalidArguments
from loaner.identity.caller import Caller
from loaner.provider_call import Reply

_TAG = 16


class Cursors:
    """Signs the cursors that go out and checks those that come back, for one caller and one tool."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def opened(self, tool: str, arguments: Mapping[str, Any], caller: Caller) -> Mapping[str, Any]:
        """The arguments with the provider's mark in the cursor's place. Raises :class:`InvalidArguments`."""
        cursor = arguments.get("cursor")
        if not isinstance(cursor, str) or not cursor:  # an empty one is none
            return arguments
        mark, _, tag = cursor.rpartition(".")
        if not hmac.compare_digest(tag.encode(), self._tag(tool, mark, caller).encode()):
            raise InvalidArguments("cursor must be the next_cursor of an earlier answer of this same tool to you.")
        return {**arguments, "cursor": mark}

    def signed(self, tool: str, reply: Reply, caller: Caller) -> Reply:
        """The answer with a cursor that this caller can bring back."""
        mark = reply.payload.get("next_cursor")
        if not isinstance(mark, str):
            return reply
        return replace(reply, payload=reply.payload | {"next_cursor": f"{mark}.{self._tag(tool, mark, caller)}"})

    def _tag(self, tool: str, mark: str, caller: Caller) -> str:
        message = f"{caller.key}\x00{tool}\x00{mark}".encode()
        return base64.urlsafe_b64encode(hmac.digest(self._key, message, "sha256")[:_TAG]).rstrip(b"=").decode()
