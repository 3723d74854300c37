"""What an answer may not carry to an agent: the credentials of the call that it answers, in any usual spelling.

A provider, or whoever stands between, may repeat a header or a parameter of the request: in a URL, a debugging field,
an error. The exact credentials are known here and looked for exactly; what only has the shape of a provider's key is a
second net, for those that are not (a refresh token, somebody else's).
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from loaner.secret import KEY_SHAPE, Secret

REMOVED = "[credential removed]"
_SHORTEST = 8
"""Characters. A shorter secret would be found in honest words; no provider issues one."""


@dataclass
class Echoes:
    """Looks for these secrets in what comes back. ``found``: one of them did, whatever its spelling."""

    secrets: Iterable[Secret | None] = field(repr=False)
    found: bool = False

    def __post_init__(self) -> None:
        known = {secret.reveal() for secret in self.secrets if secret is not None}
        spelled = {way for value in known if len(value) >= _SHORTEST for way in _spellings(value)}
        ways = sorted(spelled, key=len, reverse=True)  # the longest first, so that nothing of one is left over
        self._exact = re.compile("|".join(map(re.escape, ways))) if ways else None

    def among(self, raw: bytes) -> bool:
        """May there be one in this body as it came? Cheap, and never wrong where it says no."""
        text = raw.decode(errors="replace")
        return "\\" in text or self._is_in(text)  # JSON may spell any letter as an escape

    def removed(self, value: Any) -> Any:
        """The same with :data:`REMOVED` in the place of each, in texts, lists, and names and values of objects."""
        match value:
            case str():
                return self._text(value)
            case list():
                return [self.removed(one) for one in value]
            case dict():
                return {self._text(name): self.removed(one) for name, one in value.items()}
            case _:
                return value

    def _is_in(self, text: str) -> bool:
        return bool(self._exact and self._exact.search(text)) or bool(KEY_SHAPE.search(text))

    def _text(self, text: str) -> str:
        if self._exact and self._exact.search(text):
            self.found = True
            text = self._exact.sub(REMOVED, text)
        return KEY_SHAPE.sub(REMOVED, text)


def _spellings(value: str) -> Iterator[str]:
    yield value
    yield json.dumps(value)[1:-1]
    once = quote(value, safe="")
    yield from (once, quote(once, safe=""))
    yield "".join(f"%{byte:02X}" for byte in value.encode())
    yield "".join(f"%{byte:02x}" for byte in value.encode())
    yield from (value.encode().hex(), value.encode().hex().upper(), value[::-1])
    for before in range(3):  # base64 of a text in which it stands, at each of the three places it may begin
        inside = b64encode(b"\0" * before + value.encode()).decode()
        # The first and last letters mix it with its neighbours.
        core = inside.rstrip("=")[(4 if before else 0) :][:-2]
        if len(core) >= _SHORTEST:
            yield from (core, core.replace("+", "-").replace("/", "_"))
