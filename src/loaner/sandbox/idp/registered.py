"""The clients that the sandbox's identity provider knows, and how each proves itself."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus, urlsplit

from loaner.sandbox.idp.documents import described, names_a_document
from loaner.sandbox.switches import Switches

CLIENT_ID = "loaner-web"
"""Loaner's own pages, in a browser, without a secret."""
SECRET = "s3cret: of+the/pages%"  # noqa: S105 - published; with what has to be encoded (RFC 6749 appendix B)


@dataclass(frozen=True)
class Client:
    method: str
    """``none``, ``client_secret_basic`` or ``client_secret_post``; another one is refused (OpenID Connect Core §9)."""
    secret: str = ""
    introspects: bool = False
    signs_in: bool = True
    """It is a page that people sign in to, at ``/signin/callback``; otherwise an agent's client."""


CLIENTS = {
    CLIENT_ID: Client("none"),
    "loaner:web basic": Client("client_secret_basic", SECRET),
    "loaner-web-post": Client("client_secret_post", SECRET),
    "loaner-agent": Client("none", signs_in=False),
    "loaner-api": Client("client_secret_basic", SECRET, introspects=True),
    "loaner-api-post": Client("client_secret_post", SECRET, introspects=True),
}

_HERE = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5}(/[A-Za-z0-9._~/-]*)?")
_ELSEWHERE = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")


class Clients:
    """Who may ask for a sign-in, and where the answer may go."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches

    async def shown(self, client_id: str, redirect_uri: str) -> str | None:
        """The client's name for people; ``None`` for an unknown one, or another redirect URI than its own."""
        if names_a_document(client_id):
            document = await described(client_id)
            if document is None or not self._reachable(redirect_uri):
                return None
            known = document.redirect_uris
            return document.name if known is None or any(_same(one, redirect_uri) for one in known) else None
        client = CLIENTS.get(client_id)
        if client is None or client.introspects or not self._reachable(redirect_uri):
            return None
        at_pages = urlsplit(redirect_uri).path == "/signin/callback"
        return client_id if at_pages or not client.signs_in else None

    def _reachable(self, redirect_uri: str) -> bool:
        """On this machine; anywhere by https, where the switch says so."""
        if _HERE.fullmatch(redirect_uri):
            return True
        return self._switches.idp_https_redirects and _ELSEWHERE.fullmatch(redirect_uri) is not None


def _same(listed: str, asked: str) -> bool:
    """Exactly, but for the port on loopback (RFC 8252 section 7.3)."""
    if listed == asked:
        return True
    return bool(_HERE.fullmatch(asked)) and _without_port(listed) == _without_port(asked)


def _without_port(uri: str) -> tuple[str, str, str, str]:
    parts = urlsplit(uri)
    return parts.scheme, parts.hostname or "", parts.path, parts.query


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
    if names_a_document(name) and method == "none":
        return name  # its code, and the verifier of it, are what it can show
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
