"""What the tokens say: access tokens after RFC 9068, ID tokens after OpenID Connect Core section 2."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from loaner.sandbox.world import Person

LIFE = timedelta(hours=1)
SCOPE = "tools"
ACCESS_TYPE = "at+jwt"


def subject_of(person: Person) -> str:
    """The stable, opaque name of a person at this issuer."""
    return f"user-{person.login}"


def access_claims(
    issuer: str,
    person: Person,
    *,
    agent: str,
    audience: str,
    now: datetime,
    life: timedelta = LIFE,
    changes: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """Claims of an access token by which an agent acts for a person (``act``: RFC 8693 section 4.1).

    ``changes`` replaces claims, or removes those whose value is ``None``.
    """
    issued = int(now.timestamp())
    claims: dict[str, object] = {
        "iss": issuer,
        "sub": subject_of(person),
        "aud": audience,
        "client_id": agent,
        "azp": agent,
        "act": {"sub": agent},
        "scope": SCOPE,
        "iat": issued,
        "exp": int((now + life).timestamp()),
        "jti": secrets.token_hex(16),
        "preferred_username": person.login,
        **(changes or {}),
    }
    return {name: value for name, value in claims.items() if value is not None}


def id_claims(issuer: str, person: Person, *, client_id: str, nonce: str, now: datetime) -> dict[str, object]:
    """Claims of the ID token that tells a client who signed in."""
    issued = int(now.timestamp())
    claims: dict[str, object] = {
        "iss": issuer,
        "sub": subject_of(person),
        "aud": client_id,
        "iat": issued,
        "auth_time": issued,
        "exp": int((now + LIFE).timestamp()),
        "preferred_username": person.login,
        "name": person.name,
        "email": person.email,
        "email_verified": True,
    }
    return claims | ({"nonce": nonce} if nonce else {})
