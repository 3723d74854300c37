"""The question itself, from the code that was typed to the answer and the way back from a provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from sqlalchemy import Connection
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from loaner.characters import marked
from loaner.consent import ConsentRequest, codes, requests
from loaner.consent.new_approval import HOUR_USES
from loaner.consent.requests import Remember
from loaner.consent.texts import Text, texts_of
from loaner.errors import PolicyDenied
from loaner.web import pages, reading, texts, throttle
from loaner.web.guard import Guard, RequestRefused, Visit, form_targets
from loaner.web.site import Site

_JUST_NOW = timedelta(minutes=1)
"""An agent that waits uses an approval at once; the person still reads "approved" first."""


@dataclass(frozen=True)
class ConsentPages:
    site: Site

    def routes(self, guard: Guard) -> list[Route]:
        return [
            guard.page("/device", self.ask_code),
            guard.page("/device", self.take_code, method="POST"),
            guard.page("/consent/{handle}", self.show),
            guard.page("/consent/{handle}", self.decide, method="POST"),
            guard.page("/consent/{handle}/whole/{place}", self.whole),
            guard.page("/consent/{handle}/whole/{place}", self.open_whole, method="POST"),
            guard.page("/callback/{provider}", self.back),
        ]

    async def ask_code(self, visit: Visit) -> Response:
        return self._code_form(visit)

    async def take_code(self, visit: Visit) -> Response:
        at, session, person = self.site.now(), visit.session.id, visit.subject
        code = codes.typed(visit.form.get("user_code", ""))

        def look(connection: Connection) -> ConsentRequest | None:
            return requests.by_code(connection, code, person.key, at) if code else None

        asked = await self.site.store.write(lambda c: throttle.tried(c, session, person, at, look))
        if asked == "too many":
            return self._code_form(
                visit,
                "Too many wrong codes. Open the link that your agent shows, or try again in ten minutes.",
                HTTPStatus.TOO_MANY_REQUESTS,
            )
        if asked is None:
            # One answer for a wrong code, a malformed one, one that is over and one of somebody else.
            return self._code_form(visit, "No question with this code waits for you.", HTTPStatus.UNPROCESSABLE_ENTITY)
        return pages.see_other(f"/consent/{asked.handle}")

    async def show(self, visit: Visit) -> Response:
        asked = await self._question(visit)
        if asked is not None and "task" in asked.shown:
            return pages.see_other(f"/task/{asked.handle}")
        return nobody() if asked is None else await self._page(visit, asked)

    async def whole(self, visit: Visit) -> Response:
        """One text of a question, whole, as plain text."""
        found = _text(await self._question(visit), visit.path["place"])
        return PlainTextResponse(marked(found.value, prose=True)) if found else nobody()

    async def open_whole(self, visit: Visit) -> Response:
        """The same by the page's button: that it was opened is noted, for the record of the answer."""
        asked = await self._question(visit)
        found = _text(asked, visit.path["place"])
        if asked is None or found is None:
            return nobody()
        await self.site.consents.note_opened(asked, found.place)
        return pages.see_other(f"/consent/{asked.handle}/whole/{found.place}")

    async def decide(self, visit: Visit) -> Response:
        asked = await self._question(visit)
        if asked is None or "task" in asked.shown:
            return nobody()
        here = f"/consent/{asked.handle}"
        decision = visit.form.get("decision")
        if decision in {"deny", "again"}:
            return await said_no(self.site, visit, asked, here)
        if asked.state_at(self.site.now()) not in requests.OPEN:
            return pages.see_other(here)  # answered before: the page says how
        if decision != "approve":
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "Choose one of the two answers.")
        proof = await self.site.presence.proven(visit, asked, form_action=self._form_action(asked))
        if isinstance(proof, Response):
            return proof  # nothing is approved yet
        if problem := _unsaid(asked, proof.form):
            return await self._page(visit, asked, problem=problem)
        remember: Remember = "hour" if proof.form.get("remember") == "hour" and asked.shown["may_remember"] else "once"
        chosen = reading.chosen(asked, proof.form)
        try:
            leads_to = await self.site.consents.approve(
                asked,
                remember=remember,
                proven_by=proof.by,
                session=visit.session.id,
                reading=chosen,
                accounts=visit.session.accounts,
            )
        except PolicyDenied as refused:  # what is in the way is in the settings, or at the issuer
            raise RequestRefused(HTTPStatus.FORBIDDEN, refused.told()) from None
        return pages.see_other(leads_to or here)

    async def back(self, visit: Visit) -> Response:
        """A provider sends the browser back. The code is taken out of the address bar by the redirect."""
        handle = await self.site.consents.returned(
            visit.path["provider"],
            dict(visit.request.query_params),
            session=visit.session.id,
            subject=visit.subject,
        )
        return pages.see_other(f"/consent/{handle}") if handle else nobody()

    async def _question(self, visit: Visit) -> ConsentRequest | None:
        return await self.site.consents.question(visit.path["handle"], visit.subject)

    async def _page(self, visit: Visit, asked: ConsentRequest, problem: str = "") -> Response:
        now, provider = self.site.now(), self.site.providers(asked.provider)
        state = await self._state(asked)
        waits = state in {"pending", "provider"} and "session" not in (asked.flow or {})
        renews = waits and visit.request.query_params.get("renew") != "off"
        asks_reading = state == "confirm" and "reads" in asked.shown
        page = pages.render(
            "reading.html" if asks_reading else "consent.html" if state == "confirm" else "answered.html",
            form_action=self._form_action(asked) if state in _OPEN else None,
            state=state,
            asked=asked,
            provider=provider,
            agent=texts.agent_name(asked),
            title=texts.title(asked),
            code=self.site.consents.code_of(asked),
            account=await self.site.consents.account_of(asked) if state == "account" else None,
            provider_code=self.site.consents.provider_code_of(asked) if state == "provider" else None,
            texts=texts_of(asked),
            opened=await self.site.consents.opened(asked),
            lines=texts.limits(asked, provider),
            wider=texts.wider(asked),
            most=HOUR_USES,
            agreed=reading.agreed(asked, texts.agent_name(asked), provider),
            button=reading.button(asked, provider),
            connecting=reading.connecting(asked, provider),
            reads_afterwards=reading.afterwards(provider, self.site.consents.settings.reads),
            **(reading.choice(asked, provider) if asks_reading else {}),
            now=now,
            since=texts.ago(asked.created_at, now),
            until=texts.left(asked.expires_at, now),
            afterwards=texts.afterwards(asked),
            problem=problem,
            renews=renews,
            **who(self.site, visit),
        )
        if renews:
            # A header and not a mark in the page, which could not be switched off (WCAG 2.2 §2.2.1, F41).
            page.headers["Refresh"] = "3"
        return page

    def _form_action(self, asked: ConsentRequest) -> str | None:
        """Where a yes may lead: to the provider's own page, where there is one to go to."""
        provider = self.site.providers(asked.provider)
        leads_to = provider.consent.authorize if asked.wants_grant else None
        return form_targets(provider.url(leads_to)) if leads_to else None

    async def _state(self, asked: ConsentRequest) -> str:
        """The state of the page: the question's, seen from the person."""
        now = self.site.now()
        state = asked.state_at(now)
        if state == "pending":
            return "confirm"
        if state == "linking":
            return "provider" if asked.flow else "pending"
        decided = asked.decided_at or now
        if state == "approved" and now - decided > _JUST_NOW and await self.site.consents.is_used(asked):
            return "used"
        return state

    def _code_form(self, visit: Visit, problem: str = "", status: int = HTTPStatus.OK) -> Response:
        return pages.render("device.html", status=status, problem=problem, **who(self.site, visit))


_OPEN = frozenset({"confirm", "pending", "provider"})
"""States of a page whose form may lead to the provider."""


def _text(asked: ConsentRequest | None, place: str) -> Text | None:
    """The text of a question that an address names."""
    return {str(text.place): text for text in texts_of(asked)}.get(place) if asked else None


def _unsaid(asked: ConsentRequest, form: Mapping[str, str]) -> str:
    """What a yes lacks, in words; empty if nothing. One to an account comes from the page that shows it."""
    if asked.state == "account" and "account" not in form:
        return "This is a new question. Nothing was connected yet."
    if asked.state == "pending" and asked.wants_approval and not _is_typed(asked, form.get("target", "")):
        return "That is not what would be destroyed. Nothing was approved."
    return ""


def _is_typed(asked: ConsentRequest, typed: str) -> bool:
    """Did the person type what would be destroyed? True where nothing is. A button alone is pressed by habit."""
    return typed.strip() == asked.shown.get("target", "") or not asked.shown.get("target")


async def said_no(site: Site, visit: Visit, asked: ConsentRequest, here: str) -> Response:
    """A no, or one taken back: then the yes is still to be given, and proven, as ever. Neither needs more than the
    session, and neither does anything to a question in another state."""
    try:
        if visit.form.get("decision") == "deny":
            await site.consents.deny(asked, proven_by=visit.session.proven_by)
        else:
            await site.consents.ask_again(asked)
    except PolicyDenied as blocked:
        raise RequestRefused(HTTPStatus.FORBIDDEN, blocked.told()) from None
    return pages.see_other(here)


def nobody() -> Response:
    """For another person's question and for one that never was: the same, and nothing about either."""
    return pages.render("nobody.html", status=HTTPStatus.NOT_FOUND)


def who(site: Site, visit: Visit) -> dict[str, Any]:
    """What every page of a signed-in person shows at its head and puts into its forms."""
    return {
        "host": site.base_url().partition("://")[2],
        "me": visit.session.display or visit.subject.sub,
        "signed_in": visit.session.proven_by,
        "form_token": visit.session.form_token,
        "keeps_passkeys": site.passkeys is not None,
    }
