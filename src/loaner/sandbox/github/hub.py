"""One emulated GitHub: its world, its app, its tokens, put together."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from loaner.sandbox.app import Sandbox
from loaner.sandbox.github.device import DeviceCodes
from loaner.sandbox.github.installed import Installations
from loaner.sandbox.github.limits import RateLimits
from loaner.sandbox.github.registered import RegisteredApp
from loaner.sandbox.github.seed import seeded
from loaner.sandbox.github.tokens import Tokens

BLOB_LIFETIME = timedelta(minutes=1)


@dataclass(frozen=True)
class SignedBlob:
    """A download whose address is the credential."""

    text: str
    expires_at: datetime


class Hub:
    """Everything the handlers share."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.app = RegisteredApp()
        self.world = seeded(sandbox.clock.now())
        self.installations = Installations(self.world, self.app, sandbox.switches)
        self.tokens = Tokens(sandbox, self.world, self.app, self.installations)
        self.devices = DeviceCodes(sandbox.clock)
        self.limits = RateLimits(sandbox.clock, sandbox.switches)
        self.blobs: dict[str, SignedBlob] = {}
        self.authorization_codes: dict[str, AuthorizationCode] = {}

    @property
    def web(self) -> str:
        """Stands for https://github.com."""
        return self.sandbox.urls["github"]

    @property
    def api(self) -> str:
        """Stands for https://api.github.com."""
        return self.sandbox.urls["github_api"]

    def now(self) -> datetime:
        return self.sandbox.clock.now()

    def sign_blob(self, text: str) -> str:
        """Put a text on the download host and give its address, good for a minute.

        The host's name differs from the API's, as it does at GitHub: a client that forwards its token is noticed.
        """
        key = secrets.token_urlsafe(24)
        self.blobs[key] = SignedBlob(text, self.now() + BLOB_LIFETIME)
        return f"{self.web.replace('//127.0.0.1', '//localhost', 1)}/blobs/{key}"


@dataclass
class AuthorizationCode:
    """The web flow's code: ten minutes, one use."""

    login: str
    redirect_uri: str
    challenge: str | None
    expires_at: datetime
