"""Whatever happens, and in whatever order: what is alive at the providers is what loaner lists.

A step is an entry of :data:`STEPS`; what comes to be possible (a restore, a signal) is added there.
"""

from __future__ import annotations

import contextlib
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crash import consenting
from crash.kit import AT_LENGTH
from lending.dying import server_dies
from loaner import settings as settings_module
from loaner.assembly import Loaner, open_loaner
from loaner.cli import _sandboxed
from loaner.cli.loans import listed
from loaner.connectors import Connectors
from loaner.errors import ConsentNeeded, LoanerError
from loaner.identity.caller import Agent, Caller, Subject
from loaner.identity.local_person import local_subject
from loaner.journey import ToolCall
from loaner.keys import FileKey
from loaner.maintenance import archive, backup, restore
from loaner.sandbox.run import RunningSandbox, serving
from loaner.store.rotation import rewrap

few = settings(max_examples=6, database=None)
many = settings(max_examples=AT_LENGTH, database=None)
OPERATOR = Caller(Subject("local", "olga"), Agent("loaner revoke", "loaner"), "sandbox", "here", "olga")
CALLS = {
    "github": [ToolCall("github_get_me", {})],
    "linear": [ToolCall("linear_get_issue", {"id": "ENG-1"})],
    "slack": [ToolCall("slack_read_channel", {"channel": "C0SBX000002"})],
}
ELSEWHERE = ToolCall("github_issue_read", {"owner": "otherorg", "repo": "web", "issue_number": 1})


@dataclass
class World:
    home: Path
    running: RunningSandbox
    loaner: Loaner
    stack: contextlib.AsyncExitStack
    missing: set[str] = field(default_factory=set)
    """Connectors that are not in the settings any more."""

    @property
    def alice(self) -> Caller:
        """As a server on this machine sees her."""
        return Caller(local_subject(), Agent("agent", "reported"), "sandbox", "a test")

    def fault(self, provider: str, kind: str, path: str, count: int | None = 1) -> None:
        self.running.sandbox.faults.add(provider, kind, path=path, count=count)

    async def call(self, call: ToolCall) -> None:
        """Call, and say yes where that is asked."""
        for _ in range(3):
            try:
                await self.loaner.journey.carry(ToolCall(call.tool, call.arguments), self.alice)
            except ConsentNeeded as asked:
                with contextlib.suppress(LoanerError):
                    handle = asked.invitation.handle
                    await consenting.agree(self.loaner, self.alice.subject, handle, self.running.base_url)
            except LoanerError:
                return

    async def close(self) -> None:
        await self.stack.aclose()
        self.stack = contextlib.AsyncExitStack()

    async def open(self) -> None:
        self.loaner = await self.stack.enter_async_context(opened(self.home, self.running, self.missing))

    async def restart(self) -> None:
        await self.close()
        await self.open()

    def alive(self, provider: str, kind: str) -> list[str]:
        ledger = self.running.sandbox.ledger
        mine = (one for one in ledger if one.provider == provider and one.kind == kind)
        return [one.fingerprint for one in mine if ledger.is_alive(one)]

    async def assert_listed(self, after: str) -> None:
        await self.loaner.revocations.settled()
        rows: list[dict[str, Any]] = await listed(self.loaner.store)
        active = [grant.provider for grant in await self.loaner.grants.everybodys()]
        for provider in CALLS:
            mine = [row for row in rows if row["provider"] == provider]
            loans = [row["fingerprint"] for row in mine if row["kind"] == "loan"]
            unknown = [one for one in self.alive(provider, "scoped") if one not in loans]
            assert len(unknown) <= loans.count(None), after
            holding = active.count(provider) + sum(row["kind"] in {"grant", "pair"} for row in mine)
            assert len(self.alive(provider, "refresh")) <= holding, after
            assert holding or not self.alive(provider, "user"), after


@contextlib.asynccontextmanager
async def opened(home: Path, running: RunningSandbox, missing: Collection[str] = ()) -> AsyncIterator[Loaner]:
    chosen = _sandboxed.on_sandbox(settings_module.load(home=home), running.base_url)
    clock, apps = running.sandbox.clock, _sandboxed.connectors()
    there = Connectors(apps.named(name) for name in CALLS if name not in missing)
    async with open_loaner(chosen, connectors=there, now=clock) as loaner:
        loaner.base_url = "http://127.0.0.1:1"
        yield loaner


def calling(provider: str) -> Callable[[World], Awaitable[None]]:
    async def step(world: World) -> None:
        for call in CALLS[provider]:
            await world.call(call)

    return step


def failing(provider: str, kind: str, path: str, count: int | None = 1) -> Callable[[World], Awaitable[None]]:
    async def step(world: World) -> None:
        world.fault(provider, kind, path, count)

    return step


def later(**time: float) -> Callable[[World], Awaitable[None]]:
    async def step(world: World) -> None:
        seconds = time.get("minutes", 0) * 60 + time.get("hours", 0) * 3600 + time.get("days", 0) * 86_400
        world.running.sandbox.clock.advance(seconds)
        await world.loaner.revocations.sweep()
        await world.loaner.stopper.finish()

    return step


async def calm(world: World) -> None:
    world.running.sandbox.faults.clear()


async def stop(world: World) -> None:
    await world.loaner.stopper.stop("user", "user-alice", OPERATOR)
    await world.loaner.stopper.resume("user", "user-alice", OPERATOR)


async def disconnect(world: World) -> None:
    for grant in (await world.loaner.grants.everybodys())[:1]:
        with contextlib.suppress(LoanerError):
            await world.loaner.stopper.end_grant(grant.id)


async def evict(world: World) -> None:
    """The providers end every access token, and no refresh token."""
    ledger = world.running.sandbox.ledger
    for entry in ledger:
        if entry.kind == "user" and entry.provider in CALLS:
            ledger.revoke(entry, "evicted")


async def elsewhere(world: World) -> None:
    world.running.sandbox.switches.github_unknown_target_status = 404
    await world.call(ELSEWHERE)


async def give_up(world: World) -> None:
    """A provider says of the newest grant that it is over, and is wrong."""
    for grant in (await world.loaner.grants.everybodys())[-1:]:
        await world.loaner.lender.refresher.retire(grant, "its provider refuses it")


async def idle(world: World) -> None:
    await world.loaner.idle.block()


async def back_up(world: World) -> None:
    source = backup.BackupSource(world.home / "loaner.db", world.loaner.store.sealed, None, {})
    backup.make(source, world.home / "backup", at=world.loaner.now(), replacing=True)


async def restored(world: World) -> None:
    file, old = world.home / "backup", world.loaner
    if file.exists():
        place = restore.RestoreTarget(
            world.home / "loaner.db", old.store.sealed, None, old.catalog.providers, "local olga"
        )
        await world.close()
        restore.restore(archive.read(file), place, at=old.now())
        await world.open()
        await world.loaner.stopper.resume("all", "", OPERATOR)


async def rotate(world: World) -> None:
    FileKey(world.home / "key").renew()
    await rewrap(world.loaner.store)


def without(connector: str) -> Callable[[World], Awaitable[None]]:
    async def step(world: World) -> None:
        world.missing.add(connector)
        await world.restart()

    return step


async def all_connectors(world: World) -> None:
    world.missing.clear()
    await world.restart()


STEPS: dict[str, Callable[[World], Awaitable[None]]] = {
    "call github": calling("github"),
    "call slack": calling("slack"),
    "call linear": calling("linear"),
    "github forgets the mint's answer": failing("github", "half_close", "/token/scoped"),
    "github refuses the mint": failing("github", "status:404", "/token/scoped"),
    "github revokes nothing": failing("github", "status:503", "/api/applications/", None),
    "linear forgets the refresh's answer": failing("linear", "half_close", "/oauth/token"),
    "linear refuses the refresh": failing("linear", "status:400", "/oauth/token"),
    "linear revokes nothing": failing("linear", "status:503", "/oauth/revoke", None),
    "linear grants another scope": failing("linear", "wrong_scope", "/oauth/token"),
    "linear tells no account": failing("linear", "status:503", "/graphql"),
    "slack forgets the refresh's answer": failing("slack", "half_close", "/oauth.v2.user.access"),
    "slack revokes nothing": failing("slack", "status:503", "/auth.revoke", None),
    "the faults end": calm,
    "stop": stop,
    "disconnect": disconnect,
    "evict": evict,
    "elsewhere": elsewhere,
    "idle": idle,
    "a grant is refused": give_up,
    "restart": World.restart,
    "back up": back_up,
    "restore": restored,
    "rotate": rotate,
    "github is not configured": without("github"),
    "linear is not configured": without("linear"),
    "all are configured": all_connectors,
    "a minute": later(minutes=1),
    "a day": later(hours=25),
    "a season": later(days=100),
}


PROCESSES = {
    "a server is killed at a mint": server_dies(signal.SIGKILL, "mint", CALLS),
    "a server is killed in a call": server_dies(signal.SIGKILL, "used", CALLS),
    "a server is ended at a mint": server_dies(signal.SIGTERM, "mint", CALLS),
    "a server is ended in a call": server_dies(signal.SIGTERM, "used", CALLS),
}
"""What takes a second each; by chance only in long runs."""


async def happens(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        async with serving() as running:
            running.sandbox.switches.github_device_interval = 1
            stack = contextlib.AsyncExitStack()
            world = World(home, running, await stack.enter_async_context(opened(home, running)), stack)
            try:
                for number, step in enumerate(steps):
                    await (STEPS | PROCESSES)[step](world)
                    await world.assert_listed(f"{step} (step {number} of {steps})")
            finally:
                await world.stack.aclose()


@few
@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=4, max_size=12))
@example(["call github", "github revokes nothing", "stop", "call github", "the faults end", "restart", "a day"])
@example(["call linear", "a day", "linear forgets the refresh's answer", "call linear", "call linear", "stop"])
@example(["linear revokes nothing", "linear grants another scope", "call linear", "restart", "call linear", "a minute"])
@example(["call slack", "a day", "call slack", "evict", "call slack", "call slack", "disconnect", "a season"])
@example(
    [
        "back up",
        "call linear",
        "a day",
        "linear refuses the refresh",
        "linear revokes nothing",
        "call linear",
        "restore",
    ]
)
@example(["call github", "a server is killed at a mint", "a minute", "a server is ended in a call", "a day"])
@example(["call github", "call linear", "github is not configured", "stop", "rotate", "all are configured", "a minute"])
def test_what_is_alive_at_the_providers_is_listed(steps: list[str]) -> None:
    anyio.run(happens, steps)


@pytest.mark.soak
@many
@given(st.lists(st.sampled_from(sorted(STEPS | PROCESSES)), min_size=4, max_size=20))
def test_at_length_what_is_alive_at_the_providers_is_listed(steps: list[str]) -> None:
    anyio.run(happens, steps)
