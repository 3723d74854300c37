"""The life of Linear's tokens: minted in pairs, rotated in pairs, revoked one by one.

Facts: https://linear.app/developers/oauth-2-0-authentication. An access token lives 24 hours less a second, a refresh
token is used once, and refreshing answers a new pair. What the page leaves open is a switch.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from starlette.requests import Request

from loaner.sandbox.ledger import Entry
from loaner.sandbox.linear.registered import WORKSPACE
from loaner.sandbox.world import Person

if TYPE_CHECKING:
    from loaner.sandbox.app import Sandbox

PROVIDER = "linear"
ACCESS_SECONDS = 86_399

Actor = Literal["user", "app"]


@dataclass(frozen=True)
class Pair:
    """What the token endpoint hands out."""

    access: str
    refresh: str
    scopes: list[str]

    def as_json(self) -> dict[str, object]:
        return {
            "access_token": self.access,
            "token_type": "Bearer",
            "expires_in": ACCESS_SECONDS,
            "scope": " ".join(self.scopes),
            "refresh_token": self.refresh,
        }


class Tokens:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._ledger = sandbox.ledger

    def alive(self, access: str) -> Entry | None:
        return self._ledger.alive(access, provider=PROVIDER, kinds=("user",))

    def find(self, token: str) -> Entry | None:
        """The entry of any token Linear ever minted, dead ones included."""
        entry = self._ledger.find(token)
        return entry if entry is not None and entry.provider == PROVIDER else None

    def authorize(self, person: Person, scopes: Sequence[str], *, actor: Actor, needs_secret: bool) -> Pair:
        """The first pair of a fresh consent."""
        if self._sandbox.faults.take(PROVIDER, "/oauth/token", ("wrong_scope",)) is not None:
            scopes = ["read"] if len(scopes) > 1 else ["read", "write"]  # less than was asked for, or more
        return self._mint(
            person.login, list(scopes), actor=actor, needs_secret=needs_secret, family=secrets.token_hex(8)
        )

    def refresh(self, entry: Entry) -> Pair:
        """Trade a living refresh token for a new pair; it dies of it."""
        self._ledger.revoke(entry, "refreshed")
        if self._sandbox.switches.linear_refresh_ends_access:
            for sibling in self._ledger:
                if sibling.provider == PROVIDER and sibling.facts["family"] == entry.facts["family"]:
                    self._ledger.revoke(sibling, "refreshed")
        return self._mint(entry.subject, list(entry.permissions), parent=entry, **entry.facts)

    def revoke(self, entry: Entry) -> bool:
        """End a token, or with it everything this person allowed this app. False: it was dead already."""
        if not self._ledger.is_alive(entry):
            return False
        self._ledger.revoke(entry)
        if self._sandbox.switches.linear_revoke_ends_authorization:
            for each in self._ledger:
                # Every app registered here is the same one, so the person and how the app acts say it all.
                same = each.provider == PROVIDER and each.subject == entry.subject
                if same and each.facts["actor"] == entry.facts["actor"]:
                    self._ledger.revoke(each, "grant revoked")
        return True

    def covered(self, person: Person, scopes: Sequence[str], actor: Actor) -> bool:
        """Whether a living consent of this person already allows as much."""
        return any(
            each.provider == PROVIDER
            and each.kind == "refresh"
            and each.subject == person.login
            and each.facts["actor"] == actor
            and set(scopes) <= set(each.permissions)
            and self._ledger.is_alive(each)
            for each in self._ledger
        )

    def _mint(self, login: str, scopes: list[str], *, parent: Entry | None = None, **facts: object) -> Pair:
        pair = Pair(f"lin_oauth_{secrets.token_hex(32)}", f"lin_refresh_{secrets.token_hex(32)}", scopes)
        expiry = self._ledger.now() + timedelta(seconds=ACCESS_SECONDS)
        for token, kind, expires_at in ((pair.access, "user", expiry), (pair.refresh, "refresh", None)):
            self._ledger.mint(
                token,
                provider=PROVIDER,
                kind=kind,  # type: ignore[arg-type] # one of two literals, two lines up
                subject=login,
                permissions=scopes,
                resources=[WORKSPACE],
                expires_at=expires_at,
                parent=parent,
                **facts,
            )
        return pair


def bearer(request: Request) -> str | None:
    """The token of the ``Authorization`` header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
