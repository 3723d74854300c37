"""The one Linear app every sandbox has registered, and the workspace that its people belong to."""

from __future__ import annotations

from loaner.sandbox.redirects import on_loopback

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

redirect_allowed = on_loopback("/callback/linear")
"""Whether the app lists this redirect URI."""
