"""A real browser before a real loaner: pages and emulated providers on ports of their own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, CDPSession, ConsoleMessage, Page

from databases import with_store
from loaner import settings as settings_module
from loaner import web
from loaner.assembly import Loaner, open_loaner
from loaner.cli import _listening, _sandboxed
from loaner.errors import ConsentNeeded, LoanerError
from loaner.identity.caller import Agent, Caller, Subject
from loaner.identity.issuer_keys import IssuerKeys
from loaner.identity.local_person import local_subject
from loaner.journey import ToolCall
from loaner.mcp_server.http import create_app
from loaner.mcp_server.own_tools import OwnTools
from loaner.sandbox.run import RunningSandbox, serving

Call = tuple[str, dict[str, Any]]
SLACK: Call = ("slack_send_message", {"channel": "#releases", "text": "v1.4.0 is out 🎉"})
SLACK_READ: Call = ("slack_read_channel", {"channel": "#releases"})
GITHUB: Call = ("github_issue_create", {"owner": "acme", "repo": "web", "title": "It broke", "body": "Since v1.4.0."})
LINEAR: Call = ("linear_create_comment", {"issueId": "ENG-1", "body": "Looking into it"})
DELETE: Call = ("slack_delete_message", {"channel": "#releases", "ts": "1763800000.000100"})
TASK: Call = (
    "loaner_propose_task",
    {
        "purpose": "Triage the issues of today",
        "operations": [{"tool": "github_issue_read", "count": 40}, {"tool": "github_add_issue_comment"}],
        "resources": ["acme/web", "acme/api"],
        "minutes": 120,
    },
)


@dataclass
class Place:
    """One loaner with its pages, and the sandbox behind it."""

    running: RunningSandbox
    loaner: Loaner
    signs_in: bool

    @property
    def url(self) -> str:
        return self.loaner.base_url

    def subject(self, person: str = "alice") -> Subject:
        return Subject(f"{self.running.base_url}/idp", f"user-{person}") if self.signs_in else local_subject()

    def caller(self, person: str = "alice", agent: str = "claude-code") -> Caller:
        origin = "203.0.113.7" if self.signs_in else "this computer (stdio, pid 4121)"
        who = Agent(agent, "client", self.subject(person).issuer) if self.signs_in else Agent(agent, version="2.1")
        return Caller(self.subject(person), who, self.loaner.settings.environment, origin)

    async def carry(self, call: Call, person: str = "alice", **more: str) -> Any:
        own = OwnTools(self.loaner)
        carrier = own if call[0] in own else self.loaner.journey
        return await carrier.carry(ToolCall(*call), self.caller(person, **more))

    async def asked(self, call: Call, person: str = "alice", **more: str) -> ConsentNeeded:
        """The question that a call puts; it must put one."""
        error = await self.refused(call, person, **more)
        assert isinstance(error, ConsentNeeded), error
        return error

    async def refused(self, call: Call, person: str = "alice", **more: str) -> LoanerError:
        try:
            reply = await self.carry(call, person, **more)
        except LoanerError as error:
            return error
        raise AssertionError(f"there was consent: {reply}")

    async def records(self, **wanted: Any) -> list[dict[str, Any]]:
        await self.loaner.revocations.settled()
        bodies = [record.body for record in await self.loaner.audit.tail(1000)]
        return [body for body in bodies if all(body.get(key) == value for key, value in wanted.items())]

    def fault(self, provider: str, kind: str, *, path: str = "") -> None:
        self.running.sandbox.faults.add(provider, kind, path=path)

    def pass_time(self, **time: float) -> None:
        self.running.sandbox.clock.advance(timedelta(**time).total_seconds())


@contextlib.asynccontextmanager
async def place(home: Path, *, signs_in: bool = False, **settings: Any) -> AsyncIterator[Place]:
    async with serving(home=home) as running:
        running.sandbox.switches.github_device_interval = 1
        chosen = _sandboxed.on_sandbox(settings_module.load(home=with_store(home), **settings), running.base_url)
        listener = _listening.loopback(0)
        chosen = chosen.model_copy(update={"http": chosen.http.model_copy(update={"port": listener.getsockname()[1]})})
        async with (
            open_loaner(chosen, connectors=_sandboxed.connectors(), now=running.sandbox.clock) as loaner,
            contextlib.AsyncExitStack() as stack,  # inside, since what it holds is opened after loaner
        ):
            loaner.base_url = web.local_url(_listening.url(listener), chosen)
            assert chosen.identity
            keys = IssuerKeys(chosen.identity.issuer, now=loaner.now)
            if signs_in:
                app = create_app(loaner, web.routes(web.signed_in_site(loaner, chosen.identity, keys)), keys=keys)
            else:
                await stack.enter_async_context(keys)
                app = web.create_app(web.local_site(loaner, keys))
            async with _listening.served(app, listener, lifespan="on" if signs_in else "off"):
                yield Place(running, loaner, signs_in)


@dataclass
class Visitor:
    """Somebody with a browser, which notes whatever it refused or failed to do."""

    place: Place
    login: str
    context: BrowserContext
    page: Page
    authenticator: str = ""
    complaints: list[str] = field(default_factory=list)
    """What the browser said on its console: broken policies, scripts that failed, resources that were refused."""

    @classmethod
    @contextlib.asynccontextmanager
    async def arriving(cls, chromium: Browser, at: Place, login: str, **wanted: Any) -> AsyncIterator[Visitor]:
        context = await chromium.new_context(base_url=at.url, **wanted)
        context.set_default_timeout(10_000)
        sandbox = at.running.base_url
        if login:
            await context.add_cookies(
                [
                    {"name": f"sandbox_{provider}", "value": login, "url": f"{sandbox}/{provider}"}
                    for provider in ("github", "slack", "linear", "idp")
                ]
            )
        visitor = cls(at, login, context, await context.new_page())
        visitor.listen(visitor.page)
        yield visitor
        await context.close()

    def listen(self, page: Page) -> None:
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"a script failed: {error}"))

    def _heard(self, said: ConsoleMessage) -> None:
        # What the emulated providers' own pages lack is none of ours; a broken policy is, wherever it shows.
        if said.location["url"].startswith(self.place.url) or "Content Security Policy" in said.text:
            self.complaints.append(f"{said.type}: {said.text} ({said.location['url']})")

    async def open(self, path: str) -> None:
        await self.page.goto(path)
        if "/idp/" in self.page.url:  # the issuer knows who this is, and asks only whether to go on
            await self.press("continue")

    async def press(self, button: str) -> None:
        """Press by value or by name, and wait for what it leads to."""
        by_value = self.page.locator(f"button[value={button!r}], input[type=submit][value={button!r}]")
        chosen = by_value if await by_value.count() else self.page.get_by_role("button", name=button)
        async with self.page.expect_navigation():
            await chosen.first.click()

    @property
    async def state(self) -> str:
        return await self.page.locator("main").get_attribute("data-state") or ""

    @property
    async def text(self) -> str:
        return await self.page.locator("body").inner_text()

    async def approve(self, url: str, *, remember: str = "") -> None:
        await self.open(url)
        assert await self.state == "confirm", await self.text
        await self.reads_everything()
        if remember:
            await self.page.locator(f"input[name=remember][value={remember}]").check()
        await self.press("approve")
        if "/oauth" in self.page.url:
            await self.press("allow")
            await self.is_me()

    async def is_me(self) -> None:
        """Where the page asks whether the account at the provider is theirs: it is."""
        if await self.state == "account":
            await self.press("approve")

    async def reads_everything(self) -> None:
        """Where the page asks what may be read: everything, by every agent."""
        for wide in ("input[name=reads][value=everything]", "input[name=agents][value=all]"):
            if await self.page.locator(wide).count():
                await self.page.locator(wide).check()

    async def connect_github(self) -> None:
        """On our page with GitHub's code: type it there, in another tab, as its link opens one."""
        code = await self.page.locator("#provider-code").inner_text()
        async with self.context.expect_page() as opened:
            await self.page.locator("#provider-link").click()
        ours, self.page = self.page, await opened.value
        await self.page.locator("input[name=user_code]").fill(code)
        await self.press("Continue")
        await self.press("authorize")
        await self.page.close()
        self.page = ours

    async def gets_an_authenticator(self, *, verifies: bool = True) -> CDPSession:
        """A virtual one inside Chromium, whose owner touches it and, if it ``verifies``, is recognised at once."""
        session = await self.context.new_cdp_session(self.page)
        await session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": verifies,
            "automaticPresenceSimulation": True,
        }
        made = await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self.authenticator = made["authenticatorId"]
        return session

    async def makes_a_passkey(self) -> None:
        await self.open("/passkeys")
        await self.press("Make a passkey")  # the form of the list
        await self.press("Make a passkey")  # the button that asks the authenticator

    async def until(self, state: str) -> None:
        await self.page.locator(f"main[data-state={state}]").wait_for()


class Street:
    """Where a test builds its place and meets its visitors; all are gone after it."""

    def __init__(self, chromium: Browser, home: Path, stack: contextlib.AsyncExitStack) -> None:
        self._chromium = chromium
        self._home = home
        self._stack = stack

    async def place(self, home: str = "home", **settings: object) -> Place:
        return await self._stack.enter_async_context(place(self._home / home, **settings))

    async def visitor(self, at: Place, login: str = "", **context: object) -> Visitor:
        """Somebody with a browser. ``login`` is who they are, at the providers and at the issuer."""
        return await self._stack.enter_async_context(Visitor.arriving(self._chromium, at, login, **context))
