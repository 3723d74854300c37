"""Making a screenshot small: at most 256 colours, one byte each (PNG specification, third edition, §9 and §11)."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator


def small(png: bytes) -> bytes:
    """The same picture of a page with a palette. Takes what Chromium writes: 8-bit RGB, not interlaced."""
    chunks = dict(_chunks(png))
    width, height, depth, kind = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (depth, kind) == (8, 2)
    rows = [bytes(row) for row in _unfiltered(zlib.decompress(chunks[b"IDAT"]), width, height)]
    counted = Counter(row[place : place + 3] for row in rows for place in range(0, width * 3, 3))
    colours = [colour for colour, _ in counted.most_common(256)]
    # The rare rest, the edges of letters, takes the nearest of the others.
    number = {one: min(range(len(colours)), key=lambda at, one=one: _distance(colours[at], one)) for one in counted}
    lines = b"".join(b"\0" + bytes(number[row[at : at + 3]] for at in range(0, width * 3, 3)) for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    packed = zlib.compress(lines, 9)
    parts = ((b"IHDR", header), (b"PLTE", b"".join(colours)), (b"IDAT", packed), (b"IEND", b""))
    return png[:8] + b"".join(_chunk(name, body) for name, body in parts)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    place, data = 8, b""
    while place < len(png):
        (size,) = struct.unpack(">I", png[place : place + 4])
        name, body = png[place + 4 : place + 8], png[place + 8 : place + 8 + size]
        data += body if name == b"IDAT" else b""
        yield (name, data if name == b"IDAT" else body)
        place += 12 + size


def _unfiltered(data: bytes, width: int, height: int) -> Iterator[bytearray]:
    stride, above = width * 3, bytearray(width * 3)
    for line in range(height):
        start = line * (stride + 1)
        kind, row = data[start], bytearray(data[start + 1 : start + 1 + stride])
        for place in range(stride) if kind else ():
            left = row[place - 3] if place >= 3 else 0
            corner = above[place - 3] if place >= 3 else 0
            row[place] = row[place] + _predicted(kind, left, above[place], corner) & 0xFF
        yield row
        above = row


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 4:  # Paeth
        return min((left, up, corner), key=lambda one: abs(left + up - corner - one))
    return (0, left, up, (left + up) // 2)[kind]


def _distance(one: bytes, other: bytes) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
