"""The one Linear app every sandbox has registered, and the workspace that its people belong to."""

from __future__ import annotations

from urllib.parse import urlsplit

CLIENT_ID = "sandbox-linear-client"
CLIENT_SECRET = "sandbox-linear-secret"  # noqa: S105 - the emulated app's, worth nothing anywhere else
APP_NAME = "loaner"
WORKSPACE = "acme"

SCOPES = (
    "read",
    "write",
    "issues:create",
    "comments:create",
    "timeSchedule:write",
    "admin",
    "app:assignable",
    "app:mentionable",
)
"""Every scope an app may ask for (linear.app/developers/oauth-2-0-authentication)."""

_CALLBACK_PATH = "/callback/linear"


def redirect_allowed(uri: str) -> bool:
    """Whether the app lists this redirect URI: the loopback callback, on any port."""
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
