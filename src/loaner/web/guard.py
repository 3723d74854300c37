"""What stands before and after every page: the host asked for, the site a form came from, the headers of an answer.

Sources: OWASP ASVS 5.0 §3.3–3.5, RFC 9700 §4.12 and §4.16, the Fetch Metadata and CSP specifications.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from urllib.parse import parse_qsl, quote, urlsplit

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from loaner.errors import LoanerError
from loaner.identity.caller import Subject
from loaner.loopback import is_loopback
from loaner.reference import new_reference
from loaner.web import pages
from loaner.web.sessions import Session, Sessions, set_cookie
from loaner.web.site import Identity, Site

log = structlog.get_logger(__name__)
MAX_BODY = 16 * 1024
_MAX_FIELDS = 80
"""A task of twenty tools and twenty resources has 63 on its page; what they may say is bounded with the body."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True)
class Visit:
    """One request to a page, after everything that the guard checks."""

    request: Request
    session: Session
    subject: Subject
    form: dict[str, str]
    at: datetime

    @property
    def path(self) -> dict[str, str]:
        return dict(self.request.path_params)


Handler = Callable[[Visit], Awaitable[Response]]


class RequestRefused(Exception):
    """The request itself is not acceptable. The message may be shown."""

    def __init__(self, status: HTTPStatus, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass(frozen=True)
class Guard:
    site: Site
    sessions: Sessions

    def page(self, path: str, handler: Handler, *, method: str = "GET") -> Route:
        """A page for somebody who is signed in. Any other browser is sent to do so first, and learns nothing about
        what is behind the address."""

        async def answer(request: Request) -> Response:
            is_new = False
            posted = request.method == "POST"
            if posted:
                check_origin(request, self.site.origins())
            session = await self.sessions.of(request, self.site.base_url())
            if session is not None and session.subject is not None and not self.site.identity.vouches(session):
                session = None
            if session is None and not posted and (who := self.site.identity.first_visit(request)):
                session, is_new = await self.sessions.start(who), True
            if session is None or session.subject is None:
                if posted:
                    raise RequestRefused(HTTPStatus.FORBIDDEN, "This form is too old. Open the page again.")
                return pages.see_other(f"/signin?to={quote(request.url.path)}")
            form = await read_form(request) if posted else {}
            if posted and not session.is_own_form(form.get("form_token", "")):
                raise RequestRefused(HTTPStatus.FORBIDDEN, "This form is not from this page. Open the page again.")
            response = await handler(Visit(request, session, session.subject, form, self.site.now()))
            if is_new:
                set_cookie(response, session, self.site.base_url())
            return response

        return self.open_page(path, answer, method=method)

    def open_page(self, path: str, answer: Callable[[Request], Awaitable[Response]], *, method: str = "GET") -> Route:
        """A page for anybody: errors in words, and the headers."""

        async def endpoint(request: Request) -> Response:
            try:
                check_host(request, self.site.hosts(), self.site.base_url())
                check_peer(request, self.site.identity)
                response = await answer(request)
            except RequestRefused as refused:
                response = pages.error(refused.status, str(refused))
            except LoanerError as failure:
                log.info("page refused", path=path, code=failure.code, reason=failure.log)
                response = pages.error(HTTPStatus.SERVICE_UNAVAILABLE, failure.cause, failure.do)
            except Exception as failure:  # noqa: BLE001 - a traceback on a page would be read by the wrong people
                ref = new_reference()
                # Not the exception's own text or traceback, which may hold what must not be in a log.
                log.error("page failed", path=path, ref=ref, kind=type(failure).__name__)  # noqa: TRY400 - see above
                response = pages.error(HTTPStatus.INTERNAL_SERVER_ERROR, f"Something went wrong here (ref {ref}).")
            return with_headers(response)

        return Route(path, endpoint, methods=[method], name=f"{method} {path}")


def check_host(request: Request, hosts: frozenset[str], base_url: str) -> None:
    """Exact: another name that leads here is DNS rebinding, or a mistake that would break the cookie."""
    if (host := request.headers.get("host", "")).lower() not in hosts:
        log.warning("page refused: unknown host", host=ascii(host[:80]), settings="http.public_url, http.allowed_hosts")
        words = "This address is not one that loaner answers to."
        if is_loopback(urlsplit(base_url).hostname):
            words += f" Its pages are at {base_url}: where that port is forwarded, it has to keep its number."
        raise RequestRefused(HTTPStatus.MISDIRECTED_REQUEST, words)


def check_peer(request: Request, identity: Identity) -> None:
    """On every request, whatever cookie it has: a check at the first visit alone would be passed with one."""
    if not identity.admits(request):
        raise RequestRefused(HTTPStatus.FORBIDDEN, "This loaner is for another user of this computer.")


def check_origin(request: Request, origins: frozenset[str]) -> None:
    """A form must come from our own page. Fetch Metadata decides where the browser sends it: as our pages have
    ``no-referrer``, the Origin of their own forms is ``null`` there."""
    origin, fetched = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    own = origin in origins
    if fetched is not None:
        own = fetched == "same-origin" and (own or origin in {None, "null"})
    if not own:
        log.warning("form refused: unknown origin", origin=ascii((origin or "")[:80]), settings="http.public_url")
        raise RequestRefused(HTTPStatus.FORBIDDEN, "This form was sent by another site. Nothing was changed.")


async def read_form(request: Request) -> dict[str, str]:
    """A small urlencoded form; the last of equal names counts, and there are none in ours."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise RequestRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "This form cannot be read.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise RequestRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "This form is too large.")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    except ValueError:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "This form cannot be read.") from None


def with_headers(response: Response) -> Response:
    """Nothing but our own style, no framing, forms to ourselves, unless the page names one more target."""
    target = response.form_action if isinstance(response, pages.Page) else "'self'"
    scripts = f"script-src {response.scripts}; " if isinstance(response, pages.Page) and response.scripts else ""
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'self'; img-src 'self'; {scripts}form-action {target}; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def form_targets(url: str) -> str:
    """CSP sources for a form whose answer leads to the provider. Browsers hold every hop of the redirect to
    ``form-action``, and Slack goes on to a host of the workspace."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    return f"'self' {origin}" + (f" https://*.{parts.netloc}" if parts.scheme == "https" else "")
