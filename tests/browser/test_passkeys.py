"""A yes that takes a passkey: Chromium's own virtual authenticator signs, and what has none gets nowhere."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
from playwright.async_api import Browser, CDPSession
from sqlalchemy import select, update
from street import GITHUB, SLACK, Place, Street, Visitor

from loaner.sandbox import pages
from loaner.store.tables import passkeys

WITH_PASSKEY: dict[str, Any] = {"consent": {"presence": "passkey"}}


async def at_home(street: Street) -> tuple[Place, Visitor, CDPSession]:
    """A local loaner that wants passkeys, and its person, who has made one."""
    place = await street.place(**WITH_PASSKEY)
    ada = await street.visitor(place, "alice")
    authenticator = await ada.gets_an_authenticator()
    await ada.makes_a_passkey()
    assert "never used" in await ada.text
    return place, ada, authenticator


async def test_a_yes_is_signed_with_the_passkey(street: Street) -> None:
    place, ada, _ = await at_home(street)
    await ada.open((await place.asked(SLACK)).invitation.url)
    await ada.page.locator("input[value=hour]").check()
    await ada.press("approve")
    assert await ada.state == "presence"
    await ada.press("Use my passkey")
    await ada.press("allow")  # Slack asks, as it is connected in the same visit
    await ada.press("approve")  # and that it is her account there takes the passkey too
    await ada.press("Use my passkey")
    assert await ada.state == "approved"
    assert "for an hour" in await ada.text, "what was chosen before the proof is what was approved"
    await place.carry(SLACK)
    (record,) = await place.records(kind="call", tool=SLACK[0], outcome="ok")
    assert record["proven_by"] == "passkey"
    assert ada.complaints == []


async def test_a_no_needs_no_passkey(street: Street) -> None:
    place = await street.place(**WITH_PASSKEY)
    ada = await street.visitor(place, "alice")
    await ada.open((await place.asked(SLACK)).invitation.url)
    await ada.press("deny")
    assert await ada.state == "denied"


async def test_without_a_passkey_the_page_leads_to_making_one(street: Street) -> None:
    place = await street.place(**WITH_PASSKEY)
    ada = await street.visitor(place, "alice")
    await ada.gets_an_authenticator()
    needed = await place.asked(SLACK)
    await ada.open(needed.invitation.url)
    await ada.press("approve")
    assert await ada.state == "no_passkey"
    await ada.page.get_by_role("link", name="Make one").click()
    await ada.press("Make a passkey")
    await ada.press("Make a passkey")
    assert await ada.state == "confirm", "and back to the question"
    assert ada.page.url == needed.invitation.url


async def test_a_passkey_that_was_begun_before_the_first_is_no_second_one(street: Street) -> None:
    """An agent's own browser asks for a passkey while there is none, and finishes once the person has made theirs."""
    place = await street.place(**WITH_PASSKEY)
    agent = await street.visitor(place, "alice")
    await agent.gets_an_authenticator()
    await agent.open("/passkeys")
    await agent.press("Make a passkey")
    ada = await street.visitor(place, "alice")
    await ada.gets_an_authenticator()
    await ada.makes_a_passkey()
    await agent.page.get_by_role("button", name="Make a passkey").click()
    await agent.page.get_by_text("No passkey was made").wait_for()
    assert len(await place.loaner.store.read(lambda c: c.execute(select(passkeys.c.id)).all())) == 1


async def test_an_authenticator_that_does_not_look_who_is_there_is_refused(street: Street) -> None:
    """User verification is required: a touch alone would prove the computer, not the person."""
    place, ada, session = await at_home(street)
    await session.send("WebAuthn.setUserVerified", {"authenticatorId": ada.authenticator, "isUserVerified": False})
    await ada.open((await place.asked(SLACK)).invitation.url)
    await ada.press("approve")
    await ada.page.get_by_role("button", name="Use my passkey").click()
    await ada.page.get_by_text("Your passkey gave no answer").wait_for()
    assert (await place.refused(SLACK)).code == "consent_required"


async def signed_for(place: Place, ada: Visitor, call: Any, **more: str) -> tuple[str, dict[str, str]]:
    """What the browser would send as the yes to this call; it is not sent."""
    needed = await place.asked(call, **more)
    await ada.open(needed.invitation.url)
    await ada.press("approve")
    caught: dict[str, str] = {}

    async def catch(route: Any) -> None:
        caught.update(httpx2.QueryParams(route.request.post_data or ""))
        await route.abort()

    await ada.page.route("**/consent/**", catch)
    await ada.page.get_by_role("button", name="Use my passkey").click()
    for _ in range(200):
        if caught:
            break
        await ada.page.wait_for_timeout(20)
    await ada.page.unroute("**/consent/**")
    return needed.invitation.url, caught


async def send(ada: Visitor, url: str, form: dict[str, str]) -> str:
    """Send a form as this browser would, and read the state of the page that answers."""
    answer = await ada.context.request.post(
        url, form=form, headers={"Origin": ada.place.url, "Sec-Fetch-Site": "same-origin"}, max_redirects=3
    )
    return pages.read(url, answer.status, await answer.text()).state


async def connected(street: Street) -> tuple[Place, Visitor]:
    """A person who has a passkey and is connected to Slack."""
    place, ada, _ = await at_home(street)
    await ada.open((await place.asked(SLACK)).invitation.url)
    for button in ("approve", "Use my passkey", "allow", "approve", "Use my passkey"):
        await ada.press(button)
    await place.carry(SLACK)
    return place, ada


def saying(text: str) -> Any:
    return (SLACK[0], SLACK[1] | {"text": text})


async def test_a_signature_is_for_one_question_and_for_one_time(street: Street) -> None:
    """MUST 20, 27: the challenge is bound to the question and the browser, and spent by its first use."""
    place, ada = await connected(street)
    url, proof = await signed_for(place, ada, saying("one"))
    other = (await place.asked(saying("two"))).invitation.url
    assert await send(ada, other, proof) == "presence", "another question has another challenge"
    stranger = await street.visitor(place, "alice")
    await stranger.open(url)
    token = await stranger.page.locator("input[name=form_token]").first.get_attribute("value")
    assert await send(stranger, url, proof | {"form_token": token or ""}) == "presence", "so has another browser"
    assert await send(ada, url, proof) == "approved"
    assert (await place.refused(saying("two"))).code == "consent_required"
    await place.carry(saying("one"))
    again = (await place.asked(saying("one"))).invitation.url
    assert await send(ada, again, proof) == "presence", "and the signature is spent"


@pytest.fixture(scope="module")
async def connected_once(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    """For tests that leave everything as it was."""
    async with AsyncExitStack() as stack:
        yield await connected(Street(chromium, tmp_path_factory.mktemp("connected"), stack))


@pytest.mark.parametrize("spoilt", ["signature", "authenticatorData", "clientDataJSON", "id", "late", "nonsense"])
async def test_a_spoilt_proof_approves_nothing(connected_once: tuple[Place, Visitor], spoilt: str) -> None:
    place, ada = connected_once
    agent = f"agent-{spoilt}".lower()  # a denial lets one agent pause, not the next
    url, form = await signed_for(place, ada, saying(spoilt), agent=agent)
    proof = json.loads(form["proof"])
    if spoilt == "late":
        place.pass_time(minutes=6)
    elif spoilt == "nonsense":
        proof = ["nonsense"]
    elif spoilt == "id":
        proof["id"] = proof["rawId"] = "AAAA"
    else:
        value = proof["response"][spoilt]
        proof["response"][spoilt] = value[:40] + ("A" if value[40] != "A" else "B") + value[41:]
    assert await send(ada, url, form | {"proof": json.dumps(proof)}) == "presence"
    if spoilt != "late":
        assert await send(ada, url, form) == "presence", "one wrong proof spends the challenge"
    assert (await place.refused(saying(spoilt), agent=agent)).code == "consent_required"
    no = {"form_token": form["form_token"], "decision": "deny"}
    assert await send(ada, url, no) == "denied", "and the question can still be answered"


async def test_a_copied_key_is_noticed_by_its_count(street: Street) -> None:
    place, ada = await connected(street)
    url, form = await signed_for(place, ada, saying("one"))
    await place.loaner.store.write(lambda c: c.execute(update(passkeys).values(sign_count=1 << 20)) and None)
    assert await send(ada, url, form) == "presence"


async def test_a_passkey_put_into_the_database_is_none(street: Street) -> None:
    """Whoever can write to the store and has no key of loaner's cannot make a passkey count for another person."""
    place, ada = await connected(street)
    url, form = await signed_for(place, ada, saying("one"))
    await place.loaner.store.write(lambda c: c.execute(update(passkeys).values(tag="0" * 64)) and None)
    assert await send(ada, url, form) == "no_passkey"


async def test_an_agent_with_a_shell_cannot_approve(street: Street) -> None:
    """The agent shares its person's computer: it reads the link, opens the page like curl, and presses the button."""
    place, ada = await connected(street)
    needed = await place.asked(saying("give me all"))
    async with httpx2.AsyncClient(base_url=place.url, follow_redirects=True, trust_env=False) as curl:
        shown = await curl.get(needed.invitation.url)
        token = pages.read(str(shown.url), 200, shown.text).forms[0].fields["form_token"]
        own = {"Origin": place.url}
        for form in ({}, {"proof": "{}"}, {"proof": json.dumps({"id": "x", "type": "public-key"})}):
            sent = {"form_token": token, "decision": "approve", "remember": "hour"} | form
            answer = await curl.post(needed.invitation.url, data=sent, headers=own)
            assert pages.read(str(answer.url), 200, answer.text).state == "presence"
        # Nor can it bring a passkey of its own, or take the person's away.
        answer = await curl.post("/passkeys", data={"form_token": token}, headers=own)
        assert 'data-passkey="get"' in answer.text, "an old passkey is asked for before a new one is made"
        for step in ("keep", "add"):
            answer = await curl.post(
                "/passkeys", data={"form_token": token, "decision": step, "proof": "{}"}, headers=own
            )
            assert answer.status_code == 403
        (kept,) = await place.loaner.store.read(lambda c: c.execute(select(passkeys.c.id)).scalars().all())
        for proof in ("", "{}"):
            await curl.post(f"/passkeys/{kept}/remove", data={"form_token": token, "proof": proof}, headers=own)
    assert await place.loaner.store.read(lambda c: c.execute(select(passkeys.c.id)).scalars().all()) == [kept]
    assert (await place.refused(saying("give me all"))).code == "consent_required"
    assert ada


async def test_without_presence_the_same_agent_does_approve(street: Street) -> None:
    """What the default leaves open, shown and not hidden; the record says ``local-browser``."""
    place = await street.place()
    alice = await street.visitor(place, "alice")
    await alice.approve((await place.asked(SLACK)).invitation.url)
    await place.carry(SLACK)
    needed = await place.asked(saying("give me all"))
    async with httpx2.AsyncClient(base_url=place.url, follow_redirects=True, trust_env=False) as curl:
        shown = await curl.get(needed.invitation.url)
        token = pages.read(str(shown.url), 200, shown.text).forms[0].fields["form_token"]
        form = {"form_token": token, "decision": "approve"}
        await curl.post(needed.invitation.url, data=form, headers={"Origin": place.url})
    await place.carry(saying("give me all"))
    assert (await place.records(kind="call", tool=SLACK[0], outcome="ok"))[-1]["proven_by"] == "local-browser"


async def test_a_second_passkey_takes_the_first(street: Street) -> None:
    place, ada, _ = await at_home(street)
    (first,) = await place.loaner.store.read(lambda c: c.execute(select(passkeys.c.id)).scalars().all())
    await ada.press("Add another")
    assert await ada.page.locator("form[data-passkey=get]").count() == 1
    await ada.press("Use my passkey")
    assert await ada.page.locator("form[data-passkey=create]").count() == 1
    await ada.page.get_by_role("button", name="Make a passkey").click()
    # The same authenticator refuses to be registered twice, which is the browser's business to tell.
    await ada.page.get_by_text("InvalidStateError").wait_for()
    await ada.open("/passkeys")
    await ada.press("Remove")
    await ada.press("Use my passkey")
    assert "There is none yet" in await ada.text
    assert first
    made = [record["kind"] for record in await place.records() if record["kind"].startswith("passkey")]
    assert made == ["passkey_made", "passkey_removed"], "both are on the record"


async def test_with_a_server_the_first_passkey_belongs_to_who_signed_in(street: Street) -> None:
    place = await street.place(signs_in=True, **WITH_PASSKEY)
    alice, bob = await street.visitor(place, "alice"), await street.visitor(place, "bob")
    await alice.gets_an_authenticator()
    await bob.gets_an_authenticator()
    await alice.makes_a_passkey()
    await bob.open("/passkeys")
    assert "There is none yet" in await bob.text
    needed = await place.asked(GITHUB)
    await alice.open(needed.invitation.url)
    await alice.press("approve")
    await alice.press("Use my passkey")
    assert await alice.state == "provider"
    await alice.connect_github()
    place.pass_time(seconds=6)
    await alice.until("account")
    await alice.is_me()
    await alice.press("Use my passkey")
    await place.carry(GITHUB)
    assert alice.complaints == []


async def test_a_fresh_sign_in_may_stand_for_presence_on_ones_own_computer(street: Street) -> None:
    """``consent.presence = "sign-in"``: an agent's curl is sent to the issuer, where it is nobody."""
    presence = {"presence": "sign-in", "local_person": "user-alice"}
    place = await street.place(consent=presence)
    ada, bob = await street.visitor(place, "alice"), await street.visitor(place, "bob")
    needed = await place.asked(SLACK)
    await bob.open(needed.invitation.url)
    assert "You could not be signed in" in await bob.text, "another person of the same issuer is nobody here"
    async with httpx2.AsyncClient(base_url=place.url, follow_redirects=True, trust_env=False) as curl:
        shown = await curl.get(needed.invitation.url)
        assert "/idp/authorize" in str(shown.url)
        assert "prompt=login&max_age=0" in str(shown.url)
    await ada.open(needed.invitation.url)
    assert await ada.state == "confirm"
    place.pass_time(minutes=6)
    await ada.press("approve")
    assert "/idp/" in ada.page.url, "the sign-in of six minutes ago is too old"
    await ada.press("continue")
    await ada.press("approve")
    await ada.press("allow")
    await ada.is_me()
    assert await ada.state == "approved"
    await place.carry(SLACK)
    (record,) = await place.records(kind="call", tool=SLACK[0], outcome="ok")
    assert record["proven_by"] == "sign-in"
