"""A token issuer for tests: its keys, its metadata and JWKS over a mock transport, and tokens right and wrong."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, get_default_algorithms

ISSUER = "https://issuer.example"
AUDIENCE = "https://loaner.example/mcp"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
REMOVE = object()


@cache
def private_key(name: str) -> Any:
    if name.startswith("ec"):
        return ec.generate_private_key(ec.SECP256R1())
    if name.startswith("ed"):
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=1024 if name.startswith("weak") else 2048)


def jwk(name: str, **more: Any) -> dict[str, Any]:
    """The public half, as a JWKS lists it."""
    public = private_key(name).public_key()
    algorithm = ECAlgorithm if name.startswith("ec") else OKPAlgorithm if name.startswith("ed") else RSAAlgorithm
    return {**algorithm.to_jwk(public, as_dict=True), "kid": name, **more}


def claims(now: datetime = NOW, **changes: Any) -> dict[str, Any]:
    at = int(now.timestamp())
    right = {
        "iss": ISSUER,
        "sub": "user-alice",
        "aud": AUDIENCE,
        "client_id": "claude-code",
        "scope": "tools",
        "iat": at,
        "exp": at + 3600,
        "jti": "1",
        "preferred_username": "alice",
    }
    return {name: value for name, value in {**right, **changes}.items() if value is not REMOVE}


def token(
    key: str = "rsa-1",
    *,
    alg: str = "RS256",
    header: dict[str, Any] | None = None,
    now: datetime = NOW,
    **changes: Any,
) -> str:
    """A signed access token; ``changes`` to claims and ``header`` replace or remove what would be right."""
    heads = {"typ": "at+jwt", "kid": key, **(header or {})}
    heads = {name: value for name, value in heads.items() if value is not REMOVE}
    signed = f"{b64({'alg': alg, **heads})}.{b64(claims(now, **changes))}"
    return f"{signed}.{b64(get_default_algorithms()[alg].sign(signed.encode(), private_key(key)))}"


def b64(data: bytes | dict[str, Any]) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass
class Issuer:
    """Answers like an issuer; every field may be bent. ``asked`` lists the addresses it was asked for."""

    keys: list[Any] = field(default_factory=lambda: [jwk("rsa-1")])
    metadata: dict[str, Any] = field(default_factory=lambda: {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"})
    where: str = f"{ISSUER}/.well-known/openid-configuration"
    override: Callable[[httpx2.Request], httpx2.Response | None] = lambda _: None
    asked: list[str] = field(default_factory=list)

    @property
    def transport(self) -> httpx2.MockTransport:
        return httpx2.MockTransport(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        address = str(request.url)
        self.asked.append(address)
        if (bent := self.override(request)) is not None:
            return bent
        if address == self.where:
            return httpx2.Response(200, json=self.metadata)
        if address == self.metadata.get("jwks_uri"):
            return httpx2.Response(200, json={"keys": self.keys})
        return httpx2.Response(404)
