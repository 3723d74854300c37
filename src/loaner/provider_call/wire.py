"""One request and one answer as values, and what carries them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import httpx2

_LINE = re.compile(r"[\x21-\x7e]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")


class Broken(Exception):
    """The connection ended, or what came is not an answer."""


class Unreachable(Exception):
    """No connection, so nothing was sent. The text names the fault, the host and the port, and holds no credential."""

    def __init__(self, fault: str, *, lasting: bool) -> None:
        super().__init__(fault)
        self.lasting = lasting
        """Waiting does not help: somebody has to change a setting, a certificate or a name."""


@dataclass
class WireRequest:
    """One request, whole. Its headers hold the credential."""

    method: str
    url: httpx2.URL
    """Where to; of it, ``target`` alone goes out."""
    target: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(default=b"", repr=False)
    address: str | None = None
    """To connect to, where the name in ``url`` was resolved before."""
    sent: bool = False
    """False only while certainly nothing has left this computer."""

    def check(self) -> None:
        """Raises :class:`ValueError` where a line of it would read as something else."""
        words = (self.method, self.target, *self.headers)
        if not all(map(_LINE.fullmatch, words)) or not all(map(_VALUE.fullmatch, self.headers.values())):
            raise ValueError("a line of the request is invalid")  # and is not told: it may be the credential


@dataclass(frozen=True)
class WireAnswer:
    """One answer, whole and bounded."""

    status: int
    headers: httpx2.Headers
    body: bytes = field(repr=False)


class Wire(Protocol):
    """Whatever carries a request to a provider."""

    async def ask(self, request: WireRequest, *, cut: bool) -> WireAnswer:
        """Raises :class:`Unreachable`, :class:`Broken`, :class:`loaner.provider_call.bounded.TooMuch`,
        :class:`OSError` or :class:`ValueError`.

        ``request.sent`` tells whether any of it had left by then.
        """
        ...

    def proxied(self, host: str) -> bool:
        """Does a proxy lead to this name? Never to an address, which nobody looks up."""
        ...

    async def aclose(self) -> None: ...
