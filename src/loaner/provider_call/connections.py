"""HTTP/1.1 to providers, by aiohttp with everything off that must not happen here.

No redirect, cookie, environment, retry or decompression; bounds are ours, and ``sent`` is exact. Where its parser takes
what ours would refuse, ``docs/decisions/0009-aiohttp.md`` says what that means.
"""

from __future__ import annotations

import errno
import re
import ssl
from ipaddress import ip_address
from types import SimpleNamespace
from weakref import WeakKeyDictionary

import aiohttp
import anyio
import anyio.to_thread
import httpx2
from aiohttp import ClientRequest, ClientResponse, hdrs
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from loaner.network import Network, Proxy
from loaner.provider_call.bounded import Body
from loaner.provider_call.wire import Broken, Unreachable, WireAnswer, WireRequest

_CONNECT = 5.0
"""Seconds to reach a provider; whatever fails before is certain not to have been sent."""
_AT_ONCE = 100
"""Connections to all providers together. GitHub takes as many requests at once."""
_KEPT = 20.0
"""Seconds that a connection may be idle before its next request."""
_KEPT_FOR_WRITES = 2.0
"""The same for a request that may change something. A balancer that closes an idle connection just as it is used makes
the outcome unknown; reads are repeated then, a write is not."""
_MARGIN = 1.0
"""Seconds before the end that ``Keep-Alive: timeout`` announces, from which on a connection is not used."""
_MAX_HEAD = 65_536
_MAX_HEADERS = 256
_CHUNK = 65_536
_SAFE = frozenset({"GET", "HEAD"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_OWN_HEADERS = (hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.USER_AGENT, hdrs.CONTENT_TYPE)
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_ANNOUNCED = re.compile(r"(?:^|[,;\s])timeout=(\d{1,6})")


class _Connector(aiohttp.TCPConnector):
    """A pool that hands out a kept connection only while it is certainly silent and recently used."""

    def __init__(self) -> None:
        super().__init__(limit=_AT_ONCE, keepalive_timeout=_KEPT)
        self._used: WeakKeyDictionary[ResponseHandler, tuple[float, float]] = WeakKeyDictionary()
        self._of: WeakKeyDictionary[ClientRequest | ClientResponse, ResponseHandler] = WeakKeyDictionary()

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's name
    ) -> Connection:
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            assert protocol is not None  # noqa: S101 - it was made or taken just now
            if protocol not in self._used or self._is_good(protocol, req.method):
                self._of[req] = protocol
                return connection
            connection.close()

    def _is_good(self, protocol: ResponseHandler, method: str) -> bool:
        # What came unasked stays in its buffer, and the next request would get it for an answer.
        used, announced = self._used[protocol]
        longest = min(announced, _KEPT if method in _SAFE else _KEPT_FOR_WRITES)
        return not protocol.should_close and anyio.current_time() - used <= longest

    def answered(self, req: ClientRequest, answer: ClientResponse) -> None:
        """Its connection was good until now, and for as long as the answer says."""
        told = _ANNOUNCED.search(answer.headers.get("Keep-Alive", ""))
        announced = max(0.0, int(told[1]) - _MARGIN) if told else _KEPT
        if (protocol := self._of.pop(req, None)) is not None:  # an idle one is false
            self._used[protocol], self._of[answer] = (anyio.current_time(), announced), protocol

    def refused(self, answer: ClientResponse) -> None:
        """Its connection may be back in the pool by now, and is not used again."""
        if (protocol := self._of.get(answer)) is not None:
            self._used[protocol] = (0.0, 0.0)


class ProviderConnections:
    """Connections to all providers, made when first needed and let go of by :meth:`aclose`."""

    def __init__(self, network: Network | None = None) -> None:
        self._network = network or Network()
        self._pool: _Connector | None = None
        self._session: aiohttp.ClientSession | None = None
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def ask(self, request: WireRequest, *, cut: bool) -> WireAnswer:
        request.check()
        host, port = request.url.host, request.url.port or (443 if request.url.scheme == "https" else 80)
        proxy = self._network.proxy_for(host)
        try:
            answer = await self._answer(request, host, proxy)
            try:
                return await _read(answer, cut=cut)
            except BaseException:
                if self._pool:
                    self._pool.refused(answer)
                raise
        except (aiohttp.ClientError, Broken) as failure:
            renamed = _renamed(failure, f"{host}:{port}") if isinstance(failure, aiohttp.ClientError) else failure
            if proxy and not request.sent:
                renamed = _at_proxy(failure, renamed, f"{host}:{port}", proxy)
            raise renamed from None

    async def _answer(self, request: WireRequest, host: str, proxy: Proxy | None) -> ClientResponse:
        if self._session is None:
            self._pool = _Connector()
            self._session = _session(self._pool)
        secure = request.url.scheme == "https"
        return await self._session.request(
            request.method,
            _url(request),
            headers={**request.headers, hdrs.HOST: request.url.netloc.decode()},
            data=request.content or (b"" if request.method in _WITH_BODY else None),
            allow_redirects=False,
            ssl=await self._tls(host) if secure else True,
            server_hostname=host if request.address and secure else None,
            proxy=proxy.url if proxy else None,
            proxy_headers=proxy.headers if proxy else None,
            trace_request_ctx=request,
        )

    def proxied(self, host: str) -> bool:
        try:
            ip_address(host.strip("[]"))
        except ValueError:
            return self._network.proxy_for(host) is not None
        return False

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with anyio.move_on_after(2, shield=True):
                await session.close()

    async def _tls(self, host: str) -> ssl.SSLContext:
        if host not in self._contexts:  # reading the authorities takes some 20 ms
            self._contexts[host] = await anyio.to_thread.run_sync(self._network.tls, host)
        return self._contexts[host]


def _session(connector: _Connector) -> aiohttp.ClientSession:
    async def once(req: ClientRequest, send: aiohttp.ClientHandlerType) -> ClientResponse:
        try:
            answer = await send(req)
        except (aiohttp.ClientConnectorError, aiohttp.ClientConnectorCertificateError):
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
            # Renamed here, where aiohttp would send a request that was written once more.
            raise Broken("ended early") from None
        connector.answered(req, answer)
        return answer

    async def leaving(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        outgoing: WireRequest = context.trace_request_ctx
        outgoing.sent = True  # told before the first byte is written

    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(leaving)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        middlewares=(once,),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT),
        skip_auto_headers=_OWN_HEADERS,
        max_line_size=_MAX_HEAD,
        max_field_size=_MAX_HEAD,
        max_headers=_MAX_HEADERS,
        read_bufsize=_CHUNK,
        trace_configs=[tracing],
    )


def _url(request: WireRequest) -> URL:
    """Exactly the target that was checked; nothing of it is normalised."""
    authority = request.url.netloc.decode()
    if request.address:
        host = f"[{request.address}]" if ":" in request.address else request.address
        authority = f"{host}:{request.url.port}" if request.url.port else host
    return URL(f"{request.url.scheme}://{authority}{request.target}", encoded=True)


async def _read(answer: ClientResponse, *, cut: bool) -> WireAnswer:
    try:
        if answer.version not in {aiohttp.HttpVersion10, aiohttp.HttpVersion11} or answer.status < httpx2.codes.OK:
            raise Broken("another version of HTTP, or a switch to another protocol")
        if not all(_VALUE.fullmatch(value) for _, value in answer.raw_headers):
            raise Broken("a control character in a header")
        headers = httpx2.Headers(list(answer.raw_headers))
        body = Body(headers.get("content-encoding", ""), cut=cut)
        async for chunk in answer.content.iter_any():
            body.add(chunk)
            if body.is_full:
                break
        return WireAnswer(answer.status, headers, body.whole())
    finally:
        answer.close()  # one that was read to its end has given its connection back already


def _renamed(failure: aiohttp.ClientError, place: str) -> Exception:
    """aiohttp's failures in our words. Their own text may quote what was sent: only the cause is kept."""
    match failure:
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(failure.certificate_error, "verify_message", "") or "not trusted"
            return Unreachable(
                f"the certificate of {place} is not accepted: {reason} (CERTIFICATE_VERIFY_FAILED). If a private "
                "authority issued it, set network.ca_file",
                lasting=True,
            )
        case aiohttp.ClientConnectorSSLError():
            return Unreachable(f"no TLS connection to {place}: {_cause(failure.os_error)}", lasting=True)
        case aiohttp.ClientConnectorDNSError():
            return Unreachable(f"the name of {place} cannot be resolved", lasting=False)
        case aiohttp.ClientConnectorError():
            return Unreachable(f"no connection to {place}: {_cause(failure.os_error)}", lasting=False)
        case aiohttp.ConnectionTimeoutError():
            return Unreachable(f"no connection to {place} within {_CONNECT:g} s", lasting=False)
    return Broken("not HTTP/1.1" if isinstance(failure, aiohttp.ClientResponseError) else "ended early")


def _at_proxy(failure: Exception, renamed: Exception, place: str, proxy: Proxy) -> Exception:
    """What went wrong before anything of the request left, where a proxy stands between."""
    match failure:
        case aiohttp.ClientProxyConnectionError():
            fault, lasting = f"cannot be reached ({_cause(failure.os_error)})", False
        case aiohttp.ClientHttpProxyError(status=httpx2.codes.PROXY_AUTHENTICATION_REQUIRED):
            fault, lasting = "asks for credentials, or does not accept network.proxy_credentials (407)", True
        case aiohttp.ClientHttpProxyError():
            fault = f"answered CONNECT with {failure.status}"
            lasting = failure.status < httpx2.codes.INTERNAL_SERVER_ERROR
        case aiohttp.ClientResponseError():
            fault, lasting = "gave no answer of a proxy to CONNECT", True
        case Broken():
            fault, lasting = "ended the connection", False
        case _:
            return renamed
    authority = proxy.url.partition("//")[2].rstrip("/")
    return Unreachable(f"the proxy {authority} (network.proxy) {fault}, on the way to {place}", lasting=lasting)


def _cause(failure: OSError) -> str:
    """The word of the system or of TLS for it. Its text stays out: it may hold what was sent."""
    return getattr(failure, "reason", None) or errno.errorcode.get(failure.errno or 0, type(failure).__name__)
