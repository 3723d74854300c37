"""What a grant's row says of whose it is and what it is for is bound to its tokens: changed, it is lent on no more."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from sqlalchemy import Connection, delete, select, update

from journeys.town import Town, error_of, town
from loaner.audit import event
from loaner.cli import _app
from loaner.grants import altered, endings, seals
from loaner.grants.grants import GrantUnreadable
from loaner.store.tables import facts, grants

SLACK = ("slack_read_channel", {"channel": "#releases"})


@pytest.fixture
async def acme(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path / "home") as built:
        async with built.agent() as agent:
            assert not (await built.call(agent, *SLACK)).is_error
        await built.settled()
        yield built


@pytest.fixture
def verb(acme: Town, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    monkeypatch.setenv("LOANER_HOME", str(acme.home))

    async def run(*arguments: str) -> str:
        capsys.readouterr()
        await anyio.to_thread.run_sync(_app.run, list(arguments))
        return capsys.readouterr().out

    return run


async def changed(acme: Town, **values: Any) -> None:
    await acme.loaner.store.write(lambda c: c.execute(update(grants).values(**values)) and None)


def uses(acme: Town) -> int:
    """How many requests Slack saw with any token of loaner."""
    return sum(len(entry["uses"]) for entry in acme.ledger(provider="slack"))


@pytest.mark.parametrize(
    "values",
    [
        {"permissions": ["channels:history", "channels:read", "im:history"]},
        {"permissions": []},
        {"account_id": "U0SOMEBODY"},
        {"account_name": "bob"},
        {"version": 2},
        {"place": None},
    ],
    ids=lambda values: f"{next(iter(values))} {next(iter(values.values()))}",
)
async def test_a_grant_whose_row_was_changed_is_not_lent_on_and_is_listed(
    acme: Town, verb: Callable[..., Any], values: dict[str, Any]
) -> None:
    """MUST 52"""
    before = uses(acme)
    (grant,) = await acme.loaner.grants.everybodys()
    await changed(acme, **values)
    with pytest.raises(GrantUnreadable) as refused:
        await acme.loaner.grants.tokens(grant.id)
    assert refused.value.altered
    async with acme.agent() as agent:
        answer = await agent.call_tool(*SLACK)
    assert error_of(answer)["code"] in {"grant_broken", "consent_required"}
    assert uses(acme) == before > 0
    if not values.get("permissions", True):
        return  # it covers nothing, so nobody tried to lend on it
    listed = [json.loads(line) for line in (await verb("loans", "--json")).splitlines()]
    assert [(row["kind"], row["reason"]) for row in listed] == [("grant", "altered, or of another row")]
    assert "altered, or of another row" in await verb("status")


@pytest.mark.parametrize(
    "values",
    [{"permissions": []}, {"account_id": "U0SOMEBODY"}, {"environment": "staging"}, {"subject": "local eve"}],
    ids=str,
)
async def test_a_server_looks_for_changed_rows_by_itself(acme: Town, values: dict[str, Any]) -> None:
    """MUST 52: at its start and once an hour, also for those that nobody would lend on."""
    assert await altered.retire(acme.loaner.grants) == []
    (grant,) = await acme.loaner.grants.everybodys()
    await changed(acme, **values)
    assert await altered.retire(acme.loaner.grants) == [grant.id]
    assert await altered.retire(acme.loaner.grants) == []
    (ending,) = await acme.loaner.store.read(endings.listed)
    assert (ending.grant.id, ending.reason) == (grant.id, "altered, or of another row")


@pytest.mark.parametrize("column", ["environment", "provider", "subject", "connector"])
async def test_a_grant_that_was_moved_opens_nowhere(acme: Town, column: str) -> None:
    """MUST 52"""
    (grant,) = await acme.loaner.grants.everybodys()
    await changed(acme, **{column: "another"})
    with pytest.raises(GrantUnreadable) as refused:
        await acme.loaner.grants.tokens(grant.id)
    assert refused.value.altered


async def test_what_an_earlier_loaner_sealed_is_sealed_anew_once_and_never_opens_as_before_again(acme: Town) -> None:
    """Neither by the fact that is gone, nor by a row that was kept."""
    store, (grant,) = acme.loaner.store, await acme.loaner.grants.everybodys()
    row = await store.read(lambda c: c.execute(select(grants)).one())
    kept = store.sealed.open(row.sealed, *seals.identity(row._mapping))
    old = store.sealed.seal(kept, "grants", row.id, row.subject, row.connector, str(row.version))

    def earlier(connection: Connection) -> None:
        connection.execute(delete(facts).where(facts.c.name == "grants_sealed"))
        connection.execute(update(grants).values(sealed=old))

    await store.write(earlier)
    with pytest.raises(GrantUnreadable):
        await acme.loaner.grants.tokens(grant.id)
    assert await seals.reseal(store, event.note, acme.loaner.now()) == 1
    async with acme.agent() as agent:
        assert not (await agent.call_tool(*SLACK)).is_error
    await store.write(earlier)
    await changed(acme, account_id="U0SOMEBODY")
    assert await seals.reseal(store, event.note, acme.loaner.now()) == 0
    with pytest.raises(GrantUnreadable):
        await acme.loaner.grants.tokens(grant.id)
