"""What every JWT has to pass, whoever issued it and whatever it is for (RFC 8725). What it then says is not read here.

`jwk`, `jku`, `x5c` and `x5u` are never looked at: keys come from the issuer that a setting names, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, TypeGuard

import jwt

from loaner.identity.issuer_keys import PublicKey

MAX_TOKEN: Final = 16 * 1024
SKEW: Final = 30
"""Seconds that an issuer's clock may be ahead of ours. An expiry gets none."""
_SHOWN: Final = 120


ALGORITHMS: Final = frozenset({"RS256", "PS256", "ES256", "EdDSA"})
"""What settings may choose from."""


class Rejected(Exception):
    """A check failed. The text names it, for the log and for the operator alone."""

    def __init__(self, check: str, found: str = "", *, cure: str = "") -> None:
        super().__init__(": ".join(filter(None, (check, found))) + (f" [{cure}]" if cure else ""))
        self.check = check
        self.found = found
        self.cure = cure
        """The setting that would let it pass, if one does."""


def shown(value: object) -> str:
    """What came in, quoted and short."""
    return ascii(value)[:_SHOWN]


def header_of(token: str) -> dict[str, Any]:
    """The header as it came: nothing in it may be believed. Raises :class:`Rejected`."""
    if len(token) > MAX_TOKEN:
        raise Rejected("form", "too long")
    try:
        return jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise Rejected("form", "not a JWT") from None


def is_jwt(token: str) -> bool:
    """Does it look like one? Whether it is a good one is another question."""
    try:
        header_of(token)
    except Rejected:
        return False
    return True


def claimed_by(token: str) -> dict[str, Any]:
    """The claims as they came: they may choose among the configured issuers, and are believed once a key of that one
    has verified them. Raises :class:`Rejected`."""
    try:
        return dict(jwt.decode(token, options={"verify_signature": False}))
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise Rejected("form", "not a JWT") from None


def type_of(header: dict[str, Any]) -> str | None:
    """``typ`` in small letters, without the ``application/`` that may be left out (RFC 7515 §4.1.9)."""
    kind = header.get("typ")
    return str(kind).lower().removeprefix("application/") if kind is not None else None


def algorithm_of(header: dict[str, Any], *, algorithms: Collection[str], types: Collection[str | None]) -> str:
    """The algorithm, if this kind of JWT may be signed with it. Raises :class:`Rejected`.

    Before any key is looked at, so that the header never chooses how it is verified (RFC 8725 §3.1). ``types``: so that
    no other JWT of the same issuer passes for this one (RFC 8725 §3.11); ``None`` where it need not be said.
    """
    algorithm, kind = header.get("alg"), type_of(header)
    if not isinstance(algorithm, str):
        raise Rejected("alg", shown(algorithm))
    if algorithm not in algorithms:
        raise Rejected("alg", shown(algorithm), cure="algorithms" if algorithm in ALGORITHMS else "")
    if kind not in types:
        cure = {"jwt": 'token_types: add "JWT"', None: 'token_types: add "none"'}.get(kind, "")
        raise Rejected("typ", shown(header["typ"]) if kind else "missing", cure=cure)
    if "crit" in header or "b64" in header:
        raise Rejected("crit")
    return algorithm


def key_id_of(header: dict[str, Any]) -> str:
    """Which key is said to have signed it. Raises :class:`Rejected`."""
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not key_id:
        raise Rejected("kid", "missing")
    return key_id


def verified(
    token: str,
    key: PublicKey | None,
    algorithm: str,
    *,
    issuer: str | None,
    require: Collection[str],
    audience: str | None = None,
) -> dict[str, Any]:
    """The claims, signed by ``key``. Raises :class:`Rejected`.

    Left to the caller: the times, which are compared with loaner's own clock; ``sub`` and ``jti``; ``aud`` without an
    ``audience``, and ``iss`` without an ``issuer``.
    """
    if key is None:
        raise Rejected("key", "the issuer publishes no such key for this algorithm")
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=issuer,
            audience=audience,
            options={
                "require": list(require),
                "verify_aud": audience is not None,
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
    except jwt.MissingRequiredClaimError as missing:
        raise Rejected(missing.claim, "missing") from None
    except (jwt.PyJWTError, ValueError, RecursionError) as failure:
        check = _CHECKS.get(type(failure), "signature")
        found = claimed_by(token).get(check) if check != "signature" else None
        raise Rejected(check, shown(found) if found is not None else type(failure).__name__) from None
    return dict(claims)


_CHECKS: Final[dict[type[Exception], str]] = {jwt.InvalidIssuerError: "iss", jwt.InvalidAudienceError: "aud"}


def is_instant(value: object) -> TypeGuard[int | float]:
    """Seconds since the epoch, whole or not (NumericDate, RFC 7519 §2). ``true`` is an int to Python."""
    return type(value) in {int, float} and 0 <= value < 1 << 40  # type: ignore[operator] # which `in` does not narrow
