"""The one Linear app every sandbox has registered, and the workspace that its people belong to."""

from __future__ import annotations

import re

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

_REDIRECT = re.compile(r"http://(127\.0\.0\.1|localhost):[0-9]{1,5}/callback/linear")


def redirect_allowed(uri: str) -> bool:
    """Whether the app lists this redirect URI: the loopback callback, on any port."""
    # A pattern of the whole: URL parsers forgive tabs, line breaks and empty fragments, which a header does not.
    return _REDIRECT.fullmatch(uri) is not None
