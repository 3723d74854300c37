"""The one Slack app every sandbox has registered, and the workspace it is installed to."""

from __future__ import annotations

from urllib.parse import urlsplit

CLIENT_ID = "1111.2222"
CLIENT_SECRET = "sandbox-slack-secret"  # noqa: S105 - the emulated app's, worth nothing anywhere else
APP_ID = "A0LOANER01"
APP_NAME = "loaner"
TEAM_ID = "T0ACME0001"
TEAM_NAME = "acme"

_CALLBACK_PATH = "/callback/slack"


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
