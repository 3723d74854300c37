"""The person at the browser: what they do at providers and at a loaner, and where they refuse to go."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

import anyio
import pytest
import uvicorn
from slack_app import REDIRECT, VERIFIER, browser
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from loaner.sandbox.person import Lost, NotTheSandbox, Outcome, Person
from loaner.sandbox.run import RunningSandbox, _listen, _Server
from loaner.sandbox.slack.oauth import challenge_of
from loaner.sandbox.slack.registered import CLIENT_ID

CODE = "WDJB-MJHT"
AUTHORIZE = {
    "slack": ("/slack/oauth/v2_user/authorize", {"client_id": CLIENT_ID, "scope": "chat:write"}),
    "linear": (
        "/linear/oauth/authorize",
        {
            "client_id": "sandbox-linear-client",
            "response_type": "code",
            "scope": "read",
            "state": "s",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
        },
    ),
}


class FakeLoaner:
    """As little of a loaner as the person needs: device page, sign-in, consent, provider, result."""

    def __init__(self, running: RunningSandbox, provider: str) -> None:
        self.running = running
        self.provider = provider
        self.url = ""
        self.decision = ""
        self.came_back: dict[str, str] = {}
        self.polls = 0
        self.github_user_code = ""
        self.finish: Callable[[], str] = lambda: "pending"
        self.app = Starlette(
            routes=[
                Route("/device", self.device, methods=["GET", "POST"]),
                Route("/signin/callback", self.signed_in),
                Route("/consent", self.consent, methods=["GET", "POST"]),
                Route(f"/callback/{provider}", self.callback),
            ]
        )

    async def device(self, request: Request) -> Response:
        form = await request.form()
        if form.get("user_code") != CODE:
            return shown("confirm", '<form method="post"><input name="user_code"><button>Next</button></form>')
        return RedirectResponse("/consent", status_code=303)

    async def signed_in(self, request: Request) -> Response:
        answer = RedirectResponse("/consent", status_code=303)
        answer.set_cookie("__Host-who", request.query_params["code"], secure=True, path="/", httponly=True)
        return answer

    async def consent(self, request: Request) -> Response:
        if "__Host-who" not in request.cookies:
            return RedirectResponse(self._signin_url(), status_code=303)
        if request.method == "POST":
            self.decision = str((await request.form())["decision"])
            assert request.headers["origin"] == self.url
            if self.decision == "approve" and self.provider in AUTHORIZE:
                return RedirectResponse(self._authorize_url(), status_code=303)
        if self.decision == "deny":
            return shown("denied")
        if self.decision == "approve":
            return self._at_github()
        buttons = "".join(f'<button name="decision" value="{each}">{each}</button>' for each in ("deny", "approve"))
        return shown("confirm", f'<form method="post" action="/consent">{buttons}</form>')

    def _at_github(self) -> Response:
        self.polls += 1
        state = self.finish() if self.polls > 3 else "provider"
        link = f"{self.running.urls['github']}/login/device"
        where = f'<code id="provider-code">{self.github_user_code}</code><a id="provider-link" href="{link}">GitHub</a>'
        return shown(state, where if state == "provider" else "", refresh=True)

    async def callback(self, request: Request) -> Response:
        self.came_back = dict(request.query_params)
        return shown("approved" if "code" in self.came_back else "denied")

    def _signin_url(self) -> str:
        query = {
            "client_id": "loaner-web",
            "response_type": "code",
            "redirect_uri": f"{self.url}/signin/callback",
            "scope": "openid",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
        }
        return f"{self.running.urls['idp']}/authorize?{urlencode(query)}"

    def _authorize_url(self) -> str:
        path, query = AUTHORIZE[self.provider]
        given = query | {"redirect_uri": f"{self.url}/callback/{self.provider}"}
        return f"{self.running.base_url}{path}?{urlencode(given)}"


def shown(state: str, body: str = "", *, refresh: bool = False) -> Response:
    head = '<meta http-equiv="refresh" content="5">' if refresh else ""
    leave = '<form method="post" action="/signout"><button name="leave" value="signout">Sign out</button></form>'
    return HTMLResponse(f'<html><head>{head}</head><body>{leave}<main data-state="{state}">{body}</main></body></html>')


@contextlib.asynccontextmanager
async def served(fake: FakeLoaner) -> AsyncIterator[FakeLoaner]:
    with contextlib.closing(_listen(0)) as listener:
        fake.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = _Server(uvicorn.Config(fake.app, log_config=None, access_log=False, lifespan="off", ws="none"))
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve, [listener])
            await server.ready.wait()
            try:
                yield fake
            finally:
                server.force_exit = True
                server.stopping.set()


async def outcome_of(walk: Callable[..., Outcome], *args: Any, **named: Any) -> Outcome:
    """The person blocks, and all servers run in this very loop."""
    return await anyio.to_thread.run_sync(partial(walk, *args, **named))


def person_at(running: RunningSandbox, login: str = "alice", **options: Any) -> Person:
    return Person(login, running.base_url, pause=lambda _: None, **options)


@pytest.mark.parametrize("provider", sorted(AUTHORIZE))
async def test_they_sign_in_approve_and_allow_at_the_provider(sandbox: RunningSandbox, provider: str) -> None:
    async with served(FakeLoaner(sandbox, provider)) as loaner:
        outcome = await outcome_of(person_at(sandbox).approve, CODE, loaner_url=loaner.url)
        assert outcome.state == "approved"
        assert outcome
        assert loaner.decision == "approve"
        assert "code" in loaner.came_back
        assert f"{sandbox.base_url}/idp/authorize" in outcome.pages
        assert f"{sandbox.base_url}{AUTHORIZE[provider][0]}" in outcome.pages
        assert not any("?" in page for page in outcome.pages)


async def test_a_no_is_said_on_the_first_page_that_asks(sandbox: RunningSandbox) -> None:
    async with served(FakeLoaner(sandbox, "slack")) as loaner:
        outcome = await outcome_of(person_at(sandbox).approve, CODE, loaner_url=loaner.url, deny=True)
        assert (outcome.state, loaner.decision, loaner.came_back) == ("denied", "deny", {})
        assert not outcome


async def test_the_address_of_a_consent_page_does_as_well_as_a_code(sandbox: RunningSandbox) -> None:
    async with served(FakeLoaner(sandbox, "slack")) as loaner:
        outcome = await outcome_of(person_at(sandbox).approve, f"{loaner.url}/consent", loaner_url=loaner.url)
        assert outcome.state == "approved"


async def github_code(running: RunningSandbox) -> dict[str, Any]:
    async with browser(headers={"accept": "application/json"}) as http:
        answer = await http.post(
            f"{running.urls['github']}/login/device/code", data={"client_id": "Iv23liSANDBOXloaner"}
        )
    found: dict[str, Any] = answer.json()
    return found


async def github_answer(running: RunningSandbox, device_code: str) -> dict[str, Any]:
    async with browser(headers={"accept": "application/json"}) as http:
        answer = await http.post(
            f"{running.urls['github']}/login/oauth/access_token",
            data={
                "client_id": "Iv23liSANDBOXloaner",
                "device_code": device_code,
                "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            },
        )
    found: dict[str, Any] = answer.json()
    return found


async def test_they_type_githubs_code_and_come_back_until_loaner_has_noticed(sandbox: RunningSandbox) -> None:
    code = await github_code(sandbox)
    async with served(FakeLoaner(sandbox, "github")) as loaner:
        loaner.github_user_code = code["user_code"]
        loaner.finish = lambda: "approved" if loaner.polls > 5 else "pending"
        outcome = await outcome_of(person_at(sandbox).approve, CODE, loaner_url=loaner.url)
        assert (outcome.state, loaner.polls) == ("approved", 6)
    assert "access_token" in await github_answer(sandbox, code["device_code"])


async def test_their_patience_has_an_end(sandbox: RunningSandbox) -> None:
    code = await github_code(sandbox)
    async with served(FakeLoaner(sandbox, "github")) as loaner:
        loaner.github_user_code = code["user_code"]
        outcome = await outcome_of(person_at(sandbox, patience=2).approve, CODE, loaner_url=loaner.url)
        assert outcome.state == "pending"
        assert loaner.polls < 15


@pytest.mark.parametrize("deny", [False, True])
async def test_a_code_that_loaner_does_not_know_is_tried_at_github(sandbox: RunningSandbox, deny: bool) -> None:
    code = await github_code(sandbox)
    async with served(FakeLoaner(sandbox, "slack")) as loaner:
        person = person_at(sandbox, "bob")
        outcome = await outcome_of(person.approve, code["user_code"], loaner_url=loaner.url, deny=deny)
    assert outcome.state == ("denied" if deny else "approved")
    answer = await github_answer(sandbox, code["device_code"])
    assert answer.get("error") == ("access_denied" if deny else None)


async def test_a_code_that_nobody_knows_is_said_so(sandbox: RunningSandbox) -> None:
    assert (await outcome_of(person_at(sandbox).approve, "AAAA-AAAA")).state == "unknown"


async def test_somebody_without_an_account_does_not_get_in(sandbox: RunningSandbox) -> None:
    with pytest.raises(Lost, match="mallory"):
        await outcome_of(person_at(sandbox, "mallory").approve, "AAAA-AAAA")


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:1", "http://github.com", "http://127.0.0.1@evil.example", "file:///etc", "http://[::1"]
)
def test_a_sandbox_is_on_loopback(url: str) -> None:
    with pytest.raises(NotTheSandbox):
        Person("alice", url)


async def test_nothing_outside_of_the_sandbox_is_opened(sandbox: RunningSandbox) -> None:
    query = urlencode({"client_id": CLIENT_ID, "scope": "chat:write", "redirect_uri": REDIRECT})
    leads_away = f"{sandbox.urls['slack']}/oauth/v2_user/authorize?{query}"
    async with served(FakeLoaner(sandbox, "slack")) as loaner:
        with pytest.raises(NotTheSandbox):
            await outcome_of(person_at(sandbox).approve, f"{loaner.url}/consent")
        with pytest.raises(NotTheSandbox, match=r"not the sandbox: http://127.0.0.1:1$"):
            await outcome_of(person_at(sandbox).visit, leads_away)
        with pytest.raises(NotTheSandbox):
            await outcome_of(person_at(sandbox).approve, CODE, loaner_url="https://loaner.example")
