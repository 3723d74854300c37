"""The pages a person sees: sign in, read what the app asks for, allow or cancel.

``/oauth/v2_user/authorize`` asks for user scopes in ``scope``; ``/oauth/v2/authorize`` has bot scopes there
and user scopes in ``user_scope`` (https://docs.slack.dev/authentication/installing-with-oauth and, for the
code challenge, https://docs.slack.dev/authentication/using-pkce).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from loaner.sandbox.login import hidden, page, sign_in_page, signed_in
from loaner.sandbox.slack.methods import USER_SCOPES
from loaner.sandbox.slack.oauth import Door
from loaner.sandbox.slack.registered import APP_NAME, CLIENT_ID, TEAM_NAME, redirect_allowed
from loaner.sandbox.slack.state import Member

if TYPE_CHECKING:
    from loaner.sandbox.slack.workspace import Workspace

CODE_LIFE = timedelta(minutes=10)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Ask:
    """One request for authorization, as it came in the query."""

    door: Door
    scopes: list[str]
    redirect_uri: str
    state: str
    challenge: str | None

    def back(self, **answer: str) -> Response:
        """Send the browser back to the app. The redirect URI was checked before this value was made."""
        query = answer | ({"state": self.state} if self.state else {})
        return RedirectResponse(f"{self.redirect_uri}?{urlencode(query)}", status_code=303)


@dataclass(frozen=True)
class Code:
    door: Door
    member: Member
    scopes: list[str]
    redirect_uri: str
    challenge: str | None
    expires_at: datetime


class Codes:
    """Authorization codes: good once, for ten minutes."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._codes: dict[str, Code] = {}

    def issue(self, code: Code) -> str:
        value = f"1111.{secrets.randbelow(10**12)}.{secrets.token_hex(24)}"
        self._codes[value] = code
        return value

    def spend(self, value: str) -> Code | None:
        """The code, which is gone afterwards; ``None`` if it never was, was used, or is too old."""
        code = self._codes.pop(value, None)
        return code if code is not None and code.expires_at > self._now() else None


class Consent:
    """The consent page. What it shows is kept here, and the form carries only its number."""

    def __init__(self, workspace: Workspace, codes: Codes) -> None:
        self._workspace = workspace
        self._codes = codes
        self._pending: dict[str, tuple[str, Ask]] = {}

    def routes(self) -> list[Route]:
        return [
            Route("/oauth/v2_user/authorize", self._show_user, methods=["GET"]),
            Route("/oauth/v2/authorize", self._show_full, methods=["GET"]),
            Route("/oauth/consent", self._decide, methods=["POST"]),
        ]

    async def _show_user(self, request: Request) -> Response:
        return self._show(request, "oauth.v2.user.access")

    async def _show_full(self, request: Request) -> Response:
        return self._show(request, "oauth.v2.access")

    def _show(self, request: Request, door: Door) -> Response:
        asked = _ask(request, door)
        if isinstance(asked, Response):
            return asked
        person = signed_in(request, "slack")
        if person is None:
            return sign_in_page(request, "slack")
        number = secrets.token_urlsafe(16)
        self._pending[number] = (person.login, asked)
        scopes = "".join(f"<li><code>{escape(scope)}</code></li>" for scope in asked.scopes)
        return page(
            f"{APP_NAME} is requesting permission to access the {TEAM_NAME} Slack workspace",
            f"<p>Signed in as {escape(person.login)}. On your behalf, {escape(APP_NAME)} will be able to use:</p>"
            f"<ul>{scopes}</ul>"
            f'<form method="post" action="/slack/oauth/consent">{hidden({"request": number})}'
            '<button type="submit" name="decision" value="cancel">Cancel</button>'
            '<button type="submit" name="decision" value="allow">Allow</button></form>',
        )

    async def _decide(self, request: Request) -> Response:
        form = await request.form()
        login, asked = self._pending.pop(str(form.get("request", "")), (None, None))
        person = signed_in(request, "slack")
        if asked is None or person is None or person.login != login:
            return page("Something went wrong", "<p>This request is not known any more.</p>", status=400)
        if form.get("decision") != "allow":
            return asked.back(error="access_denied")
        code = Code(
            door=asked.door,
            member=self._workspace.state.member_of_login(person.login),
            scopes=asked.scopes,
            redirect_uri=asked.redirect_uri,
            challenge=asked.challenge,
            expires_at=self._workspace.state.now() + CODE_LIFE,
        )
        return asked.back(code=self._codes.issue(code))


def _ask(request: Request, door: Door) -> Ask | Response:
    """The request, or the page that says what is wrong with it; nothing unchecked is redirected to."""
    query = request.query_params
    name = "scope" if door == "oauth.v2.user.access" else "user_scope"
    scopes = list(dict.fromkeys(re.findall(r"[^,\s]+", query.get(name, ""))))
    redirect_uri, challenge = query.get("redirect_uri", ""), query.get("code_challenge")
    problem = ""
    if query.get("client_id") != CLIENT_ID:
        problem = "invalid_client_id"
    elif not redirect_allowed(redirect_uri):
        problem = "bad_redirect_uri"
    elif door == "oauth.v2.access" and query.get("scope"):
        problem = "invalid_scope: this app has no bot user"
    elif not scopes:
        problem = "no_user_scopes"
    elif unknown := [scope for scope in scopes if scope not in USER_SCOPES]:
        problem = f"invalid_scope: {', '.join(unknown)}"
    elif challenge is not None and not (
        query.get("code_challenge_method") == "S256" and _CHALLENGE.fullmatch(challenge)
    ):
        problem = "invalid_code_challenge: S256 is the method"
    if problem:
        return page("Something went wrong when authorizing this app", f"<p>{escape(problem)}</p>", status=400)
    return Ask(door=door, scopes=scopes, redirect_uri=redirect_uri, state=query.get("state", ""), challenge=challenge)
