"""Browser sessions, kept on the server: the browser holds a random cookie, the store its hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, Connection, delete, select, update
from starlette.requests import Request
from starlette.responses import Response

from loaner.clock import Now
from loaner.identity.caller import Subject
from loaner.store import Store, tags
from loaner.store.tables import web_sessions

LIFETIME = timedelta(hours=8)
SIGNING_IN = timedelta(minutes=10)
"""How long a browser may take to come back from the issuer."""
MOST_SIGNING_IN = 10_000
"""Nobody has to prove anything to begin a sign-in, so there is an end to how many are kept: then the oldest go."""
MOST_OF_ONE = 100
"""Sessions of one person. On a local loaner every visit without a cookie begins one."""


@dataclass(frozen=True)
class SignedIn:
    """A person, and how this browser proved to be theirs."""

    subject: Subject
    display: str
    proven_by: str
    accounts: Mapping[str, str] = field(default_factory=dict)
    """What the issuer says of their accounts, by provider."""


@dataclass(frozen=True)
class Session:
    """One browser. ``browser`` is the cookie's value and never stored."""

    browser: str
    subject: Subject | None
    display: str
    proven_by: str
    wrong_codes: int
    state_hash: str | None
    since: datetime
    accounts: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The hash that names it in the store."""
        return _hash(self.browser)

    @property
    def form_token(self) -> str:
        """Goes into every form; another site can make the browser send its cookie, but cannot read this."""
        return _form_token(self.browser)

    def is_own_form(self, token: str) -> bool:
        return hmac.compare_digest(self.form_token.encode(), token.encode())


class Sessions:
    def __init__(self, store: Store, now: Now) -> None:
        self.store = store
        self.now = now

    async def of(self, request: Request, base_url: str) -> Session | None:
        """The session of this browser, if it has one that still lives."""
        browser = request.cookies.get(cookie_name(base_url))
        if not browser:
            return None
        alive = select(web_sessions).where(
            web_sessions.c.id_hash == _hash(browser), web_sessions.c.expires_at > self.now()
        )
        # One that somebody else put into the database is nobody's.
        rows = await self.store.read(lambda c: tags.sound(c, web_sessions, c.execute(alive)))
        if not rows:
            return None
        row = rows[0]
        issuer, _, sub = (row.subject or "").partition(" ")
        subject = Subject(issuer, sub) if row.subject else None
        return Session(
            browser,
            subject,
            row.display,
            row.proven_by,
            row.wrong_codes,
            row.state_hash,
            row.created_at,
            row.accounts or {},
        )

    async def start(self, who: SignedIn | None, *, state: str | None = None, instead: Session | None = None) -> Session:
        """A new session under a new id, in place of an earlier one: an id from before signing in must not be worth
        anything after it (session fixation)."""
        browser, at = secrets.token_urlsafe(32), self.now()
        session = Session(
            browser,
            who.subject if who else None,
            who.display if who else "",
            who.proven_by if who else "none",
            0,
            _hash(state) if state else None,
            at,
            who.accounts if who else {},
        )
        values = {
            "id_hash": session.id,
            "subject": session.subject.key if session.subject else None,
            "display": session.display,
            "proven_by": session.proven_by,
            "accounts": dict(session.accounts),
            "state_hash": session.state_hash,
            "created_at": at,
            "expires_at": at + (LIFETIME if who else SIGNING_IN),
        }
        ended = delete(web_sessions).where(web_sessions.c.id_hash == (instead.id if instead else ""))
        overdue = delete(web_sessions).where(web_sessions.c.expires_at <= at)

        def begin(connection: Connection) -> None:
            connection.execute(overdue)
            connection.execute(ended)
            if session.subject is None:
                _make_room(connection, web_sessions.c.subject.is_(None), MOST_SIGNING_IN)
            else:
                _make_room(connection, web_sessions.c.subject == session.subject.key, MOST_OF_ONE)
            tags.add(connection, web_sessions, values)

        await self.store.write(begin)
        return session

    async def expect_state(self, session: Session, state: str) -> None:
        """Begin another sign-in in this session, in place of one that was begun before."""
        begun = update(web_sessions).where(web_sessions.c.id_hash == session.id).values(state_hash=_hash(state))
        await self.store.write(lambda c: c.execute(begun) and None)

    async def spend_state(self, session: Session, state: str) -> bool:
        """Use up the one-time state of a sign-in; a replay finds nothing to spend."""
        spent = (
            update(web_sessions)
            .where(web_sessions.c.id_hash == session.id, web_sessions.c.state_hash == _hash(state))
            .values(state_hash=None)
        )
        return await self.store.write(lambda c: c.execute(spent).rowcount == 1)

    async def end(self, session: Session) -> None:
        ended = delete(web_sessions).where(web_sessions.c.id_hash == session.id)
        await self.store.write(lambda c: c.execute(ended) and None)


def _make_room(connection: Connection, whose: ColumnElement[bool], most: int) -> None:
    """For one more of theirs: the oldest go."""
    newest = select(web_sessions.c.created_at).where(whose).order_by(web_sessions.c.created_at.desc())
    last = connection.execute(newest.offset(most - 1).limit(1)).scalar()
    if last is not None:
        connection.execute(delete(web_sessions).where(whose, web_sessions.c.created_at <= last))


def cookie_name(base_url: str) -> str:
    """``__Host-`` binds the cookie to this host and to TLS, where there is TLS (RFC 6265bis §4.1.3.2). Cookies know no
    ports, so a port stands in the name: several loaners on one computer must not end each other's sessions."""
    parts = urlsplit(base_url)
    port = f"-{parts.port}" if parts.port else ""
    return f"__Host-loaner{port}" if parts.scheme == "https" else f"loaner{port}"


def set_cookie(response: Response, session: Session, base_url: str) -> None:
    # Lax and not Strict: the way back from a provider is a navigation from another site.
    response.set_cookie(
        cookie_name(base_url), session.browser, secure=base_url.startswith("https:"), httponly=True, samesite="lax"
    )


def clear_cookie(response: Response, base_url: str) -> None:
    response.delete_cookie(cookie_name(base_url), secure=base_url.startswith("https:"), httponly=True, samesite="lax")


def _form_token(browser: str) -> str:
    return hashlib.sha256(b"loaner form\x00" + browser.encode()).hexdigest()


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
