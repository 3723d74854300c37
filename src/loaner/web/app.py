"""The routes of the pages, to be served alone or beside the MCP endpoint."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from loaner.peers import PerPeer
from loaner.web import pages
from loaner.web.activity import ActivityPages
from loaner.web.consent_pages import ConsentPages
from loaner.web.guard import Guard, with_headers
from loaner.web.home import HomePages
from loaner.web.passkey_pages import PasskeyPages
from loaner.web.sessions import Sessions
from loaner.web.sign_in import SignInPages
from loaner.web.site import Site
from loaner.web.task_pages import TaskPages

_STATIC = {
    path: ((Path(__file__).parent / path.lstrip("/")).read_bytes(), kind)
    for path, kind in {
        "/static/loaner.css": "text/css",
        "/static/loaner.svg": "image/svg+xml",
        "/static/passkey.js": "text/javascript",
    }.items()
}


def routes(site: Site) -> list[Route]:
    """Every page. Each checks the host, the browser and the form by itself, whatever app it is put into."""
    sessions = Sessions(site.store, site.now)
    guard = Guard(site, sessions)

    async def static(request: Request) -> Response:
        content, kind = _STATIC[request.scope["path"]]
        return Response(content, media_type=kind, headers={"Cache-Control": "public, max-age=3600"})

    async def about(_: Request) -> Response:
        """Lets tools for the sandbox refuse to touch a loaner that is not on one."""
        return JSONResponse({"name": "loaner", "version": site.version, "sandbox": site.sandbox})

    return [
        *ConsentPages(site).routes(guard),
        *TaskPages(site).routes(guard),
        *HomePages(site).routes(guard),
        *ActivityPages(site).routes(guard),
        *SignInPages(site, sessions, PerPeer(site.sign_ins_per_minute)).routes(guard),
        *(PasskeyPages(site, site.passkeys).routes(guard) if site.passkeys else ()),
        *(guard.open_page(path, static) for path in _STATIC),
        guard.open_page("/.well-known/loaner", about),
    ]


def create_app(site: Site) -> Starlette:
    """The pages alone, for a loaner whose MCP door is stdio."""

    async def not_found(_: Request, __: Exception) -> Response:
        return with_headers(pages.error(HTTPStatus.NOT_FOUND, "There is no such page."))

    async def not_allowed(_: Request, __: Exception) -> Response:
        return with_headers(pages.error(HTTPStatus.METHOD_NOT_ALLOWED, "This page cannot be used that way."))

    handlers = {HTTPStatus.NOT_FOUND: not_found, HTTPStatus.METHOD_NOT_ALLOWED: not_allowed}
    app = Starlette(routes=list(routes(site)), exception_handlers=handlers)
    app.router.redirect_slashes = False  # an address made from the socket is not the one that people use
    return app
