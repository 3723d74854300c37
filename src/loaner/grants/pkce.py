"""PKCE (RFC 7636): what proves at the token endpoint that a code was asked for here."""

from __future__ import annotations

import secrets

from loaner.secret import Secret


def new_pkce() -> tuple[Secret, str]:
    """A code verifier and its S256 challenge (RFC 7636 §4)."""
    verifier = secrets.token_urlsafe(48)
    return Secret(verifier), challenge_of(verifier)


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a code verifier."""
    from authlib.oauth2.rfc7636 import create_s256_code_challenge

    return str(create_s256_code_challenge(verifier))
