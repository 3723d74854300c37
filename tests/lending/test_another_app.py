"""Another app is registered under the name of a connector: what the former one was given is neither used nor taken for
dead because the new one is told that it does not know it."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from journeys.town import Town, error_of, providers, served, standing
from loaner import settings as settings_module
from loaner.cli import _sandboxed
from loaner.connectors import Connectors
from loaner.grants import endings
from loaner.grants.grants import GrantUnreadable
from loaner.grants.seals import identity
from loaner.identity.caller import Agent, Caller, Subject
from loaner.lending.loan import NotRevoked
from loaner.sandbox.run import RunningSandbox
from loaner.secret import Secret
from loaner.store.tables import grants, loans

ISSUE = ("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1})
FORMER, OTHER = "Iv23liSANDBOXloaner", "Iv23liAnotherApp"
SECRET = "another-secret"
OPERATOR = Caller(Subject("local", "olga"), Agent("loaner revoke", "loaner"), "sandbox", "here", "olga")


def alive(running: RunningSandbox, *kinds: str) -> list[str]:
    """What the provider would still accept, whoever asks."""
    ledger = running.sandbox.ledger
    return [
        entry.kind for entry in ledger if entry.provider == "github" and ledger.is_alive(entry) if entry.kind in kinds
    ]


def registered(running: RunningSandbox, client_id: str, secret: str) -> None:
    app: Any = running.sandbox.inside["github"]
    app.app.client_id, app.app.client_secret = client_id, secret


def as_before(home: Path, running: RunningSandbox) -> AbstractAsyncContextManager[Town]:
    """The server with the app that it had first."""
    registered(running, FORMER, "sandbox-github-secret")
    return standing(home, running)


def with_another(home: Path, running: RunningSandbox) -> AbstractAsyncContextManager[Town]:
    """The same server, after an operator put another app's id and secret under the connector's name."""
    registered(running, OTHER, SECRET)
    settings = _sandboxed.on_sandbox(settings_module.load(home=home), running.base_url)
    apps = [
        replace(one, client_id=OTHER, client_secret=Secret(SECRET)) if one.name == "github" else one
        for one in _sandboxed.connectors()
    ]
    return served(settings, running, Connectors(apps))


async def test_a_call_asks_for_a_grant_of_the_new_app_and_says_nothing_of_the_former(tmp_path: Path) -> None:
    """MUST 44."""
    async with providers(tmp_path / "providers") as running:
        async with as_before(tmp_path, running) as town, town.agent() as agent:
            assert not (await town.call(agent, *ISSUE)).is_error
            (grant,) = await town.loaner.grants.everybodys()
        uses = [entry["uses"] for entry in town.ledger(provider="github")]

        async with with_another(tmp_path, running) as town, town.agent() as agent:
            asked = await agent.call_tool(*ISSUE)
            assert error_of(asked)["code"] == "consent_required"
            assert await town.loaner.grants.everybodys() == [grant]
            assert [entry["uses"] for entry in town.ledger(provider="github")] == uses
            assert (await town.decide(asked)).state == "approved", "the account can be connected through the new app"
            assert not (await agent.call_tool(*ISSUE)).is_error

        async with as_before(tmp_path, running) as town:
            assert grant in await town.loaner.grants.usable_of(grant.subject), "and with the former it is in use again"


async def test_that_nobody_uses_a_grant_of_the_former_app_is_not_for_the_new_one_to_say(tmp_path: Path) -> None:
    async with providers(tmp_path / "providers") as running:
        async with as_before(tmp_path, running) as town, town.agent() as agent:
            assert not (await town.call(agent, *ISSUE)).is_error
            (grant,) = await town.loaner.grants.everybodys()
        async with with_another(tmp_path, running) as town:
            town.advance(days=100)
            assert await town.loaner.idle.block() == 0
            assert await town.loaner.grants.everybodys() == [grant]
            assert FORMER in (town.loaner.grants.why_elsewhere(grant) or "")


async def test_a_revoke_does_not_take_the_new_apps_word_for_the_death_of_a_grant(tmp_path: Path) -> None:
    async with providers(tmp_path / "providers") as running:
        async with as_before(tmp_path, running) as town, town.agent() as agent:
            assert not (await town.call(agent, *ISSUE)).is_error
            (grant,) = await town.loaner.grants.everybodys()
        for entry in running.sandbox.ledger:
            if entry.kind == "user":  # a probe with it is refused, and the new app's refresh would be as well
                running.sandbox.ledger.revoke(entry, "evicted")

        async with with_another(tmp_path, running) as town:
            ended = await town.loaner.stopper.end_grant(grant.id)
            assert not ended.confirmed
            assert f"the grant is of the app {FORMER}, and the connector 'github' is the app {OTHER} now" in ended.how
            assert "Set connectors.github.client_id and its client_secret as they were" in ended.how
            (listed,) = await town.loaner.store.read(endings.listed)
            assert listed.ends_at
        assert alive(running, "refresh") == ["refresh"]

        async with as_before(tmp_path, running) as town:
            town.advance(minutes=1)
            assert [done.confirmed for done in await town.loaner.stopper.finish()] == [True]
            assert alive(running, "user", "refresh") == []


async def test_a_sweep_after_a_restart_does_not_take_the_new_apps_word_for_the_death_of_a_key(tmp_path: Path) -> None:
    async with providers(tmp_path / "providers") as running:
        await left_behind(tmp_path, running)

        async with with_another(tmp_path, running) as town:
            town.advance(minutes=10)
            await town.loaner.revocations.sweep()
            (loan,) = await town.open_loans()
            assert loan.last_error
            assert (
                f"the credential is of the app {FORMER}, and the connector 'github' is the app {OTHER}"
                in loan.last_error
            )
            assert alive(running, "scoped") == ["scoped"]

        async with as_before(tmp_path, running) as town:
            town.advance(minutes=10)
            await town.loaner.revocations.sweep()
            assert (await town.open_loans(), alive(running, "scoped")) == ([], [])


async def test_a_key_of_a_former_app_is_listed_until_it_must_be_dead(tmp_path: Path) -> None:
    async with providers(tmp_path / "providers") as running:
        await left_behind(tmp_path, running)
        async with with_another(tmp_path, running) as town:
            town.advance(hours=9)
            await town.loaner.revocations.sweep()
            assert (await town.open_loans(), alive(running, "scoped")) == ([], [])
            closed = select(loans.c.state).where(loans.c.style == "down_scoped").order_by(loans.c.intent_at.desc())
            assert (await town.loaner.store.read(lambda c: c.execute(closed).scalars().first())) == "expired"


async def test_of_a_key_whose_app_was_not_kept_no_not_found_is_proof(tmp_path: Path) -> None:
    """A row of an earlier loaner: only a revocation, or its age, ends it."""
    async with providers(tmp_path / "providers") as running:
        await left_behind(tmp_path, running)
        async with with_another(tmp_path, running) as town:
            await town.loaner.store.write(lambda c: c.execute(update(loans).values(client_id=None)) and None)
            town.advance(minutes=10)
            await town.loaner.revocations.sweep()
            (loan,) = await town.open_loans()
            assert loan.last_error == "refused to revoke, and which app it is of was not kept"
            assert alive(running, "scoped") == ["scoped"]
        async with as_before(tmp_path, running) as town:
            town.advance(minutes=10)
            await town.loaner.revocations.sweep()
            assert (await town.open_loans(), alive(running, "scoped")) == ([], [])


async def test_of_a_grant_whose_app_was_not_kept_no_refused_refresh_is_proof(tmp_path: Path) -> None:
    async with providers(tmp_path / "providers") as running:
        async with as_before(tmp_path, running) as town, town.agent() as agent:
            assert not (await town.call(agent, *ISSUE)).is_error
            (grant,) = await town.loaner.grants.everybodys()
            await of_an_earlier_loaner(town)
        for entry in running.sandbox.ledger:
            if entry.kind == "user":
                running.sandbox.ledger.revoke(entry, "evicted")
        async with with_another(tmp_path, running) as town:
            async with town.agent() as agent:  # its check says "not found", and then its refresh is refused
                assert error_of(await agent.call_tool(*ISSUE))["code"] == "grant_broken"
            town.advance(minutes=1)
            await town.loaner.stopper.finish()
            (listed,) = await town.loaner.store.read(endings.listed)
            assert (listed.grant.id, alive(running, "refresh")) == (grant.id, ["refresh"])
        async with as_before(tmp_path, running) as town:
            town.advance(hours=1)
            await town.loaner.stopper.stop("all", "", OPERATOR)
            assert alive(running, "user", "refresh") == []


async def test_a_grant_of_an_earlier_loaner_knows_its_app_once_it_is_renewed(tmp_path: Path) -> None:
    async with providers(tmp_path / "providers") as running, as_before(tmp_path, running) as town:
        async with town.agent() as agent:
            assert not (await town.call(agent, *ISSUE)).is_error
        await of_an_earlier_loaner(town)
        assert [one.client_id for one in await town.loaner.grants.everybodys()] == [None]
        town.advance(hours=9)
        async with town.agent() as agent:
            assert not (await agent.call_tool(*ISSUE)).is_error
        assert [one.client_id for one in await town.loaner.grants.everybodys()] == [FORMER]
        put = update(grants).values(client_id=OTHER)
        await town.loaner.store.write(lambda c: c.execute(put) and None)
        (row,) = await town.loaner.store.read(lambda c: c.execute(select(grants)).all())
        with pytest.raises(GrantUnreadable):  # and its seal is bound to that
            town.loaner.grants.opened(row)


async def of_an_earlier_loaner(town: Town) -> None:
    """The grant as it was sealed before its app was kept."""
    (row,) = await town.loaner.store.read(lambda c: c.execute(select(grants)).all())
    opened = Secret(json.dumps(town.loaner.grants.opened(row)))
    sealed = town.loaner.store.sealed.seal(opened, *identity({**row._mapping, "client_id": None}))
    was = update(grants).values(client_id=None, sealed=sealed)
    await town.loaner.store.write(lambda c: c.execute(was) and None)


async def left_behind(home: Path, running: RunningSandbox) -> None:
    """A key that could not be given back before the server ended."""

    async def unreachable(*_: object) -> str:
        raise NotRevoked("the provider could not be reached")

    async with as_before(home, running) as town, town.agent() as agent:
        setattr(town.loaner.lender.styles["down_scoped"], "give_back", unreachable)  # noqa: B010 - it is a method
        assert not (await town.call(agent, *ISSUE)).is_error
        assert len(await town.open_loans()) == 1
