"""The pages of github.com that a person sees: typing a device code, and authorizing the app. No JavaScript."""

from __future__ import annotations

import secrets
from datetime import timedelta
from html import escape
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from loaner.sandbox.github import registered
from loaner.sandbox.github.device import TooManySubmissions
from loaner.sandbox.github.hub import AuthorizationCode, Hub
from loaner.sandbox.login import hidden, page, sign_in_page, sign_in_route, signed_in

CODE_LIFETIME = timedelta(minutes=10)
_DECIDE = (
    '<button type="submit" name="decision" value="cancel">Cancel</button>'
    '<button type="submit" name="decision" value="authorize">Authorize</button></form>'
)


class Pages:
    """Sign-in, device page, consent, and the host that signed downloads come from."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    def routes(self) -> list[Route]:
        return [
            sign_in_route("github"),
            Route("/login/device", self.device, methods=["GET"]),
            Route("/login/device", self.device_submitted, methods=["POST"]),
            Route("/login/device/confirmation", self.device_confirmed, methods=["POST"]),
            Route("/login/oauth/authorize", self.authorize, methods=["GET"]),
            Route("/login/oauth/authorize", self.authorized, methods=["POST"]),
            Route("/blobs/{key}", self.blob),
        ]

    # --- device flow

    async def device(self, request: Request) -> Response:
        if signed_in(request, "github") is None:
            return sign_in_page(request, "github")
        return _code_form(request.query_params.get("user_code", ""))

    async def device_submitted(self, request: Request) -> Response:
        person = signed_in(request, "github")
        if person is None:
            return sign_in_page(request, "github")
        typed = str((await request.form()).get("user_code", ""))
        try:
            code = self.hub.devices.submit(typed)
        except TooManySubmissions:
            return page("Too many codes", "<p>Try again in an hour.</p>", status=429)
        if code is None:
            return _code_form("", "This code is not valid, or it has expired.", status=422)
        return page(
            f"Authorize {registered.APP_NAME}",
            f"<p>{escape(registered.APP_NAME)} wants to act on GitHub for {escape(person.login)}. "
            f"Its code is <code>{escape(code.user_code)}</code>.</p>{_asks(self.hub)}"
            f'<form method="post" action="/github/login/device/confirmation">'
            f"{hidden({'user_code': code.user_code})}{_DECIDE}",
        )

    async def device_confirmed(self, request: Request) -> Response:
        person = signed_in(request, "github")
        if person is None:
            return page("Sign in first", "<p>You are signed out.</p>", status=401)
        form = await request.form()
        code = self.hub.devices.waiting(str(form.get("user_code", "")))
        if code is None:
            return _code_form("", "This code is not valid, or it has expired.", status=422)
        allowed = form.get("decision") == "authorize"
        self.hub.devices.answer(code, person.login, allowed=allowed)
        if allowed:
            return page("Congratulations, you're all set!", "<p>Your device is now connected.</p>")
        return page("Authorization cancelled", "<p>The app got no access.</p>")

    # --- web flow, with PKCE (S256 only)

    async def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        refused = self._refuse_authorize(asked)
        if refused is not None:
            return refused
        person = signed_in(request, "github")
        if person is None:
            return sign_in_page(request, "github")
        return page(
            f"Authorize {registered.APP_NAME}",
            f"<p>{escape(registered.APP_NAME)} wants to act on GitHub for {escape(person.login)}.</p>{_asks(self.hub)}"
            f'<form method="post" action="/github/login/oauth/authorize">{hidden(asked)}{_DECIDE}',
        )

    async def authorized(self, request: Request) -> Response:
        asked = {key: str(value) for key, value in (await request.form()).items()}
        refused = self._refuse_authorize(asked)
        if refused is not None:
            return refused
        person = signed_in(request, "github")
        if person is None:
            return page("Sign in first", "<p>You are signed out.</p>", status=401)
        if asked.get("decision") != "authorize":
            return _back(asked, {"error": "access_denied", "error_description": "The user has denied your request."})
        code = secrets.token_hex(10)
        self.hub.authorization_codes[code] = AuthorizationCode(
            person.login, asked["redirect_uri"], asked.get("code_challenge"), self.hub.now() + CODE_LIFETIME
        )
        return _back(asked, {"code": code})

    def _refuse_authorize(self, asked: dict[str, str]) -> Response | None:
        # Nothing is ever sent to an address that was not registered, not even an error.
        if asked.get("client_id") != self.hub.app.client_id:
            return page("404", "<p>No such application.</p>", status=404)
        if not registered.redirect_allowed(asked.get("redirect_uri", "")):
            return page("Be careful!", "<p>The redirect_uri is not associated with this application.</p>", status=400)
        if "code_challenge" in asked and asked.get("code_challenge_method") != "S256":
            return _back(asked, {"error": "invalid_request", "error_description": "Only S256 is supported."})
        return None

    # --- downloads

    async def blob(self, request: Request) -> Response:
        """A signed download. Like GitHub's storage host, it refuses a request that brings a credential."""
        if "authorization" in request.headers:
            return PlainTextResponse("InvalidAuthenticationInfo", status_code=401)
        blob = self.hub.blobs.get(request.path_params["key"])
        if blob is None or blob.expires_at <= self.hub.now():
            return PlainTextResponse("AuthenticationFailed", status_code=403)
        return PlainTextResponse(blob.text)


def _back(asked: dict[str, str], answer: dict[str, str]) -> Response:
    state = {"state": asked["state"]} if "state" in asked else {}
    joint = "&" if "?" in asked["redirect_uri"] else "?"
    return RedirectResponse(f"{asked['redirect_uri']}{joint}{urlencode(answer | state)}", status_code=302)


def _asks(hub: Hub) -> str:
    rows = "".join(f"<li>{escape(name)}: {escape(level)}</li>" for name, level in hub.app.permissions.items())
    return f"<ul>{rows}</ul>"


def _code_form(prefilled: str, problem: str = "", status: int = 200) -> Response:
    return page(
        "Device activation",
        f"<p>{escape(problem)}</p>"
        '<form method="post" action="/github/login/device">'
        f'<label>Enter the code displayed on your device <input name="user_code" value="{escape(prefilled)}"></label>'
        '<button type="submit" name="continue" value="yes">Continue</button></form>',
        status,
    )
