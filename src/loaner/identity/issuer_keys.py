"""The signing keys of one token issuer: found, fetched, kept for a while, and dropped when they cannot be renewed.

The issuer's metadata is looked up as OpenID Connect Discovery 1.0 §4 and RFC 8414 §3 say, and its ``issuer`` must
equal the configured one letter by letter (RFC 8414 §3.3), or another server could vouch for its own keys.
"""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import anyio
import httpx2
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from loaner import network as networks
from loaner.clock import Now
from loaner.errors import SettingsInvalid
from loaner.loopback import is_loopback
from loaner.network import Network

log = structlog.get_logger(__name__)

FRESH: Final = timedelta(minutes=5)
"""Keys this young are used without asking again."""
STALE: Final = timedelta(hours=1)
"""Keys older than this are not used at all, however long the issuer is away: an outage fails closed."""
PAUSE: Final = timedelta(seconds=10)
"""At most one attempt to fetch in this time, so that invented key ids cannot make us hammer the issuer."""
MAX_BYTES: Final = 64 * 1024
TIMEOUT: Final = 5.0
_GONE: Final = 100
"""Ids of earlier keys that are remembered: what they signed is refused at once."""
_MIN_RSA_BITS: Final = 2048

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class IssuerUnreachable(Exception):
    """The issuer's metadata or keys cannot be had, so no token of its can be checked. The message is for the log."""


class IssuerKeys:
    """Answers with the key that a token names. ``async with`` it: it holds a connection pool.

    Raises :class:`SettingsInvalid` for an issuer whose address nothing could be trusted from.
    """

    def __init__(
        self,
        issuer: str,
        *,
        now: Now,
        network: Network | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        try:
            require_safe(issuer, issuer)
        except IssuerUnreachable:
            raise SettingsInvalid("identity.issuer must be an https address (http only on loopback).") from None
        self.issuer = issuer
        self.generation = 0
        """Counts changes of the key set; what was concluded under an older one must be concluded again."""
        self._now = now
        self._network = network or Network()
        self._transport = transport
        self._clients: dict[str, httpx2.AsyncClient] = {}
        self._renewal: asyncio.Task[None] | None = None
        self._metadata: dict[str, Any] = {}
        self._keys: list[jwt.PyJWK] = []
        self._gone: dict[str, None] = {}
        self._raw: Any = None
        self._fetched_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._fault = ""
        self._fetching = anyio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._renewal:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])
        for client in self._clients.values():
            await client.aclose()

    async def metadata(self) -> dict[str, Any]:
        """The issuer's own description of its endpoints. Raises :class:`IssuerUnreachable`."""
        await self.settle()
        return dict(self._metadata)

    async def endpoint(self, name: str) -> str:
        """The address of one of its endpoints, such as ``token_endpoint``. Raises :class:`IssuerUnreachable`."""
        url = (await self.metadata()).get(name)
        if not isinstance(url, str):
            raise IssuerUnreachable(f"its metadata names no {name}")
        require_safe(url, self.issuer)
        return url

    async def settle(self) -> int:
        """Renew what is no longer fresh and return the key set's generation. Raises :class:`IssuerUnreachable`.

        Keys that are still good are renewed beside the call: a slow issuer delays nobody.
        """
        if self._older_than(STALE):
            await self._fetch()
            if self._older_than(STALE):
                raise IssuerUnreachable(f"no usable keys of {self.issuer}: {self._fault}")
        elif self._older_than(FRESH) and (self._renewal is None or self._renewal.done()):
            self._renewal = asyncio.create_task(self._fetch())
        return self.generation

    async def key(self, key_id: str, algorithm: str) -> PublicKey | None:
        """The public key with that id, if it is one for that algorithm; ``None`` when the issuer has no such key now.

        Raises :class:`IssuerUnreachable`, also for an id that the issuer may have begun to use since it was asked last:
        whoever invents ids keeps nobody's new key out for longer than :data:`PAUSE`, and gets nobody refused for good.
        """
        asked_at = self._now()
        await self.settle()
        found = self._find(key_id, algorithm)
        if found is None and not self._knew(key_id):
            await self._fetch()  # perhaps the issuer has rotated; throttled
            found = self._find(key_id, algorithm)
            if found is None and not self._knew(key_id) and (self._fetched_at is None or self._fetched_at < asked_at):
                raise IssuerUnreachable(f"a key id of {self.issuer} that was not there when it was asked last")
        return found

    def _knew(self, key_id: str) -> bool:
        """Whether the issuer has, or had, a key with that id: then it is no new one."""
        return key_id in self._gone or any(key.key_id == key_id for key in self._keys)

    def _find(self, key_id: str, algorithm: str) -> PublicKey | None:
        named = (key for key in self._keys if key.key_id == key_id)
        return next((key.key for key in named if _fits(key, algorithm)), None)

    def _older_than(self, age: timedelta) -> bool:
        return self._fetched_at is None or self._now() - self._fetched_at >= age

    async def _fetch(self) -> None:
        """Fetch everything anew, unless somebody just tried. A failure leaves what was there and is logged."""
        async with self._fetching:
            now = self._now()
            if self._tried_at is not None and now - self._tried_at < PAUSE:
                return
            self._tried_at = now
            try:
                with anyio.fail_after(TIMEOUT):
                    metadata = await self._discover()
                    raw = await self._get_json(str(metadata.get("jwks_uri")))
                keys = jwt.PyJWKSet.from_dict(raw).keys  # leaves out single keys that it cannot use
            except (IssuerUnreachable, httpx2.HTTPError, TimeoutError, jwt.PyJWTError) as failure:
                self._fault = self._told(failure)
                log.warning("the keys of an issuer could not be fetched", issuer=self.issuer, reason=self._fault)
                return
            if raw != self._raw:
                gone = {key.key_id: None for key in self._keys if key.key_id} | self._gone
                self._gone = dict(list(gone.items())[:_GONE])
                self._raw, self._keys = raw, keys
                self.generation += 1
            self._metadata, self._fetched_at = metadata, now

    def _told(self, failure: Exception) -> str:
        match failure:
            case httpx2.HTTPError():
                return networks.told(failure, str(urlsplit(self.issuer).hostname))
            case TimeoutError():
                return f"no answer within {TIMEOUT:g} s"
            case jwt.PyJWTError():
                return "it publishes no key that can be used"
        return str(failure)

    async def _discover(self) -> dict[str, Any]:
        parts = urlsplit(self.issuer)
        path = parts.path.rstrip("/")
        root = f"{parts.scheme}://{parts.netloc}"
        for where in (
            f"{root}{path}/.well-known/openid-configuration",
            f"{root}/.well-known/oauth-authorization-server{path}",
        ):
            try:
                metadata = await self._get_json(where)
            except _NotThere:
                continue
            if metadata.get("issuer") != self.issuer:
                names = ascii(metadata.get("issuer"))[:200]
                raise IssuerUnreachable(f"its metadata names another issuer, {names}; identity.issuer must equal it")
            return metadata
        raise IssuerUnreachable(f"there is no metadata below {root}{path}: is identity.issuer right?")

    async def _get_json(self, url: str) -> dict[str, Any]:
        require_safe(url, self.issuer)
        async with self.client(url).stream("GET", url) as answer:
            if answer.status_code == httpx2.codes.NOT_FOUND:
                raise _NotThere("404")
            return await read_json(answer)

    def client(self, url: str) -> httpx2.AsyncClient:
        """One for each host: an issuer may keep its keys on another than its metadata."""
        host = str(urlsplit(url).hostname)
        if host not in self._clients:
            headers = {"accept": "application/json"}
            self._clients[host] = (
                httpx2.AsyncClient(transport=self._transport, trust_env=False, timeout=TIMEOUT, headers=headers)
                if self._transport
                else self._network.client(host, timeout=TIMEOUT, headers=headers)
            )
        return self._clients[host]


async def read_json(answer: httpx2.Response) -> dict[str, Any]:
    """The JSON object of an issuer's answer, bounded. Raises :class:`IssuerUnreachable`."""
    if answer.status_code != httpx2.codes.OK:  # a redirect is a refusal too
        raise IssuerUnreachable(f"status {answer.status_code} from {answer.url}")
    body = bytearray()
    async for chunk in answer.aiter_bytes():  # decoded: a compressed bomb is counted as it unfolds
        body += chunk
        if len(body) > MAX_BYTES:
            raise IssuerUnreachable(f"more than {MAX_BYTES} bytes from {answer.url}")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise IssuerUnreachable(f"not JSON from {answer.url}") from None
    if not isinstance(document, dict):
        raise IssuerUnreachable(f"not a JSON object from {answer.url}")
    return document


class _NotThere(IssuerUnreachable):
    """A 404: the other place may have it."""


def require_safe(url: str, issuer: str) -> None:
    """Only https; http where the issuer itself is configured on loopback, for development."""
    parts, own = urlsplit(url), urlsplit(issuer)
    loopback = is_loopback(parts.hostname) and is_loopback(own.hostname) and own.scheme == "http"
    if not parts.hostname or parts.username or not (parts.scheme == "https" or (parts.scheme == "http" and loopback)):
        raise IssuerUnreachable("an address that is not https")


def _fits(key: jwt.PyJWK, algorithm: str) -> bool:
    """Whether the key may verify that algorithm (RFC 8725 §3.1: one key, one algorithm)."""
    declared = key._jwk_data  # noqa: SLF001 - PyJWK has no public way to its use, key_ops and alg
    if declared.get("use", "sig") != "sig" or declared.get("alg", algorithm) != algorithm:
        return False
    if "verify" not in declared.get("key_ops", ["verify"]):
        return False
    return suits(key.key, algorithm)


def suits(key: object, algorithm: str) -> bool:
    """Whether a public key is of that algorithm's kind, and long enough."""
    match algorithm, key:
        case "RS256" | "PS256", rsa.RSAPublicKey() as public:
            return public.key_size >= _MIN_RSA_BITS
        case "ES256", ec.EllipticCurvePublicKey() as public:
            return isinstance(public.curve, ec.SECP256R1)
        case "EdDSA", ed25519.Ed25519PublicKey():
            return True
    return False
