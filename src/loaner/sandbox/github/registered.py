"""The one GitHub App that every sandbox knows, installed on the organisation acme."""

from __future__ import annotations

from dataclasses import dataclass, field

from loaner.sandbox.redirects import on_loopback

CLIENT_ID = "Iv23liSANDBOXloaner"
CLIENT_SECRET = "sandbox-github-secret"  # noqa: S105 - published on purpose: it opens nothing but the sandbox
APP_ID = 4242
APP_SLUG = "loaner-sandbox"
APP_NAME = "Loaner Sandbox"
INSTALLATION_ID = 1
ORGANIZATION = "acme"
redirect_allowed = on_loopback("/callback/github")

PERMISSIONS: dict[str, str] = {
    "actions": "write",
    "administration": "write",
    "checks": "read",
    "contents": "write",
    "deployments": "read",
    "issues": "write",
    "members": "read",
    "metadata": "read",
    "pull_requests": "write",
    "secret_scanning_alerts": "read",
    "security_events": "read",
    "statuses": "read",
    "workflows": "write",
}
"""What acme granted the app when it was installed: the ceiling of every token."""


@dataclass
class RegisteredApp:
    """The app's settings; a test may change those that an owner could change on github.com."""

    client_id: str = CLIENT_ID
    client_secret: str = field(default=CLIENT_SECRET, repr=False)
    app_id: int = APP_ID
    device_flow_enabled: bool = True
    permissions: dict[str, str] = field(default_factory=lambda: dict(PERMISSIONS))
