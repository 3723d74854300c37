"""The clients that are registered with the sandbox's identity provider, and how each proves itself."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from loaner.sandbox.redirects import on_loopback

CLIENT_ID = "loaner-web"
"""Loaner's own pages, in a browser, without a secret."""
SECRET = "s3cret: of+the/pages%"  # noqa: S105 - published; with what has to be encoded (RFC 6749 appendix B)


@dataclass(frozen=True)
class Client:
    method: str
    """``none``, ``client_secret_basic`` or ``client_secret_post``; another one is refused (OpenID Connect Core §9)."""
    secret: str = ""
    introspects: bool = False


CLIENTS = {
    CLIENT_ID: Client("none"),
    "loaner:web basic": Client("client_secret_basic", SECRET),
    "loaner-web-post": Client("client_secret_post", SECRET),
    "loaner-api": Client("client_secret_basic", SECRET, introspects=True),
    "loaner-api-post": Client("client_secret_post", SECRET, introspects=True),
}

redirect_allowed = on_loopback("/signin/callback")
"""Whether the pages' clients list this redirect URI."""


def proven(form: Mapping[str, str], authorization: str) -> str | None:
    """Which client a request to the token or the introspection endpoint is from; ``None`` if it does not prove it.

    One method at a time (RFC 6749 section 2.3), and only the registered one.
    """
    if authorization:
        method, (name, secret) = "client_secret_basic", _basic(authorization)
        if "client_secret" in form or form.get("client_id", name) != name:
            return None
    else:
        name, secret = form.get("client_id", ""), form.get("client_secret", "")
        method = "client_secret_post" if secret else "none"
    client = CLIENTS.get(name)
    if client is None or client.method != method or not secrets.compare_digest(client.secret.encode(), secret.encode()):
        return None
    return name


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return (unquote_plus(name), unquote_plus(secret)) if scheme.lower() == "basic" else ("", "")
