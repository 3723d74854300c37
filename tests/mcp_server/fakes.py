"""A loaner with a scripted journey: the doors are tested for what they do with each outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import anyio

from loaner.clock import utc_now
from loaner.errors import ConsentNeeded, Invitation, UnknownTool
from loaner.identity.caller import Caller, Subject
from loaner.identity.host_tasks import HostTasks
from loaner.journey import ToolCall
from loaner.settings import ConsentSettings, HttpSettings, IdentitySettings, Settings
from loaner.shutdown import Shutdown
from loaner.store import LocalKey, Sealed

HANDLE = "h" * 32
CODE = "WDJB-MJHT"
URL = f"https://loaner.example/consent/{HANDLE}"
ISSUER = "https://issuer.example"
PUBLIC = "https://loaner.example"


@dataclass(frozen=True)
class FakeOperation:
    tool: str
    description: str = "Does one thing. Scope: none."
    input_schema: Mapping[str, Any] = field(
        default_factory=lambda: {
            "type": "object",
            "properties": {"text": {"type": "string"}},
            "additionalProperties": False,
        }
    )
    output_schema: Mapping[str, Any] | None = field(
        default_factory=lambda: {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    )
    annotations: Mapping[str, Any] = field(
        default_factory=lambda: {
            "readOnlyHint": False,
            "destructiveHint": False,
            "idempotentHint": False,
            "openWorldHint": True,
        }
    )


def consent_needed(*, fresh: bool = True, handle: str = HANDLE) -> ConsentNeeded:
    invitation = Invitation(handle, f"{PUBLIC}/consent/{handle}", CODE, 600, "post one message in #releases")
    return ConsentNeeded(invitation, tool="slack_send_message", need="chat:write on #releases", fresh=fresh)


@dataclass
class FakeJourney:
    """Answers each call with the next of ``script``: a payload, or an exception to raise; then with ``then``."""

    script: list[Mapping[str, Any] | BaseException] = field(default_factory=list)
    then: Callable[[ToolCall, Caller], Any] = lambda _call, _caller: {"n": 1}
    calls: list[tuple[ToolCall, Caller]] = field(default_factory=list)
    tools: Sequence[str] = ("github_get_me", "slack_send_message")

    async def carry(self, call: ToolCall, caller: Caller) -> Any:
        self.calls.append((call, caller))
        if call.tool not in self.tools:
            raise UnknownTool(f"there is no tool {call.tool[:40]!r}.")
        step = self.script.pop(0) if self.script else self.then(call, caller)
        if isinstance(step, BaseException):
            raise step
        if callable(step):
            step = await step()
        return SimpleNamespace(payload=step)


@dataclass
class FakeConsents:
    """``states`` are answered one after the other, then ``pending`` for ever."""

    states: list[str] = field(default_factory=list)
    waited: list[tuple[str, float]] = field(default_factory=list)
    denied: list[tuple[str, Subject, str]] = field(default_factory=list)
    turns: set[str] = field(default_factory=set)
    reached: bool = True
    """Its person answered on a page before."""

    async def reaches_person(self, _: Caller) -> bool:
        return self.reached

    async def spend_turn(self, turn: str) -> bool:
        first = turn not in self.turns
        self.turns.add(turn)
        return first

    async def wait_for_decision(self, handle: str, seconds: float) -> str:
        self.waited.append((handle, seconds))
        await anyio.lowlevel.checkpoint()
        return self.states.pop(0) if self.states else "pending"

    async def question(self, handle: str, subject: Subject) -> Any:
        return (handle, subject)

    async def deny(self, asked: Any, *, proven_by: str) -> None:
        self.denied.append((*asked, proven_by))


async def _forgotten(_: Any) -> None:
    """A store that keeps nothing."""


@dataclass
class FakeLoaner:
    settings: Settings
    journey: FakeJourney = field(default_factory=FakeJourney)
    consents: FakeConsents = field(default_factory=FakeConsents)
    catalog: Any = field(
        default_factory=lambda: SimpleNamespace(
            operations=[FakeOperation("github_get_me"), FakeOperation("slack_send_message")], titles=["GitHub"]
        )
    )
    store: Any = field(default_factory=lambda: SimpleNamespace(sealed=Sealed(LocalKey(b"k" * 32)), write=_forgotten))
    now: Any = utc_now
    task_tokens: HostTasks = field(
        default_factory=lambda: HostTasks((), people=ISSUER, audience=lambda: PUBLIC, now=utc_now)
    )
    shutdown: Shutdown = field(default_factory=Shutdown)
    base_url: str = PUBLIC
    way_in: str = ""


def fake_loaner(**http: Any) -> FakeLoaner:
    settings = Settings(
        environment="testing",
        identity=IdentitySettings(issuer=ISSUER),
        consent=ConsentSettings(hold_seconds=7),
        http=HttpSettings(**http),
    )
    return FakeLoaner(settings)
