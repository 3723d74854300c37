"""Reading an answer without trusting its size: decoded bytes and nesting are capped while they arrive."""

from __future__ import annotations

import json
import zlib
from typing import Any

MAX_BYTES = 5_000_000
"""Of a decoded body. 200 kB of gzip can become 200 MB."""
MAX_DEPTH = 64
"""Of nested JSON."""

_GZIP = 16 + zlib.MAX_WBITS


class TooMuch(Exception):
    """The answer is larger, deeper or stranger than any that we asked for."""


class Body:
    """A body as it comes. With ``cut``, what fits of it; otherwise what does not fit raises :class:`TooMuch`."""

    def __init__(self, coding: str, *, cut: bool) -> None:
        coding = coding.strip().lower()
        if coding not in {"identity", "gzip", ""}:
            raise TooMuch(f"content-encoding {coding[:20]!r} was not asked for")
        self._decoder = zlib.decompressobj(_GZIP) if coding == "gzip" else None
        self._cut = cut
        self._kept = bytearray()
        self._began = False
        self.is_full = False
        """Nothing more is wanted."""

    def add(self, chunk: bytes) -> None:
        self._began = True
        # One byte more than fits, so that "exactly full" and "too much" can be told apart.
        room = MAX_BYTES - len(self._kept) + 1
        try:
            self._kept += self._decoder.decompress(chunk, room) if self._decoder else chunk[:room]
        except zlib.error:
            raise TooMuch("not gzip") from None
        self.is_full = len(self._kept) > MAX_BYTES
        if self.is_full and not self._cut:
            raise TooMuch(f"more than {MAX_BYTES} bytes")

    def whole(self) -> bytes:
        """All of it, decoded."""
        if self._decoder and self._began and not self._decoder.eof and not self.is_full:
            raise TooMuch("gzip that ends early")
        return bytes(self._kept[:MAX_BYTES])


def parsed(body: bytes) -> Any:
    """The JSON in ``body``; none if it is not JSON, or nested deeper than anything we ask for."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    waiting = [(document, 1)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, dict | list):
            if depth > MAX_DEPTH:
                return None
            inner = value.values() if isinstance(value, dict) else value
            waiting += [(item, depth + 1) for item in inner if isinstance(item, dict | list)]
    return document
