"""The one client of the sandbox's identity provider: loaner's own pages, in a browser, without a secret."""

from __future__ import annotations

from urllib.parse import urlsplit

CLIENT_ID = "loaner-web"
_CALLBACK_PATH = "/signin/callback"


def redirect_allowed(uri: str) -> bool:
    """Whether the client may have its code sent here: loopback, any port (RFC 8252 section 7.3)."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme == "http"
        and parts.netloc in {f"{host}:{port}" for host in ("127.0.0.1", "localhost")}
        and parts.path == _CALLBACK_PATH
        and not parts.query
        and not parts.fragment
    )
