"""The signing key and what is published of it (RFC 7517), and ways to sign wrongly for tests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

ALGORITHM = "RS256"


class Signer:
    """One RSA key at a time. It is made when first needed, because making it takes a moment."""

    def __init__(self) -> None:
        self._key: rsa.RSAPrivateKey | None = None
        self._kid = ""

    @property
    def key(self) -> rsa.RSAPrivateKey:
        if self._key is None:
            self.rotate()
        assert self._key is not None  # noqa: S101 - rotate just made it
        return self._key

    @property
    def kid(self) -> str:
        return self._kid if self.key else ""

    def rotate(self) -> None:
        """Replace the key; tokens of the old one stop verifying."""
        self._key = _new_key()
        self._kid = f"sandbox-{secrets.token_hex(4)}"

    def jwks(self) -> dict[str, object]:
        public = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": self.kid, "use": "sig", "alg": ALGORITHM}]}

    def sign(
        self,
        claims: Mapping[str, object],
        *,
        header: Mapping[str, object],
        stranger: bool = False,
    ) -> str:
        """A compact JWS of the claims.

        ``header`` may ask for what no verifier should take: ``alg`` ``none`` gives an empty signature, and
        an ``HS…`` one a signature with the public key as the secret (RFC 8725 sections 2.1 and 3.1).
        ``stranger`` signs with a key that was never published, under the published ``kid``.
        """
        named: dict[str, object] = {"alg": ALGORITHM, "kid": self.kid, **header}
        named = {name: value for name, value in named.items() if value is not None}
        algorithm = str(named.get("alg", "none"))
        if algorithm == "none":
            return _unsigned(named, claims) + "."
        if algorithm.startswith("HS"):
            message = _unsigned(named, claims)
            secret = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            digest = hmac.digest(secret, message.encode(), hashlib.new(f"sha{algorithm[2:]}").name)
            return f"{message}.{_base64url(digest)}"
        key = _new_key() if stranger else self.key
        # PyJWT adds a typ of its own unless it is given an empty one.
        return jwt.encode(dict(claims), key, algorithm=algorithm, headers={"typ": "", **named})


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _unsigned(header: Mapping[str, object], claims: Mapping[str, object]) -> str:
    return ".".join(_base64url(json.dumps(part).encode()) for part in (dict(header), dict(claims)))


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
