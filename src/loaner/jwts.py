"""What every JWT has to pass, whoever issued it and whatever it is for (RFC 8725). What it then says is not read here.

`jwk`, `jku`, `x5c` and `x5u` are never looked at: keys come from the issuer that a setting names, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, TypeGuard

import jwt

from loaner.jwks import PublicKey

MAX_TOKEN: Final = 16 * 1024
SKEW: Final = 30
"""Seconds that an issuer's clock may be ahead of ours. An expiry gets none."""


class Rejected(Exception):
    """A check failed. The text names it, for the log alone."""


def header_of(token: str) -> dict[str, Any]:
    """The header as it came: nothing in it may be believed. Raises :class:`Rejected`."""
    if len(token) > MAX_TOKEN:
        raise Rejected("too long")
    try:
        return jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise Rejected("not a JWT") from None


def claimed_by(token: str) -> dict[str, Any]:
    """The claims as they came: they may choose among the configured issuers, and are believed once a key of that one
    has verified them. Raises :class:`Rejected`."""
    try:
        return dict(jwt.decode(token, options={"verify_signature": False}))
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise Rejected("not a JWT") from None


def algorithm_of(header: dict[str, Any], *, algorithms: Collection[str], types: Collection[str | None]) -> str:
    """The algorithm, if this kind of JWT may be signed with it. Raises :class:`Rejected`.

    Before any key is looked at, so that the header never chooses how it is verified (RFC 8725 §3.1). ``types``: so that
    no other JWT of the same issuer passes for this one (RFC 8725 §3.11); ``None`` where it need not be said.
    """
    algorithm, kind = header.get("alg"), header.get("typ")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise Rejected("alg")
    if not isinstance(kind, str | None) or kind not in types:
        raise Rejected("typ")
    if "crit" in header or "b64" in header:
        raise Rejected("crit")
    return algorithm


def key_id_of(header: dict[str, Any]) -> str:
    """Which key is said to have signed it. Raises :class:`Rejected`."""
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not key_id:
        raise Rejected("kid")
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

    Left to the caller: the times, which are compared with loaner's own clock; ``aud`` without an ``audience``, and
    ``iss`` without an ``issuer``.
    """
    if key is None:
        raise Rejected("unknown key")
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
            },
        )
    except (jwt.PyJWTError, ValueError, RecursionError) as failure:
        raise Rejected(type(failure).__name__) from None
    return dict(claims)


def is_instant(value: object) -> TypeGuard[int]:
    """Seconds since the epoch. ``true`` is an int to Python; a float or a string is no date of any known issuer."""
    return type(value) is int and 0 <= value < 1 << 40
