"""The life of Slack's user tokens: minted, rotated, capped at two, revoked.

Facts: https://docs.slack.dev/authentication/using-token-rotation and
https://docs.slack.dev/reference/methods/auth.revoke. With rotation an access token lives 12 hours, its
refresh token is used once, refreshing leaves the current access token alive, and the third access token
of an authorization kills the oldest. Without it a token never expires, and revoking it ends everything.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from loaner.sandbox.ledger import Entry
from loaner.sandbox.slack.errors import SlackError
from loaner.sandbox.slack.registered import TEAM_NAME
from loaner.sandbox.slack.state import Member

if TYPE_CHECKING:
    from loaner.sandbox.app import Sandbox

ACCESS_LIFE = timedelta(hours=12)
PUBLIC_REFRESH_LIFE = timedelta(days=30)
"""Refresh tokens of an app marked public, as PKCE without a secret makes it; others do not expire."""
MOST_ALIVE = 2
IDENTIFY = "identify"

PROVIDER = "slack"


@dataclass
class Authorization:
    """One person's yes to the app: the scopes agreed to, and every token that hangs on it."""

    member: Member
    scopes: list[str]
    entries: list[Entry] = field(default_factory=list)


@dataclass(frozen=True)
class Issued:
    """What a token endpoint hands out. No ``refresh`` and no ``expires_in`` without rotation."""

    member: Member
    scopes: list[str]
    access: str
    refresh: str | None
    expires_in: int | None


class Tokens:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._ledger = sandbox.ledger
        self._authorizations: list[Authorization] = []

    def authorize(self, member: Member, scopes: Sequence[str], *, public: bool) -> Issued:
        """A fresh consent. Whether scopes add up over several is a switch: the documents do not say."""
        authorization = None
        if self._sandbox.switches.slack_scopes_accumulate:
            authorization = next((a for a in self._authorizations if a.member == member), None)
        if authorization is None:
            authorization = Authorization(member, [])
            self._authorizations.append(authorization)
        wider = [IDENTIFY] if self._sandbox.switches.slack_granted_wider else []
        authorization.scopes = list(dict.fromkeys([*authorization.scopes, *wider, *scopes]))
        return self._issue(authorization, public=public)

    def refresh(self, token: str) -> Issued:
        """Trade a refresh token, which dies of it; the access token it came with lives on.

        Raises:
            SlackError: ``invalid_refresh_token``.
        """
        entry = self._ledger.find(token)
        if entry is None or entry.provider != PROVIDER or entry.kind != "refresh" or not self._may_refresh(entry):
            raise SlackError("invalid_refresh_token")
        self._ledger.revoke(entry, "refreshed")
        return self._issue(_authorization(entry), public=bool(entry.facts["public"]), parent=entry)

    def _may_refresh(self, entry: Entry) -> bool:
        if self._ledger.is_alive(entry):
            return True
        if entry.revoked_by != "refreshed" or entry.revoked_at is None:
            return False
        grace = timedelta(seconds=self._sandbox.switches.slack_refresh_grace_seconds)
        return self._ledger.now() < entry.revoked_at + grace

    def is_public(self, token: str) -> bool:
        """Whether this refresh token came from an exchange without a client secret."""
        entry = self._ledger.find(token)
        return entry is not None and entry.kind == "refresh" and bool(entry.facts["public"])

    def check(self, token: str) -> Entry:
        """The entry of a token that still opens the API.

        Raises:
            SlackError: ``not_authed``, ``invalid_auth``, ``token_revoked`` or ``token_expired``.
        """
        if not token:
            raise SlackError("not_authed")
        entry = self._ledger.find(token)
        if entry is None or entry.provider != PROVIDER or entry.kind != "user":
            raise SlackError("invalid_auth")
        if entry.revoked_at is not None:
            raise SlackError("token_revoked")
        if not self._ledger.is_alive(entry):
            raise SlackError("token_expired")
        return entry

    def revoke(self, entry: Entry) -> None:
        """One rotating token; or, of a long-lived one, the authorization with all its tokens."""
        if entry.facts["rotating"]:
            self._ledger.revoke(entry)
            return
        for other in _authorization(entry).entries:
            self._ledger.revoke(other, "revoked" if other is entry else "authorization revoked")
        self._authorizations.remove(_authorization(entry))

    def _issue(self, authorization: Authorization, *, public: bool, parent: Entry | None = None) -> Issued:
        rotating = self._sandbox.switches.slack_rotation
        now = self._ledger.now()
        body = secrets.token_urlsafe(32)
        access = f"xoxe.xoxp-1-{body}" if rotating else f"xoxp-{body}"
        if rotating:
            self._evict(authorization)
        refresh = f"xoxe-1-{secrets.token_urlsafe(32)}" if rotating else None
        minted = self._ledger.mint(
            access,
            provider=PROVIDER,
            kind="user",
            subject=authorization.member.login or authorization.member.id,
            permissions=list(authorization.scopes),
            resources=[TEAM_NAME],
            expires_at=now + ACCESS_LIFE if rotating else None,
            parent=parent,
            authorization=authorization,
            rotating=rotating,
        )
        authorization.entries.append(minted)
        if refresh is not None:
            kept = self._ledger.mint(
                refresh,
                provider=PROVIDER,
                kind="refresh",
                subject=minted.subject,
                permissions=list(authorization.scopes),
                resources=[TEAM_NAME],
                expires_at=now + PUBLIC_REFRESH_LIFE if public else None,
                parent=parent or minted,
                authorization=authorization,
                rotating=True,
                public=public,
            )
            authorization.entries.append(kept)
        return Issued(
            member=authorization.member,
            scopes=list(authorization.scopes),
            access=access,
            refresh=refresh,
            expires_in=int(ACCESS_LIFE.total_seconds()) if rotating else None,
        )

    def _evict(self, authorization: Authorization) -> None:
        """Make room for one more access token: the oldest goes."""
        alive = [entry for entry in authorization.entries if entry.kind == "user" and self._ledger.is_alive(entry)]
        for oldest in alive[: max(0, len(alive) - MOST_ALIVE + 1)]:
            self._ledger.revoke(oldest, "evicted")


def member_of(entry: Entry) -> Member:
    return _authorization(entry).member


def _authorization(entry: Entry) -> Authorization:
    found = entry.facts["authorization"]
    assert isinstance(found, Authorization)  # noqa: S101 - only this module writes the fact
    return found
