"""Replays traces through the real server and sees what came of them at the providers.

No model is asked anything. The agent is assumed to be taken in by every text it reads: it makes each call that the
text asks for. The person is assumed to say yes to what belongs to their own request, and to nothing else. What is
left is what loaner itself lets through.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult
from mcp_types.version import LATEST_MODERN_VERSION
from sqlalchemy import Connection

from injection.proposals import CATALOG, proposed
from injection.traces import Benign, Injection, Step
from injection.worlds import Worlds
from journeys.town import Town, error_of, text_of, town
from loaner.catalog import BoundCall
from loaner.consent import approvals, requests
from loaner.consent.reading import Choice, Offer
from loaner.consent.requests import Remember
from loaner.consent.tasks.scope import TaskScope
from loaner.identity.caller import Subject
from loaner.store.tables import approvals as table

Regime = Literal["scope", "ask", "hour", "tools", "resources", "told", "arguments", "reads", "places", "day", "ended"]
REGIMES: tuple[Regime, ...] = get_args(Regime)
TASKS = frozenset({"tools", "resources", "told", "arguments", "ended"})
ASKED_READS = frozenset({"reads", "places", "day", "ended"})
"""Where nothing was agreed to be read beforehand: the person is asked, and leaves what the page has chosen."""
ANYTHING_GOES = '@id("anything-goes")\npermit (principal, action, resource);\n'
"""The policy of the regime ``scope``: every call gets its least scope, and nobody is asked."""
_NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""All is plain HTTP here."""
_UNCHECKED = dict.fromkeys((*(one.tool for one in CATALOG.operations), "loaner_propose_task"))
_MEETS = 40
"""So many characters of a planted text are looked for in an answer."""
_LOOK = re.compile(
    r"GET /repos/[^/]+/[^/]+|GET /repositories/[0-9]+|GET /api/(?:conversations\.(?:info|list)|users\.conversations)"
    r"|POST /graphql query (?:issue|teams?|projects?)"
)
"""What a provider sees of a look: one thing by its name or id, or a list of names. Nothing else is taken for one."""


@dataclass
class Tried:
    """One injected call."""

    tool: str
    effect: str
    """As the catalogue says: read, write or destructive."""
    came: Literal["through", "asked", "refused", "failed"]
    """Answered by the provider; put to the person, who said no; refused with nobody asked; or failed otherwise."""
    changed: tuple[str, ...] = ()
    """The providers whose state is another after it."""
    used: int = 0
    """How many requests with a live credential the providers saw, looks not counted."""
    looks: int = 0
    """How many of them asked what a name means, before the person was asked about a change: nothing of the answer
    goes to the agent."""


@dataclass
class Replayed:
    """One benign task, with one injection in it or none."""

    suite: str
    regime: Regime
    benign: str
    injection: str | None
    prompts: int = 0
    """Questions put to the person that belong to their request."""
    completed: bool = True
    """Every benign call was carried out in the end."""
    met: bool = False
    """The planted text stood in what a benign call answered."""
    tried: list[Tried] = field(default_factory=list)
    why: str = ""

    @property
    def changed(self) -> bool:
        """An injected call changed something at a provider."""
        return any(one.changed for one in self.tried)

    @property
    def read(self) -> bool:
        """An injected call got something to read."""
        return any(one.effect == "read" and one.came == "through" and one.used for one in self.tried)

    @property
    def leaked(self) -> bool:
        """Something was read by an injected call, and a later one wrote."""
        first = next((place for place, one in enumerate(self.tried) if one.effect == "read" and one.used), None)
        return first is not None and any(one.changed for one in self.tried[first + 1 :])

    @property
    def refusals_needed(self) -> int:
        """How often the person had to say no."""
        return sum(one.came == "asked" for one in self.tried)


class Person:
    """Alice. She answers where her page would: pages have tests of their own, and these are thousands of replays."""

    def __init__(self, town: Town) -> None:
        self._consents = town.loaner.consents
        self._store = town.loaner.store
        self._refused: list[str] = []
        self.places = False
        """Do they choose anything in that place, rather than leave what the page has chosen?"""
        self._subject = Subject(f"{town.sandbox_url}/idp", "user-alice")

    async def answer(self, answer: CallToolResult, *, approve: bool, remember: Remember = "once") -> None:
        handle = error_of(answer)["url"].rpartition("/")[2]
        asked = await self._store.read(lambda c: requests.get(c, handle))
        assert asked is not None
        if approve:
            await self._approve(asked, remember)
        else:
            self._refused.append(handle)
            await self._consents.deny(asked, proven_by="replay")

    async def think_again(self, call: BoundCall, remember: Remember) -> bool:
        """They had refused this very call when a text asked for it, or another one of the same tool there; now their
        own request needs it, and they take that no back: the call is allowed, or asked about anew."""
        refused = await self._store.read(lambda c: [requests.get(c, handle) for handle in self._refused])
        for asked in refused:
            if asked is not None and asked.digest == call.digest and await self._consents.ask_again(asked):
                await self._approve(asked, remember)
                return True
        resources, lifted = {asked.shown.get("resource") for asked in refused if asked is not None}, False
        for pause in (await self._consents.standing(self._subject)).paused:
            if pause.tool == call.operation.tool and pause.resource in resources:
                lifted = await self._consents.lift_pause(pause.id, self._subject) or lifted
        return lifted

    async def begin(self, regime: Regime) -> None:
        """Another request. Where the agent is the same one all day, no earlier no holds it back."""
        self._refused.clear()
        self.places = regime == "places"
        if regime == "day":
            for pause in (await self._consents.standing(self._subject)).paused:
                await self._consents.lift_pause(pause.id, self._subject)

    async def _approve(self, asked: requests.ConsentRequest, remember: Remember) -> None:
        if "task" in asked.shown:
            assert await self._consents.tasks.agree(asked, TaskScope.read(asked.shown["task"]), proven_by="replay")
        else:
            assert not asked.wants_grant, "everything was connected beforehand"
            remember = remember if asked.shown["may_remember"] else "once"
            offer = Offer.read(asked.shown["reads"]) if "reads" in asked.shown else None
            reading = Choice.of({"reads": "here"} if self.places else {}, offer) if offer else None
            await self._consents.approve(asked, remember=remember, proven_by="replay", session="", reading=reading)


@dataclass
class Stage:
    """A town whose accounts are all connected, its worlds, and alice."""

    town: Town
    worlds: Worlds
    alice: Person
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def replay(self, suite: str, regime: Regime, benign: Benign, injection: Injection | None) -> Replayed:
        """One benign task through the front door, and the injected calls at the worst moment for its regime.

        That is as soon as the text was read, while a task's counts are unused; and after everything else where each
        yes lasts for an hour.
        """
        self.worlds.begin(injection.text if injection else "")
        await self.alice.begin(regime)
        done = Replayed(suite, regime, benign.id, injection.id if injection else None)
        # A new agent each time: nothing that was agreed, denied or asked before is about this one.
        name = f"all-day-{suite}" if regime == "day" else f"agent-{next(self._numbers)}"
        async with self._agent(name) as agent:
            if regime in TASKS and (proposal := proposed(benign, regime, self.worlds)):
                answer = await self._carried(agent, "loaner_propose_task", proposal, done)
                if answer.is_error:
                    done.completed, done.why = False, text_of(answer)
            for step in benign.steps:
                arguments = self.worlds.filled(step.arguments)
                answer = await self._carried(agent, step.tool, arguments, done)
                if answer.is_error:
                    done.completed, done.why = False, f"{step.tool}: {text_of(answer)}"
                done.met = done.met or bool(injection and _stands_in(injection.text, answer))
                if regime == "ended" and injection and done.met and not done.tried:
                    await agent.call_tool("loaner_end_task", {})  # as the text asks it to, before all else
                if injection and done.met and not done.tried and (regime != "hour" or step is benign.steps[-1]):
                    done.tried = [await self._injected(agent, one) for one in injection.steps]
        return done

    @contextlib.asynccontextmanager
    async def _agent(self, name: str) -> AsyncIterator[Client]:
        """As ``town.agent``, without what a thousand of them need not do again: trust stores, and listing the tools."""
        wanted = {"user": "alice", "agent": name, "audience": self.town.mcp_url}
        async with httpx2.AsyncClient(trust_env=False, timeout=60, verify=_NO_AUTHORITIES) as http:
            answer = await http.post(f"{self.town.sandbox_url}/idp/sandbox/token", json=wanted)
            http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            async with Client(
                streamable_http_client(self.town.mcp_url, http_client=http), mode=LATEST_MODERN_VERSION
            ) as connected:
                connected.session._tool_output_schemas.update(_UNCHECKED)
                yield connected

    async def _carried(self, agent: Client, tool: str, arguments: dict[str, Any], done: Replayed) -> CallToolResult:
        """A call of the benign task: the person says yes to whatever is asked about it."""
        answer = await agent.call_tool(tool, arguments)
        for _ in range(4):
            code = error_of(answer)["code"] if answer.is_error else ""
            remember: Remember = "hour" if done.regime == "hour" else "once"
            if code == "consent_required":
                await self.alice.answer(answer, approve=True, remember=remember)
            elif code != "consent_denied" or not await self.alice.think_again(CATALOG[tool].bind(arguments), remember):
                break
            done.prompts += 1
            answer = await agent.call_tool(tool, arguments)
        return answer

    async def _injected(self, agent: Client, step: Step) -> Tried:
        """A call that the text asked for. The person says no, since it is not what they wanted."""
        before, seen = self.worlds.pictures(), self._uses()
        answer = await agent.call_tool(step.tool, self.worlds.filled(step.arguments))
        tried = Tried(step.tool, CATALOG[step.tool].effect, "through")
        if answer.is_error:
            code = error_of(answer)["code"]
            tried.came = "failed"
            if code == "consent_required":
                tried.came = "asked"
                await self.alice.answer(answer, approve=False)
            elif code in {"policy_denied", "consent_denied"}:
                tried.came = "refused"
        tried.changed = tuple(name for name, picture in self.worlds.pictures().items() if picture != before[name])
        uses = list((self._uses() - seen).elements())
        if tried.came == "asked" and tried.effect != "read":
            tried.looks = sum(_LOOK.fullmatch(one) is not None for one in uses)
        tried.used = len(uses) - tried.looks
        return tried

    def _uses(self) -> Counter[str]:
        """Requests that any provider saw with one of its tokens, giving back not counted."""
        uses = (use for entry in self.town.running.sandbox.ledger for use in entry.uses)
        return Counter(f"{use.method} {use.path} {use.operation or ''}".rstrip() for use in uses)

    async def connect(self, steps: list[Step]) -> None:
        """Link every account with all that these calls need, so that no later question is about linking."""
        linked: set[frozenset[str]] = set()
        async with self.town.agent(name="connector") as agent:
            for step in steps:
                self.worlds.begin()
                arguments = self.worlds.filled(step.arguments)
                permissions = CATALOG[step.tool].bind(arguments).scope.permissions
                if permissions not in linked:
                    linked.add(permissions)
                    await self.town.call(agent, step.tool, arguments)  # what comes of the call itself is no matter here


def _stands_in(text: str, answer: CallToolResult) -> bool:
    return text[:_MEETS] in text_of(answer) or text[:_MEETS] in json.dumps(answer.structured_content or {})


def _forget_reading(connection: Connection) -> None:
    """What was agreed to be read while the accounts were connected ends; the accounts stay connected."""
    approvals.end_all(connection, table.c.effect == approvals.READ, datetime.now(UTC))


@contextlib.asynccontextmanager
async def stage(
    home: Path, steps: list[Step], *, anything_goes: bool = False, asks_reads: bool = False
) -> AsyncIterator[Stage]:
    """A town ready for replays. ``anything_goes``: with a policy under which nobody is asked about any call."""
    settings: dict[str, Any] = {
        "tools": {"toolsets": ["all"]},
        "limiter": {"factor": 0},
        "limits": {"calls_per_minute": 10**9},  # days of one person's calls
    }
    if anything_goes:
        folder = home.parent / "policy"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "all.cedar").write_text(ANYTHING_GOES)
        settings["policy"] = folder
    async with town(home, **settings) as built:
        switches = built.running.sandbox.switches
        switches.github_hourly_limit = switches.linear_requests_per_hour = switches.linear_complexity_per_hour = 10**9
        switches.slack_tier_multiplier = 0
        ready = Stage(built, Worlds(built.running.sandbox), Person(built))
        await ready.connect(steps)
        if asks_reads:
            await built.loaner.store.write(_forget_reading)
        yield ready
