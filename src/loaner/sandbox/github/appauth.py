"""How the app itself proves who it is: with its client secret, or with a JSON Web Token it signs.

GitHub docs "Authenticating as a GitHub App" and "Generating a JSON Web Token": RS256, ``iss`` is the client id or
the app id, and at most ten minutes between ``iat`` and ``exp``.
"""

from __future__ import annotations

import base64
import binascii
import hmac

import jwt

from loaner.sandbox.github.errors import ApiError, bad_credentials, not_found
from loaner.sandbox.github.hub import Hub

LONGEST_SECONDS = 600
# The app's clock and ours may differ a little; GitHub's own advice is to date ``iat`` a minute back.
LEEWAY_SECONDS = 60


def check_client(hub: Hub, authorization: str, client_id: str) -> None:
    """Basic authentication with client id and secret, for the app named in the path."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise ApiError(401, "Requires authentication")
    try:
        given = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise bad_credentials() from None
    if not hmac.compare_digest(given, f"{hub.app.client_id}:{hub.app.client_secret}".encode()):
        raise bad_credentials()
    if client_id != hub.app.client_id:
        raise not_found()


def check_app(hub: Hub, authorization: str) -> None:
    """Bearer authentication with the app's own JWT."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise ApiError(401, "Requires authentication")
    try:
        # The times are compared below, against the sandbox's clock and not the machine's.
        claims = jwt.decode(
            token,
            hub.sandbox.github_app_key.public_key(),
            algorithms=["RS256"],
            options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "require": ["iss", "iat", "exp"]},
        )
        issued, expires = float(claims["iat"]), float(claims["exp"])
    except (jwt.PyJWTError, TypeError, ValueError):
        raise ApiError(401, "A JSON web token could not be decoded") from None
    now = hub.now().timestamp()
    if str(claims["iss"]) not in (hub.app.client_id, str(hub.app.app_id)):
        raise ApiError(401, "'Issuer' claim ('iss') must be the GitHub App's client ID or app ID")
    if issued > now + LEEWAY_SECONDS:
        raise ApiError(401, "'Issued at' claim ('iat') must be an Integer representing the time that it was issued")
    if expires <= now:
        raise ApiError(401, "'Expiration time' claim ('exp') must be a numeric value in the future")
    if expires > now + LONGEST_SECONDS or expires - issued > LONGEST_SECONDS + LEEWAY_SECONDS:
        raise ApiError(401, "'Expiration time' claim ('exp') is too far in the future")
