"""A loaner's pages and the emulated providers in one process: who asks, who browses, and what was stored."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2
from sqlalchemy import Table, select
from starlette.applications import Starlette

from databases import with_store
from loaner import catalog, web
from loaner.audit import Audit, event
from loaner.blocks.calls_in_flight import CallsInFlight
from loaner.catalog import Catalog
from loaner.clock import Now
from loaner.connectors import Connectors
from loaner.consent import Consent, Consents, Grants
from loaner.errors import ConsentNeeded, LoanerError
from loaner.grants.grants import Grant
from loaner.grants.revoke import Revoker
from loaner.grants.unsaved import EndUnused
from loaner.identity.caller import Agent, Caller, Subject
from loaner.identity.issuer_keys import IssuerKeys
from loaner.limits.limiter import Limiter
from loaner.policy import CedarPolicy
from loaner.policy import load as read_policy
from loaner.provider_call import ProviderTransport
from loaner.sandbox import pages
from loaner.sandbox.app import Sandbox, create_app
from loaner.secret import Secret
from loaner.settings import Connector, IdentitySettings, Settings
from loaner.store import LocalKey, Store, open_store
from loaner.store.sealing import KeyHolder
from loaner.web.passkeys import Passkeys
from stand_in import Over

PROVIDERS = "http://127.0.0.1:9"
OURS = "http://127.0.0.1:8787"
ISSUER = f"{PROVIDERS}/idp"
BASES = {
    "github": {"web": f"{PROVIDERS}/github", "api": f"{PROVIDERS}/github/api"},
    "slack": {"web": f"{PROVIDERS}/slack"},
    "linear": {"web": f"{PROVIDERS}/linear", "api": f"{PROVIDERS}/linear/api"},
}
LOCAL = Subject("local", "ada")
CONNECTORS = (
    Connector("github-dev", "github", "Iv23liSANDBOXloaner", Secret("sandbox-github-secret")),
    Connector("slack-dev", "slack", "1111.2222", Secret("sandbox-slack-secret")),
    Connector("linear-dev", "linear", "sandbox-linear-client", Secret("sandbox-linear-secret")),
)
POST = ("slack_send_message", {"channel": "#releases", "text": "v1.4.0 is out"})
READ = ("slack_read_channel", {"channel": "C0000000001"})


def subject(person: str) -> Subject:
    return Subject(ISSUER, f"user-{person}")


def caller(who: Subject = LOCAL, agent: str = "claude-code", **more: Any) -> Caller:
    given: dict[str, Any] = {"environment": "development", "origin": "this computer (stdio, pid 4121)"}
    return Caller(who, Agent(agent, version="2.1"), **(given | more))


@dataclass
class House:
    sandbox: Sandbox
    store: Store
    catalog: Catalog
    consents: Consents
    app: Starlette
    providers_app: Starlette
    transport: ProviderTransport
    identity: web.OidcIdentity
    revoked: list[str] = field(default_factory=list)

    def now(self) -> datetime:
        return self.sandbox.clock.now()

    def pass_time(self, **time: float) -> None:
        self.sandbox.clock.advance(timedelta(**time).total_seconds())

    async def obtain(self, call: tuple[str, dict[str, Any]], who: Caller | None = None) -> Consent:
        """What the journey does with one call, up to the consent."""
        who = who or caller()
        bound = self.catalog[call[0]].bind(call[1])
        scope = bound.scope
        connector = Connectors(CONNECTORS).choose(scope.provider, who)
        ruling = policy().rule(who, bound, scope, self.now())
        return await self.consents.obtain(who, bound, scope, ruling, connector)

    async def asked(self, call: tuple[str, dict[str, Any]], who: Caller | None = None) -> ConsentNeeded:
        """The question that a call puts; it must put one."""
        error = await self.refused(call, who)
        assert isinstance(error, ConsentNeeded), error
        return error

    async def refused(self, call: tuple[str, dict[str, Any]], who: Caller | None = None) -> LoanerError:
        try:
            consent = await self.obtain(call, who)
        except LoanerError as error:
            return error
        raise AssertionError(f"there was consent: {consent}")

    def consents_of_another_process(self) -> Consents:
        """The same store and providers, and nothing else in common."""
        return _consents(self.store, self.transport, self.catalog, self.now)

    async def end_unused(self, grant: Grant) -> None:
        """What a server does with a grant whose end is due."""
        await _ending(self.store, self.transport, self.catalog, self.now)(grant)

    def browser(self, **cookies: str) -> Browser:
        return Browser(self, cookies)

    async def rows(self, table: Table) -> list[dict[str, Any]]:
        found = await self.store.read(lambda c: c.execute(select(table)).mappings().all())
        return [dict(row) for row in found]


class Browser:
    """Keeps cookies, follows redirects, sends what a browser sends; presses only what the page offers."""

    def __init__(self, house: House, cookies: dict[str, str]) -> None:
        mounts = {
            OURS: httpx2.ASGITransport(app=house.app),
            PROVIDERS: httpx2.ASGITransport(app=house.providers_app),
        }
        self.http = httpx2.AsyncClient(mounts=mounts, follow_redirects=True, base_url=OURS)
        for name, login in cookies.items():  # where this person is signed in already
            self.http.cookies.set(f"sandbox_{name}", login, domain="127.0.0.1", path=f"/{name}")
        self.answer: httpx2.Response | None = None

    async def open(self, url: str, **more: Any) -> httpx2.Response:
        self.answer = await self.http.get(url, **more)
        return self.answer

    async def press(self, value: str, **typed: str) -> httpx2.Response:
        """Press the button with this value (or text) on the page that is open."""
        page = self.page
        form, button = next(
            (form, button) for form in page.forms for button in form.buttons if value in {button.value, button.text}
        )
        fields = form.fields | typed | ({button.name: button.value} if button.name else {})
        self.answer = await self.http.request(
            form.method.upper(), form.action, data=fields, headers={"Origin": "null", "Sec-Fetch-Site": "same-origin"}
        )
        return self.answer

    @property
    def page(self) -> pages.Page:
        assert self.answer is not None
        return pages.read(str(self.answer.url), self.answer.status_code, self.answer.text)

    @property
    def state(self) -> str:
        return self.page.state

    @property
    def text(self) -> str:
        assert self.answer is not None
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", self.answer.text))

    async def approve(self, url: str, **typed: str) -> None:
        """A yes. Where the page asks what may be read: everything, by every agent, unless ``typed`` says otherwise."""
        await self.open(url)
        assert self.state == "confirm", self.text
        await self.press("approve", **(self.widest() | typed))
        if "/slack/oauth" in str(self.page.url) or "/linear/oauth" in str(self.page.url):
            await self.press("allow")
            await self.is_me()

    async def approve_account(self, url: str) -> None:
        await self.open(url)
        await self.is_me()

    async def is_me(self) -> None:
        """Where the page asks whether the account at the provider is theirs: it is."""
        if self.state == "account":
            await self.press("approve")

    def widest(self) -> dict[str, str]:
        """The widest choice of a page that asks what may be read; tests about something else choose it."""
        asks = any("reads" in form.choices for form in self.page.forms)
        return {"reads": "everything", "agents": "all"} if asks else {}

    async def sign_in(self, login: str) -> None:
        await self.open("/signin")
        await self.press("yes", login=login)
        await self.press("continue")

    def link(self) -> str:
        return urljoin(OURS, self.page.provider_link)


def _consents(
    store: Store, transport: ProviderTransport, everything: Catalog, now: Now, identity: IdentitySettings | None = None
) -> Consents:
    return Consents(
        store=store,
        grants=Grants(store, now, everything.providers, Connectors(CONNECTORS)),
        transport=transport,
        catalog=everything,
        connectors=Connectors(CONNECTORS),
        settings=Settings(identity=identity),
        now=now,
        base_url=lambda: OURS,
        policy_version=policy().version,
        note=event.note,
        end_unused=_ending(store, transport, everything, now),
        running=CallsInFlight(store),
    )


def _ending(store: Store, transport: ProviderTransport, everything: Catalog, now: Now) -> EndUnused:
    """What a server does with what was granted and is not connected; no other server tries again."""
    budgets = Limiter(store, now, Settings().limiter)
    revoker = Revoker(
        Grants(store, now, everything.providers, Connectors(CONNECTORS)),
        everything.providers,
        Connectors(CONNECTORS),
        transport,
        now,
        budgets,
    )

    async def end(grant: Grant) -> None:
        await revoker.end(grant, lambda _connection, _revoked: None, patience=1, thorough=False)

    return end


@cache
def policy() -> CedarPolicy:
    """The built-in rules."""
    return read_policy(None, tools().operations)


@cache
def tools() -> Catalog:
    return catalog.load(bases=BASES)


@asynccontextmanager
async def house(
    folder: Path,
    *,
    signs_in: bool = False,
    store_url: str | None = None,
    identity: Mapping[str, Any] | None = None,
    secret: str | None = None,
    key: KeyHolder | None = None,
) -> AsyncIterator[House]:
    sandbox = Sandbox()
    sandbox.base_url = PROVIDERS
    providers_app = create_app(sandbox)
    wire = httpx2.ASGITransport(app=providers_app)
    now = sandbox.clock.now
    everything = tools()
    async with (
        open_store(store_url or f"sqlite:///{with_store(folder)}/loaner.db", key or LocalKey(bytes(32))) as store,
        ProviderTransport(Over(wire)) as transport,
        IssuerKeys(ISSUER, now=now, transport=wire) as keys,
    ):
        settings = IdentitySettings(issuer=ISSUER, **(identity or {}))
        consents = _consents(store, transport, everything, now, settings if signs_in else None)
        oidc = web.OidcIdentity(settings, keys, transport, lambda: OURS, now, Secret(secret) if secret else None)
        made: list[House] = []

        async def revoke(grant_id: str) -> None:
            made[0].revoked.append(grant_id)

        site = web.Site(
            consents=consents,
            store=store,
            providers=everything.providers.__getitem__,
            now=now,
            base_url=lambda: OURS,
            identity=oidc if signs_in else web.LocalIdentity(LOCAL),
            presence=web.SessionPresence(),
            revoke_grant=revoke,
            records=Audit(store, now),
            allowed_hosts=frozenset(),
            sandbox=PROVIDERS,
            version="0.1.0",
            sign_ins_per_minute=100_000,  # a suite's people are one peer
            passkeys=Passkeys(store, now, lambda: OURS),
        )
        made.append(House(sandbox, store, everything, consents, web.create_app(site), providers_app, transport, oidc))
        yield made[0]
