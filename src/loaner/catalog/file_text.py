"""The text of a file, where an answer has it, and why there is none where it has not.

An empty value may mean "empty" and may mean "not given here": GitHub gives no content of more than 1 MB, and an agent
that took that for an empty file would write it back empty.
https://docs.github.com/en/rest/repos/contents#get-repository-content
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from loaner.catalog.base import Definition

_NO_TEXT = ("\x00", "\ufffd")
"""Not in a text file: the second stands for what is no UTF-8."""


@dataclass(frozen=True)
class Found:
    text: str | None = None
    binary: bool = False
    left_out: str = ""
    """Why there is no text."""
    begins_only: bool = False
    """It is the beginning of a longer file."""


class FileText(Definition):
    """Dotted paths into an answer that carries a file."""

    encoding: str
    """``base64``, which it also is where nothing is said; anything else means that the content is not there."""
    size: str
    """Bytes of the file."""
    raw: str
    """Its text as it is, where a later step asked for that."""

    def found(self, content: str, *, encoding: Any, size: Any, raw: Any) -> Found:
        if encoding in (None, "base64"):
            return _decoded(content, size)
        if not isinstance(raw, str):
            return Found(left_out="too large to be given here")
        begins_only = isinstance(size, int) and len(raw.encode()) < size
        text = raw.rstrip("\ufffd") if begins_only else raw  # a letter that was cut in two
        return Found(binary=True) if _is_binary(text) else Found(text, begins_only=begins_only)


def _decoded(content: str, size: Any) -> Found:
    try:
        held = base64.b64decode(content)
    except binascii.Error:
        return Found(left_out="not readable")
    if not held and size not in (None, 0):
        return Found(left_out="not given by the provider")
    try:
        text = held.decode()
    except UnicodeDecodeError:
        return Found(binary=True)
    return Found(binary=True) if "\x00" in text else Found(text)


def _is_binary(text: str) -> bool:
    return any(sign in text for sign in _NO_TEXT)
