"""Signing in and out, and the way back from the issuer."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from loaner.consent import codes
from loaner.peers import PerPeer
from loaner.web import pages
from loaner.web.guard import Guard, Visit
from loaner.web.identity import SignInFailed
from loaner.web.sessions import Session, Sessions, clear_cookie, set_cookie
from loaner.web.site import Site

log = structlog.get_logger(__name__)
_OURS = re.compile(r"/(?:activity|device|passkeys|(?:consent|task)/[A-Za-z0-9_-]{1,64}(?:/whole/[0-9]{1,3})?)?")
"""Where signing in may lead back to: pages of ours, and only those (no open redirect)."""


@dataclass(frozen=True)
class SignInPages:
    site: Site
    sessions: Sessions
    starts: PerPeer
    """Nobody has to prove anything to begin a sign-in, and each is a row."""

    def routes(self, guard: Guard) -> list[Route]:
        return [
            guard.open_page("/signin", self.start),
            guard.open_page("/signin/callback", self.back),
            guard.page("/signout", self.leave, method="POST"),
        ]

    async def start(self, request: Request) -> Response:
        """Send the browser to the issuer. The state is one-time, and its hash is in this browser's session."""
        if seconds := self.starts.take(request.client.host if request.client else ""):
            log.warning("sign-in refused: too many of one peer", setting="limits.sign_ins_per_minute")
            refusal = pages.error(HTTPStatus.TOO_MANY_REQUESTS, "Too many sign-ins were begun. Try again in a minute.")
            refusal.headers["Retry-After"] = str(ceil(seconds))
            return refusal
        to = request.query_params.get("to", "/")
        back_to = urlsafe_b64encode((to if _OURS.fullmatch(to) else "/").encode()).decode()
        state = f"{codes.new_state()}.{back_to}"
        session = await self._session(request)
        if session is None or session.subject is None:
            session = await self.sessions.start(None, state=state, instead=session)
        else:  # any site can send a browser here: who is signed in stays so until the issuer has answered
            await self.sessions.expect_state(session, state)
        try:
            issuer = await self.site.identity.sign_in_url(session.browser, state)
        except SignInFailed as failure:
            log.info("sign-in not started", reason=str(failure))
            return pages.error(HTTPStatus.SERVICE_UNAVAILABLE, "You cannot be signed in right now.", _AGAIN)
        response = pages.see_other(issuer)
        set_cookie(response, session, self.site.base_url())
        return response

    async def back(self, request: Request) -> Response:
        answer, session = dict(request.query_params), await self._session(request)
        state = answer.get("state", "")
        # First the state: an answer to another browser's question, or a second one, is not looked at any further.
        if session is None or not state or not await self.sessions.spend_state(session, state):
            return pages.error(HTTPStatus.FORBIDDEN, "This sign-in was not started here, or is over.", _AGAIN)
        try:
            who = await self.site.identity.signed_in(answer, session.browser, state)
        except SignInFailed as failure:
            log.info("sign-in failed", reason=str(failure))
            return pages.error(HTTPStatus.FORBIDDEN, "You could not be signed in.", _AGAIN)
        signed_in = await self.sessions.start(who, instead=session)
        response = pages.see_other(urlsafe_b64decode(state.partition(".")[2]).decode())
        set_cookie(response, signed_in, self.site.base_url())
        return response

    async def leave(self, visit: Visit) -> Response:
        await self.sessions.end(visit.session)
        response = pages.error(HTTPStatus.OK, "You are signed out.", _AGAIN)
        clear_cookie(response, self.site.base_url())
        return response

    async def _session(self, request: Request) -> Session | None:
        return await self.sessions.of(request, self.site.base_url())


_AGAIN = "Open the link that your agent shows to start again."
