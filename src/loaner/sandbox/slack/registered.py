"""The one Slack app every sandbox has registered, and the workspace it is installed to."""

from __future__ import annotations

from loaner.sandbox.redirects import on_loopback

CLIENT_ID = "1111.2222"
CLIENT_SECRET = "sandbox-slack-secret"  # noqa: S105 - the emulated app's, worth nothing anywhere else
APP_ID = "A0LOANER01"
APP_NAME = "loaner"
TEAM_ID = "T0ACME0001"
ENTERPRISE_ID = "E0ACME0001"
TEAM_NAME = "acme"

redirect_allowed = on_loopback("/callback/slack")
"""Whether the app lists this redirect URI."""
