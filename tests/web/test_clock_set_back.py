"""A clock that is set back by an hour: what was agreed ends when it would have, and a server does not start on it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from sqlalchemy import select

from databases import with_store
from house import LOCAL, POST, House, caller
from loaner import settings
from loaner.assembly import open_loaner
from loaner.audit import event
from loaner.cli._app import run as main
from loaner.clock import Steady
from loaner.consent import Proposal
from loaner.errors import ConsentNeeded, SettingsInvalid
from loaner.maintenance import clock as maintenance
from loaner.store import clock_seen, tags
from loaner.store.tables import approvals, consents, pauses, records, tasks, web_sessions

HOUR = timedelta(hours=1)
OTHER = (POST[0], POST[1] | {"text": "v1.4.1 is out"})
REFUSED = (POST[0], POST[1] | {"channel": "#general"})
TASK = {"purpose": "read up", "resources": ["#general"], "operations": [{"tool": "slack_read_channel"}], "minutes": 50}


class Wall:
    """A computer's clock, and the time that really passes."""

    def __init__(self, at: datetime) -> None:
        self.at, self.seconds = at, 0.0

    def passes(self, **time: float) -> None:
        self.at += timedelta(**time)
        self.seconds += timedelta(**time).total_seconds()

    def steady(self) -> Steady:
        return Steady(lambda: self.at, lambda: self.seconds)


def test_a_clock_that_is_set_back_goes_on_where_it_was() -> None:
    wall = Wall(start := datetime(2026, 11, 22, 12, tzinfo=UTC))
    now = wall.steady()
    wall.passes(minutes=30)
    assert now() == start + timedelta(minutes=30)
    wall.at -= HOUR
    assert now() == start + timedelta(minutes=30)
    wall.passes(minutes=20)
    assert now() == start + timedelta(minutes=50)
    wall.at += HOUR
    assert now() == start + timedelta(minutes=50), "set right, it is followed again"
    wall.at += HOUR
    assert now() == start + timedelta(minutes=110), "and nobody's clock is held that was never set back"


def test_a_clock_that_is_set_forward_again_is_followed_from_where_it_would_have_been() -> None:
    wall = Wall(start := datetime(2026, 11, 22, 12, tzinfo=UTC))
    now = wall.steady()
    for _ in range(2):
        wall.at -= HOUR / 2
        assert now() == start
    wall.at += timedelta(minutes=20)
    assert now() == start, "not yet"
    wall.at += timedelta(minutes=50)
    assert now() == wall.at == start + timedelta(minutes=10)


async def lived_in(house: House) -> None:
    """An hour's approval, a task of 50 minutes, a denial's ten minutes, and an open question."""
    browser = house.browser(slack="alice")
    await browser.approve((await house.asked(POST)).invitation.url, remember="hour")
    await browser.open((await house.asked(REFUSED)).invitation.url)
    await browser.press("deny")
    with pytest.raises(ConsentNeeded) as proposed:
        await house.consents.tasks.propose(caller(agent="another"), Proposal.of(TASK))
    await browser.open(proposed.value.invitation.url)
    await browser.press("approve")


async def test_what_was_agreed_lives_no_longer_and_a_pause_no_shorter(local: House) -> None:
    """MUST 27."""
    await lived_in(local)
    wall = Wall(local.now())
    local.consents.now = local.consents.tasks.now = wall.steady()
    wall.at -= HOUR
    wall.passes(minutes=9)
    assert (await local.refused(REFUSED)).code == "consent_denied"
    wall.passes(minutes=2)
    assert isinstance(await local.refused(REFUSED), ConsentNeeded)
    wall.passes(minutes=35)
    assert (await local.obtain(OTHER)).approval_id
    assert len(await local.consents.tasks.of_person(LOCAL)) == 1
    wall.passes(minutes=15)
    assert isinstance(await local.refused(OTHER), ConsentNeeded)
    assert await local.consents.tasks.of_person(LOCAL) == []


async def test_a_server_does_not_start_on_a_clock_that_is_behind(tmp_path: Path) -> None:
    """A replica too, whose computer alone is wrong: the others' time is in the store that they share."""
    chosen, at = settings.load(home=with_store(tmp_path / "home")), datetime.now(UTC)
    async with open_loaner(chosen, now=lambda: at) as loaner:
        await loaner.consents._polling.sweep()  # what it does every two seconds
    with pytest.raises(SettingsInvalid, match="the clock of this computer says"):
        async with open_loaner(chosen, now=lambda: at - HOUR):
            pass
    async with open_loaner(chosen, now=lambda: at - timedelta(minutes=1)):
        pass  # so far apart may two computers be
    async with open_loaner(chosen, now=lambda: at - HOUR, serving=False) as stops:
        assert await stops.stopper.standing() == [], "a verb that stops something is not kept from it"


async def test_the_time_is_noted_once_a_minute_and_never_an_earlier_one(local: House) -> None:
    at = local.now()
    noted = []
    for minutes in (0, 0.5, 10, -60):
        await local.store.write(lambda c, m=minutes: clock_seen.see(c, at + timedelta(minutes=m)))  # type: ignore[misc]
        noted.append(await local.store.read(clock_seen.noted))
    seconds = [round((one - at).total_seconds()) for one in noted if one]
    assert seconds == [0, 0, 600, 600]


async def test_a_record_shows_the_time_as_well(local: House) -> None:
    await local.store.write(lambda c: event.note(c, "look_up", subject=LOCAL.key, at=local.now(), outcome="ok"))
    with pytest.raises(SettingsInvalid, match="the clock of this computer says") as refused:
        clock_seen.refuse_behind(await local.store.read(clock_seen.latest), local.now() - HOUR)
    assert "loaner accept-clock" in refused.value.told()


async def test_where_the_clock_was_ahead_people_are_asked_again(local: House) -> None:
    """Nobody knows how much time has passed: approvals and tasks end, and a pause is no shorter."""
    await lived_in(local)
    await local.asked((POST[0], POST[1] | {"channel": "C0000000001"}), caller(agent="a third"))
    assert "pending" in {row["state"] for row in await local.rows(consents)}
    before = (await local.rows(pauses))[0]["until"] - local.now()
    now = local.now() - HOUR
    assert await local.store.write(lambda c: maintenance.accept(c, now))
    assert None not in [row["ended_at"] for table in (approvals, tasks) for row in await local.rows(table)]
    assert {row["state"] for row in await local.rows(consents)} <= {"approved", "denied", "expired"}
    assert await local.rows(web_sessions) == []
    for table in (approvals, tasks, pauses):
        rows = await local.store.read(lambda c, table=table: c.execute(select(table)).all())  # type: ignore[misc]
        assert await local.store.read(lambda c, t=table, r=rows: tags.sound(c, t, r)) == rows  # type: ignore[misc]
    (pause,) = await local.rows(pauses)
    assert before <= pause["until"] - now < before + timedelta(minutes=5)
    assert "clock_accepted" in [row["kind"] for row in await local.rows(records)]
    assert await local.store.read(clock_seen.latest) <= now
    assert await local.store.write(lambda c: maintenance.accept(c, now)) is None


def test_the_verb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LOANER_HOME", str(with_store(tmp_path / "home")))
    chosen = settings.load(home=tmp_path / "home")

    async def ahead() -> None:
        async with open_loaner(chosen, now=lambda: datetime.now(UTC) + HOUR) as loaner:
            await loaner.consents._polling.sweep()

    anyio.run(ahead)
    assert main(["accept-clock"]) == 0
    assert "are over" in capsys.readouterr().out
    assert main(["accept-clock"]) == 0
    assert "nothing was done" in capsys.readouterr().out
