"""The one-time state of a redirect: spent by the first answer, whatever it was."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from urllib.parse import parse_qs, urlsplit

import anyio

from house import READ, Browser, House, caller, subject
from loaner.store.tables import consents, grants, web_sessions


async def signed_in(house: House) -> Browser:
    alice = house.browser(slack="alice")
    await alice.sign_in("alice")
    return alice


async def test_a_state_is_good_once(shared_house: House) -> None:
    """MUST 30."""
    needed = await shared_house.asked(READ, caller(subject("alice")))
    alice = await signed_in(shared_house)
    await alice.open(needed.invitation.url)
    await alice.press("approve")
    alice.http.follow_redirects = False
    back = (await alice.press("allow")).headers["location"]
    alice.http.follow_redirects = True
    await alice.open(back)
    assert alice.state == "account"
    await alice.open(back)
    assert alice.state == "wrong_person"
    assert len(await shared_house.rows(grants)) == 1


async def test_of_two_answers_at_the_same_moment_one_counts(shared_house: House) -> None:
    """MUST 30: the state is used up before anything is done with what came with it."""
    needed = await shared_house.asked(READ, caller(subject("alice")))
    alice = await signed_in(shared_house)
    await alice.open(needed.invitation.url)
    await alice.press("approve")
    alice.http.follow_redirects = False
    back = (await alice.press("allow")).headers["location"]
    statuses: list[int] = []

    async def come_back() -> None:
        statuses.append((await alice.http.get(back)).status_code)

    async with anyio.create_task_group() as group:
        group.start_soon(come_back)
        group.start_soon(come_back)
    assert sorted(statuses) == [303, 404]
    assert [row["state"] for row in await shared_house.rows(consents)] == ["account"]


async def test_a_sign_in_cannot_be_guessed(shared_house: House) -> None:
    """MUST 30: at least 128 bits, and others each time."""
    alice = shared_house.browser()
    alice.http.follow_redirects = False
    away = [parse_qs(urlsplit((await alice.http.get("/signin")).headers["location"]).query) for _ in range(2)]
    bits = [one["state"][0].partition(".")[0] for one in away]
    assert bits[0] != bits[1]
    assert all(len(urlsafe_b64decode(one + "=" * (-len(one) % 4))) * 8 >= 128 for one in bits)


async def test_a_sign_in_that_failed_has_used_up_its_state(shared_house: House) -> None:
    """MUST 30."""
    alice = shared_house.browser()
    await alice.open("/signin")
    await alice.press("yes", login="alice")
    alice.http.follow_redirects = False
    back = (await alice.press("continue")).headers["location"]
    for answer in (back.replace("code=", "error=x&no="), back):
        assert (await alice.http.get(answer)).status_code == 403
    assert [row["subject"] for row in await shared_house.rows(web_sessions)] == [None]


async def test_starting_the_redirect_again_makes_the_first_state_worthless(shared_house: House) -> None:
    needed = await shared_house.asked(READ, caller(subject("alice")))
    alice = await signed_in(shared_house)
    await alice.open(needed.invitation.url)
    await alice.press("approve")
    first = alice.page.url
    await alice.open(needed.invitation.url)
    assert alice.state == "provider"
    await alice.press("approve")
    assert parse_qs(urlsplit(first).query)["state"] != parse_qs(urlsplit(alice.page.url).query)["state"]
    await alice.open(first)
    await alice.press("allow")
    assert alice.state == "wrong_person"
