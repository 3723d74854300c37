"""A yes that takes the person's presence, where it is given: to a task, and at a server by a fresh sign-in."""

from __future__ import annotations

from typing import Any

from street import SLACK, Call, Street

from loaner.store.tables import tasks

TASK: Call = (
    "loaner_propose_task",
    {
        "purpose": "Announce the release",
        "operations": [{"tool": "slack_send_message", "count": 10}],
        "resources": ["#releases"],
    },
)
PASSKEY: dict[str, Any] = {"consent": {"presence": "passkey"}}
SIGN_IN: dict[str, Any] = {"consent": {"presence": "sign-in"}, "signs_in": True}


async def test_a_task_is_agreed_to_with_a_passkey_as_it_was_trimmed_before(street: Street) -> None:
    place = await street.place(**PASSKEY)
    ada = await street.visitor(place, "alice")
    await ada.gets_an_authenticator()
    await ada.makes_a_passkey()
    await ada.open((await place.asked(TASK)).invitation.url)
    await ada.page.locator("input[name=count-0]").fill("2")
    await ada.press("approve")
    assert await ada.state == "presence"
    assert await place.loaner.store.read(lambda c: c.execute(tasks.select()).all()) == [], "nothing is agreed to yet"
    await ada.press("Use my passkey")
    assert await ada.state == "approved"
    told = await place.carry(TASK)
    assert told.payload["operations"] == [{"tool": "slack_send_message", "calls_left": 2}]
    (record,) = await place.records(kind="approval_given")
    assert record["proven_by"] == "passkey"
    assert ada.complaints == []


async def test_a_task_is_not_agreed_to_without_the_passkey_that_is_asked_for(street: Street) -> None:
    place = await street.place(**PASSKEY)
    ada = await street.visitor(place, "alice")
    await ada.open((await place.asked(TASK)).invitation.url)
    await ada.press("approve")
    assert await ada.state == "no_passkey"
    assert (await place.refused(TASK)).code == "consent_required"


async def test_at_a_server_a_yes_takes_a_sign_in_that_is_minutes_old(street: Street) -> None:
    place = await street.place(**SIGN_IN)
    alice = await street.visitor(place, "alice")
    url = (await place.asked(SLACK)).invitation.url
    await alice.open(url)
    assert await alice.state == "confirm"
    place.pass_time(minutes=6)
    await alice.press("approve")
    assert "/idp/" in alice.page.url, "the sign-in of six minutes ago is too old"
    assert "prompt=login" in alice.page.url
    assert (await place.refused(SLACK)).code == "consent_required"
    await alice.press("continue")
    assert alice.page.url == url, "and back to the question, which is still to be answered"
    await alice.press("approve")
    await alice.press("allow")
    await alice.is_me()
    assert await alice.state == "approved"
    await place.carry(SLACK)
    (record,) = await place.records(kind="call", tool=SLACK[0], outcome="ok")
    assert record["proven_by"] == "sign-in"
    assert alice.complaints == []


async def test_at_a_server_an_old_sign_in_still_says_no(street: Street) -> None:
    place = await street.place(**SIGN_IN)
    alice = await street.visitor(place, "alice")
    await alice.open((await place.asked(SLACK)).invitation.url)
    place.pass_time(minutes=6)
    await alice.press("deny")
    assert await alice.state == "denied"
