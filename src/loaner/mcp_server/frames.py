"""One JSON-RPC message, or exactly what is wrong with it (JSON-RPC 2.0 §5.1; MCP, "Messages").

What a message may hold is bounded before it is parsed: a call has some arguments, and parsing a hundred thousand
fields keeps everybody else waiting.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from mcp_types import INVALID_REQUEST, PARSE_ERROR, JSONRPCMessage, JSONRPCNotification, jsonrpc_message_adapter

MAX_STRINGS: Final = 10_000
"""Names and texts of one message. The largest call of ours has some hundred."""
MAX_VALUES: Final = 10_000
MAX_DEPTH: Final = 64
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BRACKET: Final = re.compile(rb"[][{}]")


@dataclass(frozen=True)
class Malformed:
    """What is no message, as far as it can be said."""

    code: int
    id: str | int | None
    what: str
    wants_answer: bool = True
    """An answer to something of ours gets none, or two programs could go on for ever."""

    def answer(self) -> bytes:
        words = "Parse error" if self.code == PARSE_ERROR else "Invalid Request"
        error = {"code": self.code, "message": f"{words}: {self.what}"}
        return json.dumps({"jsonrpc": "2.0", "id": self.id, "error": error}).encode()


def message_of(line: bytes) -> JSONRPCMessage | Malformed:
    if problem := too_much(line):
        return Malformed(INVALID_REQUEST, None, problem)
    try:
        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError:
        return _explained(line)
    # With an id that is none it would pass for a notification, and nobody would get an answer.
    hides_an_id = isinstance(message, JSONRPCNotification) and "id" in json.loads(line)
    return _explained(line) if hides_an_id else message


def too_much(body: bytes) -> str | None:
    """What of a message goes beyond its bounds. It looks at letters and parses nothing, so that it costs little."""
    # An escaped backslash could hide that the quotation mark behind it ends a string.
    plain = body.replace(b"\\\\", b"")
    if (plain.count(b'"') - plain.count(b'\\"')) // 2 > MAX_STRINGS:
        return f"more than {MAX_STRINGS} names and texts"
    many = body.count(b",") > MAX_VALUES
    deep = body.count(b"[") + body.count(b"{") > MAX_DEPTH
    if not (many or deep):
        return None
    outside = _STRING.sub(b"", body)
    if max(outside.count(b","), outside.count(b"[") + outside.count(b"{")) > MAX_VALUES:
        return f"more than {MAX_VALUES} values"
    return f"deeper than {MAX_DEPTH}" if _is_deep(outside) else None


def _is_deep(outside: bytes) -> bool:
    depth = 0
    for bracket in _BRACKET.finditer(outside):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _explained(line: bytes) -> Malformed:
    try:
        read: Any = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        return Malformed(PARSE_ERROR, None, "not UTF-8")
    except (ValueError, RecursionError):
        return Malformed(PARSE_ERROR, None, "not JSON")
    if not isinstance(read, dict):
        return Malformed(
            INVALID_REQUEST, None, "a batch; send one message a line" if type(read) is list else "no object"
        )
    given = read.get("id")
    known = given if isinstance(given, str) or type(given) is int else None
    if "method" not in read and ("result" in read or "error" in read):
        return Malformed(INVALID_REQUEST, known, "not a valid answer", wants_answer=False)
    wrong_id = "id" in read and known is None
    what = "an id must be a string or a whole number" if wrong_id else "not a JSON-RPC 2.0 message"
    return Malformed(INVALID_REQUEST, known, what)
