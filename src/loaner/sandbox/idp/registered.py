"""The one client of the sandbox's identity provider: loaner's own pages, in a browser, without a secret."""

from __future__ import annotations

from loaner.sandbox.redirects import on_loopback

CLIENT_ID = "loaner-web"

redirect_allowed = on_loopback("/signin/callback")
"""Whether the app lists this redirect URI."""
