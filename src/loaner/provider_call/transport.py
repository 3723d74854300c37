"""All traffic to providers leaves here: fixed rules, no redirects, no environment, every answer bounded.

The loan is put into the ``Authorization`` header in this file and nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import anyio
import httpx2

from loaner import __version__
from loaner.provider_call.addresses import resolve_public
from loaner.provider_call.bounded import TooMuch, parsed, read
from loaner.secret import Secret

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_CONNECT = 5.0
"""Seconds to reach a provider; whatever fails before is certain not to have been sent."""
_ELSEWHERE = 30.0
"""Seconds for a file from or to a place that an answer named."""
_FIXED = {"User-Agent": f"loaner/{__version__}", "Accept-Encoding": "gzip"}
_NEVER_LEFT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)


@dataclass(frozen=True)
class Answer:
    """What a provider answered, whole and bounded."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""
    body: Any = field(repr=False)
    """Parsed JSON, or text where the answer is not JSON; none where it is empty or unreadable."""


class Unanswered(Exception):
    """No complete answer came. ``sent`` is False only when certainly nothing left this computer."""

    def __init__(self, *, sent: bool, why: str = "") -> None:
        super().__init__(f"no complete answer ({why or 'transport'}; {'sent' if sent else 'not sent'})")
        self.sent = sent


class ProviderTransport:
    """One pool of connections, opened and closed with ``async with``."""

    def __init__(self, inner: httpx2.AsyncBaseTransport | None = None) -> None:
        """``inner`` stands in for the network in tests."""
        # httpx2 tells every URL at INFO, httpcore2 every answer's headers at DEBUG.
        for name in ("httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.WARNING)
        # One pool serves every person: a cookie set in one call must not come along in another.
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        self._client = httpx2.AsyncClient(
            transport=inner, trust_env=False, follow_redirects=False, http2=False, cookies=no_cookies
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

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
    ) -> Answer:
        """One request, one answer; nothing is retried and no redirect is followed.

        ``timeout`` in seconds, from the first byte out to the last byte in. ``cut`` keeps what fits of an answer that
        is too large. Raises :class:`Unanswered` when no complete answer came.
        """
        secured = dict(headers or {}) | _FIXED
        if bearer is not None:
            secured["Authorization"] = f"Bearer {bearer.reveal()}"
        auth = httpx2.BasicAuth(basic[0], basic[1].reveal()) if basic else None
        return await self._carried(
            _checked(url),
            timeout=timeout,
            cut=cut,
            method=method,
            headers=secured,
            params=dict(query or {}) or None,
            data=form,
            json=json,
            content=content,
            auth=auth,
        )

    async def elsewhere(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        cut: bool = False,
    ) -> Answer:
        """To a URL that a provider's answer named: without any credential, and to public addresses only.

        Loopback is reached only over plain http, which no real provider names and the caller has to allow.
        """
        target = _checked(url)
        if target.host in LOOPBACK:
            return await self._carried(
                target, timeout=_ELSEWHERE, cut=cut, method=method, headers=_FIXED, content=content
            )
        address = await resolve_public(target.host, target.port or 443)
        if address is None or target.scheme != "https":
            raise Unanswered(sent=False, why="not a public https address")
        return await self._carried(
            target.copy_with(host=address),
            timeout=_ELSEWHERE,
            cut=cut,
            method=method,
            content=content,
            headers=_FIXED | {"Host": target.netloc.decode()},
            extensions={"sni_hostname": target.host},
        )

    async def _carried(self, url: httpx2.URL, *, timeout: float, cut: bool, **request: Any) -> Answer:  # noqa: ASYNC109
        progress = _Progress()
        extensions = dict(request.pop("extensions", {})) | {"trace": progress}
        try:
            with anyio.fail_after(timeout):
                async with self._client.stream(
                    url=url, timeout=httpx2.Timeout(timeout, connect=_CONNECT), extensions=extensions, **request
                ) as response:
                    body = await read(response, cut=cut)
        except _NEVER_LEFT:
            raise Unanswered(sent=False, why="no connection") from None
        # The library's exceptions hold the request, and with it the credential: none of them goes further.
        except TimeoutError:
            raise Unanswered(sent=progress.may_have_left, why="deadline") from None
        except TooMuch as error:
            raise Unanswered(sent=True, why=str(error)) from None
        except httpx2.HTTPError as error:
            raise Unanswered(sent=progress.may_have_left, why=type(error).__name__) from None
        return Answer(response.status_code, response.headers, _read_as_told(response, body))


class _Progress:
    """Listens to httpcore2 to learn whether a request began to leave."""

    def __init__(self) -> None:
        self._heard = False
        self._left = False

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:  # noqa: ARG002 - httpcore2's signature
        self._heard = True
        self._left = self._left or event.endswith("send_request_headers.started")

    @property
    def may_have_left(self) -> bool:
        """True unless it is certain that nothing did."""
        return self._left or not self._heard


def _checked(url: str) -> httpx2.URL:
    """Raises :class:`ValueError` for a URL that would not be requested exactly as it is written."""
    target, parts = httpx2.URL(url), urlsplit(url)
    loopback = target.host in LOOPBACK
    if target.scheme != "https" and not (target.scheme == "http" and loopback):
        raise ValueError("only https, or http on loopback")
    if target.userinfo or target.fragment or target.raw_path.decode().partition("?")[0] != (parts.path or "/"):
        # httpx2 resolves dots and re-encodes: what it would ask for has to be what was checked.
        raise ValueError("the URL would not be requested as it is written")
    return target


def _read_as_told(response: httpx2.Response, body: bytes) -> Any:
    if not body:
        return None
    return parsed(body) if "json" in response.headers.get("content-type", "") else body.decode(errors="replace")
