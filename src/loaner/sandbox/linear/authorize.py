"""The pages a person sees: sign in, read what the app asks for, allow or cancel
(https://linear.app/developers/oauth-2-0-authentication, "Redirect user access requests to Linear")."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Literal, cast
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from loaner.sandbox.ledger import fingerprint
from loaner.sandbox.linear.desk import Desk
from loaner.sandbox.linear.registered import APP_NAME, CLIENT_ID, SCOPES, WORKSPACE, redirect_allowed
from loaner.sandbox.linear.tokens import Actor
from loaner.sandbox.login import hidden, page, sign_in_page, signed_in
from loaner.sandbox.world import Person

Method = Literal["S256", "plain"]

_CHALLENGE = re.compile(r"[A-Za-z0-9._~-]{43,128}")
"""RFC 7636 section 4.2."""

_MEANINGS = {
    "read": "Read access to everything you can see",
    "write": "Write access to everything you can change",
    "issues:create": "Create issues and their attachments",
    "comments:create": "Create comments on issues",
    "timeSchedule:write": "Create and change time schedules",
    "admin": "Full access to administration",
    "app:assignable": "Be assigned to issues as an agent",
    "app:mentionable": "Be mentioned as an agent",
}


@dataclass(frozen=True)
class Ask:
    """One request for authorization whose client and redirect URI are known to be good."""

    redirect_uri: str
    state: str
    scopes: list[str]
    actor: Actor
    challenge: str | None
    method: Method
    prompt: bool

    def back(self, **answer: str) -> Response:
        query = answer | ({"state": self.state} if self.state else {})
        return RedirectResponse(f"{self.redirect_uri}?{urlencode(query)}", status_code=303)


@dataclass(frozen=True)
class Code:
    person: Person
    ask: Ask
    expires_at: datetime


class Codes:
    """Authorization codes: good once, and not for long. Kept by fingerprint, as a provider should."""

    def __init__(self, desk: Desk) -> None:
        self._sandbox = desk.sandbox
        self._codes: dict[str, Code] = {}

    def issue(self, person: Person, ask: Ask) -> str:
        value = secrets.token_hex(20)
        life = timedelta(seconds=self._sandbox.switches.linear_code_seconds)
        self._codes[fingerprint(value)] = Code(person, ask, self._sandbox.clock.now() + life)
        return value

    def spend(self, value: str) -> Code | None:
        """The code, which is gone afterwards; ``None`` if it never was, was used, or is too old."""
        code = self._codes.pop(fingerprint(value), None)
        return code if code is not None and code.expires_at > self._sandbox.clock.now() else None


class Consent:
    """The consent page. What it shows is kept here, and the form carries only its number."""

    def __init__(self, desk: Desk, codes: Codes) -> None:
        self._desk = desk
        self._codes = codes
        self._pending: dict[str, tuple[Person, Ask]] = {}

    def routes(self) -> list[Route]:
        return [
            Route("/oauth/authorize", self._show, methods=["GET"]),
            Route("/oauth/consent", self._decide, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        ask = _ask(request.query_params)
        if isinstance(ask, Response):
            return ask
        person = signed_in(request, "linear")
        if person is None:
            return sign_in_page(request, "linear")
        remembers = self._desk.sandbox.switches.linear_remembers_consent and not ask.prompt
        if remembers and self._desk.tokens.covered(person, ask.scopes, ask.actor):
            return ask.back(code=self._codes.issue(person, ask))
        number = secrets.token_urlsafe(16)
        self._pending[number] = (person, ask)
        scopes = "".join(f"<li><code>{escape(scope)}</code> {escape(_MEANINGS[scope])}</li>" for scope in ask.scopes)
        acting = f"as itself, with what {person.login} allows" if ask.actor == "app" else f"as {person.login}"
        return page(
            f"{APP_NAME} is requesting access to the {WORKSPACE} workspace",
            f"<p>Signed in as {escape(person.login)}. {escape(APP_NAME)} will act {escape(acting)}:</p>"
            f"<ul>{scopes}</ul>"
            f'<form method="post" action="/linear/oauth/consent">{hidden({"request": number})}'
            '<button type="submit" name="decision" value="cancel">Cancel</button>'
            '<button type="submit" name="decision" value="allow">Allow</button></form>',
        )

    async def _decide(self, request: Request) -> Response:
        form = await request.form()
        shown_to, ask = self._pending.pop(str(form.get("request", "")), (None, None))
        person = signed_in(request, "linear")
        if ask is None or person is None or person != shown_to:
            return page("Something went wrong", "<p>This request is not known any more.</p>", status=400)
        if form.get("decision") != "allow":
            return ask.back(error="access_denied", error_description="The user cancelled the authorization")
        return ask.back(code=self._codes.issue(person, ask))


def _ask(query: QueryParams) -> Ask | Response:
    """The request, or what to answer instead. Only a known app's own redirect URI is ever redirected to."""
    redirect_uri = query.get("redirect_uri", "")
    if query.get("client_id") != CLIENT_ID:
        return page("Invalid client_id", "<p>No application has this client_id.</p>", status=400)
    if not redirect_allowed(redirect_uri):
        return page("Invalid redirect_uri", "<p>The application does not list this redirect_uri.</p>", status=400)
    scopes = list(dict.fromkeys(["read", *(each for each in re.split(r"[,\s]+", query.get("scope", "")) if each)]))
    method = query.get("code_challenge_method", "plain")  # RFC 7636 section 4.3: plain when not said
    ask = Ask(
        redirect_uri=redirect_uri,
        state=query.get("state", ""),
        scopes=scopes,
        actor=cast("Actor", query.get("actor", "user")),
        challenge=query.get("code_challenge"),
        method=cast("Method", method),
        prompt=query.get("prompt") == "consent",
    )
    error = _error(ask, query)
    return ask.back(error=error) if error else ask


def _error(ask: Ask, query: QueryParams) -> str | None:
    """What RFC 6749 section 4.1.2.1 calls the fault of a request, if it has one."""
    if query.get("response_type") != "code":
        return "unsupported_response_type"
    if not set(ask.scopes) <= set(SCOPES):
        return "invalid_scope"
    understood = (
        ask.actor in {"user", "app"}
        and query.get("prompt", "consent") == "consent"
        and ask.method in {"S256", "plain"}
        and (_CHALLENGE.fullmatch(ask.challenge) if ask.challenge is not None else "code_challenge_method" not in query)
    )
    return None if understood else "invalid_request"
