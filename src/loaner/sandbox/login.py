"""The sign-in page of the emulated providers: a button for each person, no password. Plain forms, no JavaScript.

Provider pages call :func:`signed_in`; when it gives nobody, they answer with :func:`sign_in_page`, which posts to the
provider's :func:`sign_in_route` and comes back.
"""

from __future__ import annotations

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from loaner.sandbox.world import PEOPLE, Person

_BANNER = "This is loaner's sandbox, an emulation on this computer. Nothing here reaches a real account."


def page(title: str, body: str, status: int = 200) -> HTMLResponse:
    """A bare HTML page. ``title`` is escaped; ``body`` is markup that the caller has already escaped."""
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title></head>'
        f'<body><p role="note"><strong>{_BANNER}</strong></p><h1>{escape(title)}</h1>{body}</body></html>',
        status_code=status,
    )


def hidden(fields: dict[str, str]) -> str:
    """Hidden inputs that carry values through a form."""
    return "".join(f'<input type="hidden" name="{escape(k)}" value="{escape(v)}">' for k, v in fields.items())


def signed_in(request: Request, provider: str) -> Person | None:
    """Who this browser is at the provider, by the cookie ``sandbox_<provider>``."""
    return PEOPLE.get(request.cookies.get(f"sandbox_{provider}", ""))


def sign_in_page(request: Request, provider: str, problem: str = "", return_to: str | None = None) -> HTMLResponse:
    """Ask who is there, and come back to this very page afterwards."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    form = f'<form method="post" action="/{provider}/login">{hidden({"return_to": return_to or here})}'
    people = "".join(
        f'<p><button type="submit" name="login" value="{login}">Continue as {login} (sandbox)</button></p>'
        for login in map(escape, PEOPLE)
    )
    body = (
        f"<p>{escape(problem)}</p>"
        f"<p>Whose account at the emulated {provider} is yours? There is no password.</p>{form}{people}</form>"
        f'{form}<label>Or type a login: <input name="login" autocomplete="username"></label>'
        '<button type="submit" name="sign_in" value="yes">Sign in</button></form>'
    )
    return page(f"Sign in to {provider} (sandbox)", body, status=422 if problem else 200)


def sign_in_route(provider: str) -> Route:
    """``POST /login`` of one provider, to be put into its own routes."""

    async def sign_in(request: Request) -> Response:
        form = await request.form()
        login, return_to = str(form.get("login", "")), str(form.get("return_to", ""))
        # Only a page of the same provider: an open redirect would be a poor example to test against.
        if not return_to.startswith(f"/{provider}/"):
            return page("Bad request", "<p>return_to leads elsewhere</p>", status=400)
        if login not in PEOPLE:
            return sign_in_page(request, provider, "Nobody has this login.", return_to)
        answer = RedirectResponse(return_to, status_code=303)
        answer.set_cookie(f"sandbox_{provider}", login, path=f"/{provider}", httponly=True, samesite="lax")
        return answer

    return Route("/login", sign_in, methods=["POST"], name=f"{provider}_sign_in")
