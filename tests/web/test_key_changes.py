"""The sealing key is changed under a running server: what people decided counts on, and by no key that nobody knows."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, select, update

from house import LOCAL, OURS, POST, Browser, House, caller, house
from loaner.consent import Proposal
from loaner.errors import ConsentNeeded
from loaner.keys import FileKey
from loaner.store import LocalKey, Sealed, open_store, tags
from loaner.store.rotation import rewrap, tagged_before, tagged_tables
from loaner.store.tables import approvals, consents, passkey_challenges, passkeys, pauses, tasks, web_sessions
from loaner.store.tags import Tags
from loaner.web.passkeys import Passkeys

OTHER = (POST[0], POST[1] | {"text": "v1.4.1 is out"})
REFUSED = (POST[0], POST[1] | {"channel": "#general"})
WAITS = ("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1})
TASK = {"purpose": "read up", "resources": ["#general"], "operations": [{"tool": "slack_read_channel"}]}


@pytest.fixture
async def lived_in(tmp_path: Path) -> AsyncIterator[tuple[House, Browser]]:
    """An hour's approval, a task, a denial, a passkey, an open question and a browser that holds a session."""
    async with house(tmp_path, key=FileKey(tmp_path / "key")) as place:
        browser = place.browser(slack="alice")
        await browser.approve((await place.asked(POST)).invitation.url, remember="hour")
        await browser.open((await place.asked(REFUSED)).invitation.url)
        await browser.press("deny")
        with pytest.raises(ConsentNeeded) as proposed:
            await place.consents.tasks.propose(caller(agent="another"), Proposal.of(TASK))
        await browser.open(proposed.value.invitation.url)
        await browser.press("approve")
        row = {"id": "mine", "subject": LOCAL.key, "public_key": b"k", "sign_count": 0, "created_at": place.now()}
        await place.store.write(lambda c: tags.add(c, passkeys, row))
        await browser.open((await place.asked(WAITS)).invitation.url)
        yield place, browser


async def counts(place: House, browser: Browser) -> None:
    """All of it, as its people meet it."""
    assert (await place.obtain(OTHER)).approval_id
    assert (await place.refused(REFUSED)).code == "consent_denied"
    assert len(await place.consents.tasks.of_person(LOCAL)) == 1
    assert [one.id for one in await Passkeys(place.store, place.now, lambda: OURS).of(LOCAL)] == ["mine"]
    assert not (await place.asked(WAITS)).fresh
    sessions = len(await place.rows(web_sessions))
    await browser.open((await place.asked(WAITS)).invitation.url)
    assert browser.state == "confirm"
    assert len(await place.rows(web_sessions)) == sessions, "nobody had to begin a new one"


async def test_what_was_decided_counts_through_a_change_of_the_key(
    lived_in: tuple[House, Browser], tmp_path: Path
) -> None:
    """MUST 53: before what was tagged is tagged anew, after it, and once the old key is gone."""
    place, browser = lived_in
    await counts(place, browser)
    FileKey(tmp_path / "key").renew()
    await counts(place, browser)
    assert await place.store.read(tagged_before) > 0
    async with open_store(str(place.store.engine.url), FileKey(tmp_path / "key")) as rotating:
        assert (await rewrap(rotating)).unreadable == 0
        assert await place.store.read(tagged_before) == 0
        assert (await rewrap(rotating)).moved == 0
    await counts(place, browser)
    assert FileKey(tmp_path / "key").retire() == 1
    await counts(place, browser)


@pytest.mark.parametrize("table", [approvals, tasks, pauses, passkeys, consents, web_sessions], ids=str)
async def test_a_row_tagged_by_an_unknown_key_counts_for_nothing(
    lived_in: tuple[House, Browser], tmp_path: Path, table: Table
) -> None:
    """MUST 52, 53: nor is it tagged anew by a change of the key."""
    place, _ = lived_in
    stranger = Tags(Sealed(LocalKey(os.urandom(32))))

    def forge(connection: Any) -> None:
        for row in connection.execute(select(table)).all():
            mine = dict(row._mapping)
            one = next(iter(table.primary_key.columns))
            forged = update(table).where(one == mine[one.name]).values(tag=stranger.of(table, mine))
            connection.execute(forged)

    await place.store.write(forge)
    FileKey(tmp_path / "key").renew()
    await rewrap(place.store)
    rows = await place.store.read(lambda c: tags.sound(c, table, c.execute(select(table)).all()))
    assert rows == []


def test_every_tagged_table_is_tagged_anew() -> None:
    """A table that gets a tag is in the rotation without a word, as it is found by its column."""
    known = {approvals, tasks, pauses, passkeys, consents, web_sessions, passkey_challenges}
    assert set(tagged_tables()) == known
