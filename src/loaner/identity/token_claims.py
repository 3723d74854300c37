"""What an access token must say besides being signed, and under which name its issuer says it.

Each function raises :class:`.jwt_checks.Rejected` with what it found and the setting that would cure it, if one does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, get_args

from loaner.characters import hides
from loaner.identity.jwt_checks import SKEW, Rejected, is_instant, shown
from loaner.settings.identity import AgentClaim, ScopeClaim, SubjectClaim

CHECKS: Final = {
    "form": "is a token that can be read",
    "alg": "is signed with an algorithm that is allowed",
    "typ": "is of a type that is accepted",
    "crit": "demands nothing that is not understood",
    "kid": "names its key",
    "key": "names a key that the issuer publishes",
    "signature": "is signed with that key",
    "active": "is active, says the issuer",
    "iss": "comes from the configured issuer",
    "aud": "is meant for this server alone",
    "times": "says when it was issued and ends",
    "expired": "has not expired",
    "id_token": "is no ID token",
    "subject": "says which person it stands for",
    "agent": "says which agent it was issued to",
    "scope": "has the required scope",
}
"""In the order in which they are made."""
_MAX_NAME: Final = 255
_OF_ID_TOKENS: Final = ("nonce", "at_hash", "c_hash", "s_hash", "events")
"""OpenID Connect Core 1.0 §2, §3.3.2.11; ``events`` is a logout token's (Back-Channel Logout 1.0 §2.4)."""
_SAID_TO_BE: Final = {"typ": ("bearer",), "token_use": ("access",), "token_type": ("bearer",)}
"""What Keycloak (``typ``), Cognito (``token_use``) and RFC 7662 §2.2 call an access token within its claims."""


def accepted_audiences(audience: str) -> frozenset[str]:
    """How this server may be named in ``aud``: a URL also with the slash at its end that some clients add."""
    if not audience.startswith(("https://", "http://")):
        return frozenset({audience})
    bare = audience.removesuffix("/")
    return frozenset({bare, f"{bare}/"})


def for_us(claims: Mapping[str, Any], ours: Collection[str], others: Collection[str]) -> None:
    """``aud`` names this server, and nobody besides who is not trusted: they could replay the token here."""
    given = claims.get("aud")
    named = given if isinstance(given, list) else [given]
    if not all(isinstance(one, str) for one in named) or not set(named) & set(ours):
        raise Rejected("aud", _found(claims, "aud"), cure="audience, if that means this server")
    if strangers := set(named) - set(ours) - set(others):
        raise Rejected(
            "aud", f"for others too: {shown(sorted(strangers))}", cure="other_audiences, if they are trusted"
        )


def valid_until(claims: Mapping[str, Any], now: float) -> float:
    """When it ends, in seconds since the epoch; it has begun, by our clock."""
    moments = [claims.get("iat"), claims.get("exp"), claims.get("nbf", claims.get("iat"))]
    if not all(map(is_instant, moments)):
        wrong = next(name for name in ("iat", "exp", "nbf") if not is_instant(claims.get(name)))
        raise Rejected("times", f"{wrong} is {_found(claims, wrong)}")
    issued, expires, begins = map(float, moments)
    if max(issued, begins) > now + SKEW:
        raise Rejected("times", "not yet valid: compare the clocks")
    if issued > expires:
        raise Rejected("times", "it ends before it was issued")
    return expires


def no_id_token(claims: Mapping[str, Any], page_client: str | None = None) -> None:
    """Without a type of its own, an access token must not look like what tells a client who signed in."""
    if marks := [name for name in _OF_ID_TOKENS if name in claims]:
        raise Rejected("id_token", f"it has {', '.join(marks)}")
    for name, right in _SAID_TO_BE.items():
        if name in claims and str(claims[name]).lower() not in right:
            raise Rejected("id_token", f"{name} is {shown(claims[name])}")
    given = claims.get("aud")
    if page_client in (given if isinstance(given, list) else [given]):
        raise Rejected("id_token", "it is for the client of the pages")


def subject_of(claims: Mapping[str, Any], names: Sequence[str]) -> str:
    return _name(claims, names, "subject", get_args(SubjectClaim))


def client_of(claims: Mapping[str, Any], names: Sequence[str]) -> str:
    return _name(claims, names, "agent", get_args(AgentClaim))


def scopes_of(claims: Mapping[str, Any], names: Sequence[str], required: str) -> frozenset[str]:
    """The scopes, from one string (RFC 6749 §3.3) or from a list."""
    name = _first(claims, names)
    given = claims[name] if name else ""
    scopes = frozenset(given.split() if isinstance(given, str) else _texts(given))
    if required not in scopes:
        found = f"{name} is {shown(given)}" if name else _missing(names)
        cure = _cure("scope", claims, names, get_args(ScopeClaim))
        raise Rejected("scope", f"{found}, and {shown(required)} is required", cure=cure)
    return scopes


def name_in(claims: Mapping[str, Any], name: str, check: str) -> str:
    """A name that somebody may have, as one claim says it."""
    value = claims.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > _MAX_NAME or hides(value):
        raise Rejected(check, f"{name} is {_found(claims, name)}")
    return value


def _name(claims: Mapping[str, Any], names: Sequence[str], check: str, known: Collection[str]) -> str:
    name = _first(claims, names)
    if name is None:
        raise Rejected(check, _missing(names), cure=_cure(check, claims, names, known))
    return name_in(claims, name, check)


def _first(claims: Mapping[str, Any], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in claims), None)


def _missing(names: Sequence[str]) -> str:
    return f"it has no {' or '.join(names)}"


def _cure(check: str, claims: Mapping[str, Any], names: Sequence[str], known: Collection[str]) -> str:
    there = [name for name in known if name in claims and name not in names]
    return f"{check}_claim: it has {', '.join(there)}" if there else ""


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _found(claims: Mapping[str, Any], name: str) -> str:
    return shown(claims[name]) if name in claims else "missing"
