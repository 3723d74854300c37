"""Every token the emulated providers ever minted, and everything that was done with it.

The ledger is what the tests believe: not what loaner says it did, but what the provider saw. It keeps
fingerprints (hex SHA-256) and never a token.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

TokenKind = Literal["user", "scoped", "installation", "refresh"]


def fingerprint(token: str) -> str:
    """The hex SHA-256 of a token: enough to recognise it, useless to call with."""
    return hashlib.sha256(token.encode()).hexdigest()


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC, to the millisecond."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Use:
    """One request made with a token: an HTTP method and path, or a GraphQL operation."""

    at: datetime
    method: str
    path: str
    status: int
    operation: str | None = None

    def as_json(self) -> dict[str, object]:
        shown: dict[str, object] = {"at": iso(self.at), "method": self.method, "path": self.path, "status": self.status}
        return shown | ({"operation": self.operation} if self.operation else {})


@dataclass
class Entry:
    """One token's whole life."""

    provider: str
    kind: TokenKind
    fingerprint: str
    subject: str
    permissions: Mapping[str, str] | list[str]
    resources: list[str]
    minted_at: datetime
    expires_at: datetime | None
    uses: list[Use] = field(default_factory=list)
    revoked_at: datetime | None = None
    revoked_by: str | None = None
    """Why it died: ``revoked``, ``grant revoked``, ``refreshed``, ``evicted`` …"""
    parent: str | None = None
    """Fingerprint of the token it was derived from, where there is one."""
    facts: dict[str, object] = field(default_factory=dict)
    """What the provider itself needs to remember of the token. Never shown."""

    def as_json(self) -> dict[str, object]:
        return {
            "provider": self.provider,
            "kind": self.kind,
            "fingerprint": self.fingerprint,
            "subject": self.subject,
            "permissions": self.permissions,
            "resources": self.resources,
            "minted_at": iso(self.minted_at),
            "expires_at": iso(self.expires_at),
            "uses": [use.as_json() for use in self.uses],
            "revoked_at": iso(self.revoked_at),
            "revoked_by": self.revoked_by,
            "parent": self.parent,
        }


class Ledger:
    """The append-only book of one sandbox."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self._entries: dict[str, Entry] = {}
        self._tokens: dict[str, str] = {}

    def mint(
        self,
        token: str,
        *,
        provider: str,
        kind: TokenKind,
        subject: str,
        permissions: Mapping[str, str] | list[str],
        resources: list[str] | None = None,
        expires_at: datetime | None,
        parent: Entry | None = None,
        **facts: object,
    ) -> Entry:
        entry = Entry(
            provider=provider,
            kind=kind,
            fingerprint=fingerprint(token),
            subject=subject,
            permissions=permissions,
            resources=resources or [],
            minted_at=self.now(),
            expires_at=expires_at,
            parent=parent.fingerprint if parent else None,
            facts=facts,
        )
        self._entries[entry.fingerprint] = entry
        self._tokens[entry.fingerprint] = token
        return entry

    def stolen(self, fingerprint: str) -> str | None:
        """The token itself, for the one who plays the thief. Nothing that leaves the sandbox may carry it."""
        return self._tokens.get(fingerprint)

    def find(self, token: str) -> Entry | None:
        """The entry of a token, alive or dead; ``None`` if no provider here minted it."""
        return self._entries.get(fingerprint(token))

    def alive(self, token: str, *, provider: str, kinds: tuple[TokenKind, ...]) -> Entry | None:
        """The entry of a token that this provider would still accept."""
        entry = self.find(token)
        if entry is None or entry.provider != provider or entry.kind not in kinds:
            return None
        return entry if self.is_alive(entry) else None

    def is_alive(self, entry: Entry) -> bool:
        return entry.revoked_at is None and (entry.expires_at is None or entry.expires_at > self.now())

    def used(self, entry: Entry, *, method: str, path: str, status: int, operation: str | None = None) -> None:
        entry.uses.append(Use(self.now(), method, path, status, operation))

    def revoke(self, entry: Entry, why: str = "revoked") -> None:
        """Kill a token. A second time changes nothing: the first death is the one on record."""
        if entry.revoked_at is None:
            entry.revoked_at = self.now()
            entry.revoked_by = why

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())
