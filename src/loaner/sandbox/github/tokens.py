"""Minting, refreshing and ending GitHub's tokens.

Lifetimes from GitHub docs "Refreshing user access tokens" and "Generating an installation access token": a user token
lives 8 hours, its refresh token 6 months and for one use, an installation token one hour.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from loaner.sandbox.app import Sandbox
from loaner.sandbox.github.installed import Installations
from loaner.sandbox.github.permissions import Permissions, with_metadata
from loaner.sandbox.github.registered import RegisteredApp
from loaner.sandbox.github.state import Repository, World
from loaner.sandbox.ledger import Entry, TokenKind

USER_SECONDS = 8 * 3600
REFRESH_SECONDS = 15_897_600
INSTALLATION_SECONDS = 3600
CEILING = 10
CEILING_WINDOW = timedelta(hours=1)
CALLABLE: tuple[TokenKind, ...] = ("user", "scoped", "installation")

_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Minted:
    """A token at the one moment when it is known in clear."""

    token: str
    entry: Entry


class Tokens:
    """Every token of the app, through the ledger: a token that is not in it does not exist."""

    def __init__(self, sandbox: Sandbox, world: World, app: RegisteredApp, installations: Installations) -> None:
        self._sandbox = sandbox
        self._world = world
        self._app = app
        self._installations = installations

    # --- what a token reaches

    def login(self, entry: Entry) -> str | None:
        """The person the token acts for; ``None`` for an installation token."""
        return cast("str | None", entry.facts.get("login"))

    def reaches(self, entry: Entry) -> list[Repository]:
        """The repositories that token, person and installation all reach, now."""
        chosen = cast("frozenset[int] | None", entry.facts.get("repositories"))
        login = self.login(entry)
        owners = [each.account.login for each in self._installations.every() if not each.suspended]
        return [
            each
            for each in self._world.repositories.values()
            if each.owner.login in owners
            and (chosen is None or each.id in chosen)
            and (login is None or login in each.roles)
        ]

    def permissions(self, entry: Entry) -> Permissions:
        return cast("Permissions", entry.permissions)

    # --- minting

    def pair(self, login: str, repositories: Iterable[int] | None = None) -> tuple[Minted, Minted]:
        """A user token and the refresh token that goes with it."""
        chosen = None if repositories is None else frozenset(repositories)
        permissions = with_metadata(self._app.permissions)
        user = self._mint("ghu_", 36, "user", USER_SECONDS, permissions, login, chosen)
        refresh = self._mint("ghr_", 76, "refresh", REFRESH_SECONDS, permissions, login, chosen, parent=user.entry)
        return user, refresh

    def refresh(self, token: str) -> tuple[Minted, Minted] | None:
        """Trade a refresh token for a new pair; the old pair dies. ``None`` when it is no good (any more)."""
        old = self._sandbox.ledger.alive(token, provider="github", kinds=("refresh",))
        if old is None or not self.is_own(old):
            return None
        for entry in self._sandbox.ledger:
            if entry is old or entry.fingerprint == old.parent:
                self._sandbox.ledger.revoke(entry, "refreshed")
        return self.pair(str(old.facts["login"]), cast("frozenset[int] | None", old.facts.get("repositories")))

    def scoped(self, parent: Entry, permissions: Permissions, repositories: Iterable[int]) -> Minted:
        """A narrower token for the same person; it lives as long as the one it came from, which stays valid."""
        seconds = _seconds(parent.expires_at, self._sandbox.clock.now())
        login = str(parent.facts["login"])
        return self._mint("ghu_", 36, "scoped", seconds, permissions, login, frozenset(repositories), parent=parent)

    def installation(
        self, permissions: Permissions, repositories: Iterable[int] | None, *, stateless: bool | None = None
    ) -> Minted:
        """A token of the app itself. ``stateless`` overrules the sandbox's switch for the new, long form."""
        chosen = None if repositories is None else frozenset(repositories)
        long = self._sandbox.switches.github_stateless_installation_tokens if stateless is None else stateless
        prefix = f"ghs_{self._app.app_id}_" if long else "ghs_"
        length = 480 if long else 36
        return self._mint(prefix, length, "installation", INSTALLATION_SECONDS, permissions, None, chosen)

    # --- ending

    def find(self, token: object, kinds: tuple[TokenKind, ...] = CALLABLE) -> Entry | None:
        """The entry of a living token."""
        if not isinstance(token, str):
            return None
        return self._sandbox.ledger.alive(token, provider="github", kinds=kinds)

    def is_own(self, entry: Entry) -> bool:
        """Is it of the app that is registered now? Those of a former one live on, and are not this one's."""
        return entry.facts["client_id"] == self._app.client_id

    def revoke(self, entry: Entry, why: str = "revoked") -> None:
        self._sandbox.ledger.revoke(entry, why)

    def end_grant(self, login: str) -> None:
        """Every token of this person for the app, refresh tokens included."""
        for entry in self._of(login):
            self.revoke(entry, "grant revoked")

    def _of(self, login: str) -> list[Entry]:
        ours = [each for each in self._sandbox.ledger if each.provider == "github" and self.is_own(each)]
        return [each for each in ours if each.facts.get("login") == login]

    def _mint(
        self,
        prefix: str,
        length: int,
        kind: TokenKind,
        seconds: float,
        permissions: Mapping[str, str],
        login: str | None,
        repositories: frozenset[int] | None,
        parent: Entry | None = None,
    ) -> Minted:
        token = prefix + "".join(secrets.choice(_LETTERS) for _ in range(length))
        if length > 100:  # noqa: PLR2004 - the long form holds a JWT: two dots
            token = f"{token[:60]}.{token[60:-60]}.{token[-60:]}"
        entry = self._sandbox.ledger.mint(
            token,
            provider="github",
            kind=kind,
            subject=login or "installation:acme",
            permissions=dict(permissions),
            expires_at=self._sandbox.clock.now() + timedelta(seconds=seconds),
            parent=parent,
            login=login,
            repositories=repositories,
            client_id=self._app.client_id,
        )
        entry.resources = [each.full_name for each in self.reaches(entry)]
        if self._sandbox.switches.github_token_ceiling and kind in ("user", "scoped"):
            self._evict(entry)
        return Minted(token, entry)

    def _evict(self, newest: Entry) -> None:
        """GitHub docs "Token expiration and revocation": past ten for one user, app and scope set, the oldest goes."""
        since = self._sandbox.clock.now() - CEILING_WINDOW
        alike = [
            each
            for each in self._of(str(newest.facts["login"]))
            if each.kind in ("user", "scoped")
            and each.permissions == newest.permissions
            and each.minted_at > since
            and self._sandbox.ledger.is_alive(each)
        ]
        for each in sorted(alike, key=lambda entry: entry.minted_at)[:-CEILING]:
            self.revoke(each, "evicted")


def _seconds(until: datetime | None, now: datetime) -> float:
    return (until - now).total_seconds() if until else USER_SECONDS
