"""Reading an answer without trusting its size: decoded bytes and nesting are capped while they arrive."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx2

MAX_BYTES = 5_000_000
"""Of a decoded body. 200 kB of gzip can become 200 MB."""
MAX_DEPTH = 64
"""Of nested JSON."""

_GZIP = 16 + zlib.MAX_WBITS


class TooMuch(Exception):
    """The answer is larger, deeper or stranger than any that we asked for."""


async def read(response: httpx2.Response, *, cut: bool = False) -> bytes:
    """The decoded body. With ``cut``, what fits of it; otherwise raises :class:`TooMuch` when it does not fit.

    gzip is decoded here and not by httpx2, which decodes a whole network chunk before anyone can count it.
    """
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding not in {"identity", "gzip", ""}:
        raise TooMuch(f"content-encoding {coding[:20]!r} was not asked for")
    decoder = zlib.decompressobj(_GZIP) if coding == "gzip" else None
    body = bytearray()
    async for chunk in _chunks(response):
        # One byte more than fits, so that "exactly full" and "too much" can be told apart.
        room = MAX_BYTES - len(body) + 1
        try:
            body += decoder.decompress(chunk, room) if decoder else chunk[:room]
        except zlib.error:
            raise TooMuch("not gzip") from None
        if len(body) > MAX_BYTES:
            if cut:
                return bytes(body[:MAX_BYTES])
            raise TooMuch(f"more than {MAX_BYTES} bytes")
    if decoder and not decoder.eof:
        raise TooMuch("gzip that ends early")
    return bytes(body)


async def _chunks(response: httpx2.Response) -> AsyncIterator[bytes]:
    if response.is_stream_consumed:  # made by hand, by whoever stands in for the network
        yield response.content
        return
    async for chunk in response.aiter_raw():
        yield chunk


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
