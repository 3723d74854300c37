"""All traffic to providers leaves here: fixed rules, no redirects, no environment, every answer bounded.

The loan is put into the ``Authorization`` header in this file and nowhere else.
"""

from __future__ import annotations

import json as plain_json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import anyio
import httpx2
import structlog

from loaner import __version__
from loaner.loopback import is_loopback
from loaner.provider_call.addresses import resolve_public
from loaner.provider_call.bounded import TooMuch, parsed
from loaner.provider_call.connections import ProviderConnections
from loaner.provider_call.echoes import Echoes
from loaner.provider_call.unbroken import Unbroken
from loaner.provider_call.wire import Broken, Unreachable, Wire, WireAnswer, WireRequest
from loaner.secret import Secret

log = structlog.get_logger(__name__)
_REFUSED = 400
_ELSEWHERE = 30.0
"""Seconds for a file from or to a place that an answer named."""
_FIXED = {"User-Agent": f"loaner/{__version__}", "Accept-Encoding": "gzip"}


@dataclass(frozen=True)
class Answer:
    """What a provider answered, whole and bounded."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""
    body: Any = field(repr=False)
    """Parsed JSON, or text where the answer is not JSON; none where it is empty or unreadable."""
    echoed: bool = False
    """It held a credential of the request. That was removed, as was whatever has the shape of a provider's key."""


class Unanswered(Exception):
    """No complete answer came. ``sent`` is False only when certainly nothing left this computer."""

    def __init__(self, *, sent: bool, why: str = "", lasting: bool = False) -> None:
        super().__init__(f"no complete answer ({why or 'transport'}; {'sent' if sent else 'not sent'})")
        self.sent = sent
        self.lasting = lasting
        """Waiting does not help: the operator's log says what has to be changed."""


class ProviderTransport:
    """One pool of connections, opened and closed with ``async with``."""

    def __init__(self, wire: Wire | None = None) -> None:
        """``wire`` stands in for the network in tests."""
        self.wire = wire or ProviderConnections()
        self.unbroken = Unbroken()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.wire.aclose()

    async def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: Any = None,
        content: bytes | None = None,
        basic: tuple[str, Secret] | None = None,
        bearer: Secret | None = None,
        timeout: float = 20,  # noqa: ASYNC109 - a deadline for the whole exchange, kept by anyio
        cut: bool = False,
        echoes: Echoes | None = None,
    ) -> Answer:
        """One request, one answer; nothing is retried and no redirect is followed.

        ``timeout`` in seconds, from the first byte out to the last byte in. ``cut`` keeps what fits of an answer that
        is too large, as a text. ``echoes``: what the answer may not hold; the credential itself where it is a bearer's.

        Raises :class:`Unanswered` when no complete answer came.
        """
        secured = dict(headers or {}) | _FIXED
        if basic is not None:
            secured["Authorization"] = f"Basic {b64encode(f'{basic[0]}:{basic[1].reveal()}'.encode()).decode()}"
        if bearer is not None:
            secured["Authorization"] = f"Bearer {bearer.reveal()}"
        if json is not None:
            secured["Content-Type"] = "application/json"
            content = plain_json.dumps(json, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        elif form is not None:
            secured["Content-Type"] = "application/x-www-form-urlencoded"
            content = urlencode(form).encode()
        target = _known(url)
        asked = target.raw_path.decode()
        if query:
            asked = f"{asked.partition('?')[0]}?{urlencode(query)}"
        if echoes is None and bearer is not None:
            echoes = Echoes([bearer])
        return await self._carried(
            WireRequest(method, target, asked, secured, content or b""), timeout, echoes, cut=cut
        )

    async def elsewhere(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        cut: bool = False,
        echoes: Echoes | None = None,
        own: bool = False,
    ) -> Answer:
        """To a URL that a provider's answer named: without any credential, and to public addresses only, unless it is
        on a host of the provider's ``own``, which the operator has named.

        Loopback is reached only over plain http, which no real provider names and the caller has to allow. Where a
        proxy leads there, it is the proxy that looks the name up.
        """
        target = _checked(url)
        address = None
        if not is_loopback(target.host) and not own and not self.wire.proxied(target.host):
            address = await resolve_public(target.host, target.port or 443)
            if address is None or target.scheme != "https":
                raise Unanswered(sent=False, why="not a public https address")
        outgoing = WireRequest(method, target, target.raw_path.decode(), _FIXED, content or b"", address)
        return await self._carried(outgoing, _ELSEWHERE, echoes, cut=cut)

    async def _carried(self, request: WireRequest, timeout: float, echoes: Echoes | None, *, cut: bool) -> Answer:  # noqa: ASYNC109
        try:
            with anyio.fail_after(timeout):
                answer = await self.wire.ask(request, cut=cut)
        # The request holds the credential: nothing that might quote it goes further.
        except TimeoutError:
            raise Unanswered(sent=request.sent, why="deadline" if request.sent else "no connection") from None
        except Unreachable as failure:
            log.warning("a provider cannot be reached", reason=str(failure))
            raise Unanswered(sent=False, why=str(failure), lasting=failure.lasting) from None
        except (TooMuch, Broken) as failure:
            raise Unanswered(sent=request.sent, why=str(failure)) from None
        except (OSError, ValueError) as failure:
            why = type(failure).__name__ if request.sent else "no connection"
            raise Unanswered(sent=request.sent, why=why) from None
        read = partial(_read_as_text, answer) if cut and answer.status < _REFUSED else partial(_read_as_told, answer)
        return _without(echoes, answer, read()) if echoes else Answer(answer.status, answer.headers, read())


def _checked(url: str) -> httpx2.URL:
    """Raises :class:`ValueError` for a URL that would not be requested exactly as it is written."""
    target, parts = httpx2.URL(url), urlsplit(url)
    loopback = is_loopback(target.host)
    if target.scheme != "https" and not (target.scheme == "http" and loopback):
        raise ValueError("only https, or http on loopback")
    if target.userinfo or target.fragment or target.raw_path.decode().partition("?")[0] != (parts.path or "/"):
        # httpx2 resolves dots and re-encodes: what it would ask for has to be what was checked.
        raise ValueError("the URL would not be requested as it is written")
    return target


_known = lru_cache(256)(_checked)
"""The same few addresses are asked again and again. None that an answer named is kept."""


def _without(echoes: Echoes, answer: WireAnswer, body: Any) -> Answer:
    headers = answer.headers
    if echoes.among(str(headers.multi_items()).encode()):
        headers = httpx2.Headers([(name, echoes.removed(value)) for name, value in headers.multi_items()])
    if echoes.among(answer.body):
        body = echoes.removed(body)
    return Answer(answer.status, headers, body, echoed=echoes.found)


def _read_as_text(answer: WireAnswer) -> str:
    """What was asked for as a text is one, whatever it says that it is: the text of a file may be JSON."""
    return answer.body.decode(errors="replace")


def _read_as_told(answer: WireAnswer) -> Any:
    body = answer.body
    if not body:
        return None
    return parsed(body) if "json" in answer.headers.get("content-type", "").lower() else body.decode(errors="replace")
