"""What a passkey has to sign: one challenge for one browser and one purpose."""

from __future__ import annotations

from datetime import timedelta

from house import OURS, Browser, House
from loaner.store.tables import passkey_challenges
from loaner.web.passkeys import PATIENCE


async def signed_in(house: House, person: str) -> tuple[Browser, dict[str, str]]:
    browser = house.browser()
    await browser.sign_in(person)
    await browser.open("/device")
    return browser, {"form_token": browser.page.forms[0].fields["form_token"]}


async def test_one_person_keeps_one_challenge_for_a_purpose_and_nobody_elses_is_lost(shared_house: House) -> None:
    """MUST 63: however often they ask; and what nobody signed in time is gone at the next one."""
    (alice, as_alice), (bob, as_bob) = await signed_in(shared_house, "alice"), await signed_in(shared_house, "bob")
    assert (await bob.http.post("/passkeys", data=as_bob, headers={"Origin": OURS})).status_code == 200
    [bobs] = await shared_house.rows(passkey_challenges)
    for _ in range(20):
        assert (await alice.http.post("/passkeys", data=as_alice, headers={"Origin": OURS})).status_code == 200
    kept = await shared_house.rows(passkey_challenges)
    assert len(kept) == 2
    assert bobs in kept
    shared_house.pass_time(seconds=(PATIENCE + timedelta(seconds=1)).total_seconds())
    await alice.http.post("/passkeys", data=as_alice, headers={"Origin": OURS})
    [left] = await shared_house.rows(passkey_challenges)
    assert left["session"] != bobs["session"]
