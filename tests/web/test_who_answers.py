"""The person who answers is the person the agent works for: sign-in, links that travel, answers that come back."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import jwt
import pytest

from house import BASES, ISSUER, OURS, POST, READ, Browser, House, caller, subject
from loaner.peers import PeerBucket, PerPeer
from loaner.store.tables import consents, grants, web_sessions
from loaner.web import sessions, throttle

PEOPLE = ("alice", "bob")


async def signed_in(house: House, person: str) -> Browser:
    browser = house.browser(slack=person, linear=person, github=person)
    await browser.sign_in(person)
    return browser


async def test_nothing_is_shown_before_signing_in(shared_house: House) -> None:
    """MUST 22: and the browser comes back to the question afterwards."""
    needed = await shared_house.asked(POST, caller(subject("alice")))
    browser = shared_house.browser()
    await browser.open(needed.invitation.url)
    assert browser.page.url.startswith(f"{ISSUER}/authorize")
    assert "releases" not in browser.text
    await browser.press("yes", login="alice")
    await browser.press("continue")
    assert browser.page.url == needed.invitation.url
    assert browser.state == "confirm"
    assert "you are alice" in browser.text


async def test_sign_ins_that_nobody_finishes_do_not_pile_up(
    shared_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest give way, so that those who come later are let in."""
    monkeypatch.setattr(sessions, "MOST_SIGNING_IN", 3)
    alice = await signed_in(shared_house, "alice")
    late = shared_house.browser(github="bob")
    for _ in range(6):
        shared_house.pass_time(seconds=1)
        await shared_house.browser().open("/")
    await late.sign_in("bob")
    begun = [row for row in await shared_house.rows(web_sessions) if row["subject"] is None]
    assert len(begun) <= 3
    await alice.open("/")
    assert "/authorize" not in alice.page.url, "who is signed in stays so"


async def test_one_persons_wrong_codes_lock_nobody_else_out(
    shared_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MUST 19, 63: nor do everybody's together; a right code is looked up first, and a wrong one always counts."""
    monkeypatch.setattr(throttle, "PER_PERSON", 3)
    monkeypatch.setattr(throttle, "IN_ALL", 4)
    needed = await shared_house.asked(POST, caller(subject("alice")))

    async def tries(who: str, code: str) -> int:
        browser = await signed_in(shared_house, who)
        await browser.open("/device")
        return (await browser.press("Continue", user_code=code)).status_code

    assert [await tries("bob", "BCDF-GHJK") for _ in range(5)] == [422, 422, 422, 429, 429]
    assert [await tries("alice", "BCDF-GHJK") for _ in range(2)] == [422, 429]
    assert await tries("alice", needed.invitation.user_code) == 200
    assert await tries("alice", "BCDF-GHJK") == 429
    assert await tries("alice", needed.invitation.user_code) == 429, "what was one too many for all counted for her"


async def test_sign_ins_that_one_peer_begins_are_counted(shared_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """MUST 63: each is a row, and nobody has to prove anything to begin one."""
    counted = PerPeer(2)
    monkeypatch.setattr(PerPeer, "take", lambda _, address: PeerBucket.take(counted.bucket(address), 1))
    answers = [await shared_house.browser().http.get(f"{OURS}/signin") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429], "sent on to the issuer, or not"
    assert int(answers[2].headers["retry-after"]) > 0


@pytest.mark.parametrize("asker", PEOPLE)
@pytest.mark.parametrize("visitor", PEOPLE)
async def test_only_the_person_who_was_asked_sees_and_answers(shared_house: House, asker: str, visitor: str) -> None:
    """MUST 15, 22: a forwarded link shows nothing, and what it shows is what an invented one shows."""
    needed = await shared_house.asked(POST, caller(subject(asker)))
    browser = await signed_in(shared_house, visitor)
    await browser.open(needed.invitation.url)
    if asker == visitor:
        assert browser.state == "confirm"
        return
    theirs = browser.answer
    invented = await browser.open(f"/consent/{'x' * 32}")
    assert theirs is not None
    assert (theirs.status_code, theirs.text) == (invented.status_code, invented.text)
    assert browser.state == "wrong_person"
    token = await form_token(browser)
    for decision in ("approve", "deny"):
        await browser.http.post(
            needed.invitation.url, data={"form_token": token, "decision": decision}, headers={"Origin": OURS}
        )
    assert [row["state"] for row in await shared_house.rows(consents)] == ["pending"]


async def test_a_code_of_somebody_else_is_as_wrong_as_any(shared_house: House) -> None:
    """MUST 15, 19: one uniform answer."""
    needed = await shared_house.asked(POST, caller(subject("alice")))
    bob = await signed_in(shared_house, "bob")
    answers = []
    for code in (needed.invitation.user_code, "BCDF-GHJK"):
        await bob.open("/device")
        answer = await bob.press("Continue", user_code=code)
        answers.append((answer.status_code, answer.text))
    assert answers[0] == answers[1]
    alice = await signed_in(shared_house, "alice")
    await alice.open("/device")
    await alice.press("Continue", user_code=needed.invitation.user_code.lower().replace("-", " "))
    assert alice.state == "confirm"


async def test_an_answer_of_the_provider_lands_only_in_the_browser_that_left(shared_house: House) -> None:
    """MUST 22, 30: Alice sends Bob the provider's page; his yes does not become her grant."""
    needed = await shared_house.asked(READ, caller(subject("alice")))
    alice, bob = await signed_in(shared_house, "alice"), await signed_in(shared_house, "bob")
    await alice.open(needed.invitation.url)
    await alice.press("approve")
    await bob.open(alice.page.url)
    await bob.press("allow")
    assert bob.state == "wrong_person"
    assert await shared_house.rows(grants) == []


async def test_another_browser_of_the_same_person_cannot_finish_the_redirect(shared_house: House) -> None:
    """MUST 22, 30: the state belongs to one browser session."""
    needed = await shared_house.asked(READ, caller(subject("alice")))
    first, second = await signed_in(shared_house, "alice"), await signed_in(shared_house, "alice")
    await first.open(needed.invitation.url)
    await first.press("approve")
    await second.open(first.page.url)
    await second.press("allow")
    assert second.state == "wrong_person"
    assert await shared_house.rows(grants) == []


@pytest.mark.parametrize(("iss", "state"), [("https://evil.example", "failed"), (BASES["slack"]["web"], "approved")])
async def test_an_answer_that_names_another_issuer_ends_the_question(shared_house: House, iss: str, state: str) -> None:
    """MUST 30: RFC 9207, against mix-up; the code itself is good."""
    needed = await shared_house.asked(READ, caller(subject("alice")))
    alice = await signed_in(shared_house, "alice")
    await alice.open(needed.invitation.url)
    await alice.press("approve")
    alice.http.follow_redirects = False
    back = (await alice.press("allow")).headers["location"]
    alice.http.follow_redirects = True
    await alice.open(f"{back}&{urlencode({'iss': iss})}")
    await alice.is_me()
    assert alice.state == state
    assert len(await shared_house.rows(grants)) == (state == "approved")


async def test_a_session_that_changed_hands_finishes_nothing(shared_house: House) -> None:
    """MUST 22: the person is compared as well as the browser, should a session ever outlive its person."""
    needed = await shared_house.asked(READ, caller(subject("alice")))
    asked = await shared_house.consents.question(needed.invitation.handle, subject("alice"))
    assert asked
    leads_to = await shared_house.consents.approve(asked, remember="once", proven_by="oidc", session="s")
    answer = {"state": parse_qs(urlsplit(leads_to or "").query)["state"][0], "error": "access_denied"}
    consents_of = shared_house.consents.returned
    assert await consents_of("slack", answer, session="s", subject=subject("bob")) is None
    assert await consents_of("slack", answer, session="s", subject=subject("alice")) == asked.handle


async def test_a_state_of_one_provider_is_unknown_at_the_door_of_another(shared_house: House) -> None:
    """MUST 30."""
    needed = await shared_house.asked(READ, caller(subject("alice")))
    alice = await signed_in(shared_house, "alice")
    await alice.open(needed.invitation.url)
    await alice.press("approve")
    state = parse_qs(urlsplit(alice.page.url).query)["state"][0]
    await alice.open("/callback/linear", params={"state": state, "code": "c"})
    assert alice.state == "wrong_person"


async def test_only_hashes_of_codes_cookies_and_states_are_stored(shared_house: House) -> None:
    """MUST 18, 55."""
    needed = await shared_house.asked(READ, caller(subject("alice")))
    alice = await signed_in(shared_house, "alice")
    await alice.open(needed.invitation.url)
    await alice.press("approve")
    state = parse_qs(urlsplit(alice.page.url).query)["state"][0]
    cookie = alice.http.cookies["loaner-8787"]
    stored = repr([await shared_house.rows(table) for table in (consents, web_sessions)])
    for secret in (state, cookie, needed.invitation.user_code, needed.invitation.user_code.replace("-", "")):
        assert secret not in stored


async def test_signing_in_gives_the_browser_a_new_session(shared_house: House) -> None:
    """A cookie planted before sign-in is worth nothing after it (session fixation)."""
    browser = shared_house.browser()
    await browser.open("/signin")
    planted = browser.http.cookies["loaner-8787"]
    await browser.press("yes", login="alice")
    await browser.press("continue")
    assert browser.http.cookies["loaner-8787"] != planted
    assert all(row["subject"] for row in await shared_house.rows(web_sessions))
    thief = shared_house.browser()
    thief.http.cookies.set("loaner-8787", planted, domain="127.0.0.1")
    await thief.open("/")
    assert thief.page.url.startswith(f"{ISSUER}/authorize")


async def test_a_sign_in_that_was_only_begun_signs_nobody_out(shared_house: House) -> None:
    """Any site can link to it; and the issuer may be away, or the person turn back."""
    alice = await signed_in(shared_house, "alice")
    cookie = alice.http.cookies["loaner-8787"]
    await alice.open("/signin", headers={"Sec-Fetch-Site": "cross-site"})
    assert alice.page.url.startswith(f"{ISSUER}/authorize")
    state = parse_qs(urlsplit(alice.page.url).query)["state"][0]
    await alice.open("/")
    assert alice.page.url == f"{OURS}/"
    await alice.open("/signin/callback", params={"state": state, "error": "access_denied"})
    assert alice.page.status == 403
    await alice.open("/")
    assert alice.page.url == f"{OURS}/"
    assert alice.http.cookies["loaner-8787"] == cookie


async def test_signing_in_anew_ends_the_session_that_was_there(shared_house: House) -> None:
    alice = await signed_in(shared_house, "alice")
    before = alice.http.cookies["loaner-8787"]
    await alice.open("/signin")
    await alice.press("continue")
    assert alice.page.url == f"{OURS}/"
    assert alice.http.cookies["loaner-8787"] != before
    assert len(await shared_house.rows(web_sessions)) == 1


async def test_a_sign_in_comes_back_once_and_to_its_own_browser(shared_house: House) -> None:
    alice, other = shared_house.browser(), shared_house.browser()
    await alice.open("/signin")
    await alice.press("yes", login="alice")
    alice.http.follow_redirects = False
    back = (await alice.press("continue")).headers["location"]
    await other.open("/signin")
    assert (await other.open(back)).status_code == 403
    assert (await alice.open(back)).status_code == 303
    assert (await alice.open(back)).status_code == 403


async def test_a_sign_in_that_another_issuer_answers_signs_nobody_in(shared_house: House) -> None:
    """MUST 30: RFC 9207; code and state are good."""
    alice = shared_house.browser()
    await alice.open("/signin")
    await alice.press("yes", login="alice")
    alice.http.follow_redirects = False
    back = (await alice.press("continue")).headers["location"]
    url = httpx2.URL(back).copy_set_param("iss", "https://evil.example")
    assert (await alice.open(str(url))).status_code == 403
    assert "could not be signed in" in alice.text
    assert [row for row in await shared_house.rows(web_sessions) if row["subject"]] == []


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example/", "/\\evil.example", "/consent/../x", "x"])
async def test_signing_in_leads_back_to_our_own_pages_only(shared_house: House, to: str) -> None:
    browser = shared_house.browser()
    await browser.open("/signin", params={"to": to})
    await browser.press("yes", login="alice")
    await browser.press("continue")
    assert browser.page.url == f"{OURS}/"


async def test_signing_out_ends_the_session(shared_house: House) -> None:
    alice = await signed_in(shared_house, "alice")
    cookie = alice.http.cookies["loaner-8787"]
    await alice.open("/")
    await alice.press("signout")
    alice.http.cookies.set("loaner-8787", cookie, domain="127.0.0.1")
    await alice.open("/")
    assert alice.page.url.startswith(ISSUER)


@pytest.mark.parametrize(
    "wrong",
    [
        {"claims": {"nonce": "another"}},
        {"claims": {"nonce": None}},
        {"claims": {"aud": "another-client"}},
        {"claims": {"aud": ["loaner-web", "another-client"], "azp": "another-client"}},
        {"claims": {"iss": "https://evil.example"}},
        {"claims": {"exp": 1}},
        {"claims": {"exp": None}},
        {"claims": {"iat": 99_999_999_999}},
        {"claims": {"sub": ""}},
        {"claims": {"sub": None}},
        {"header": {"alg": "none"}},
        {"header": {"alg": "HS256"}},
        {"header": {"typ": "at+jwt"}},
        {"header": {"kid": "another"}},
        {"signed_by": "stranger"},
        {},
    ],
    ids=str,
)
async def test_a_wrong_id_token_signs_nobody_in(shared_house: House, wrong: dict[str, Any]) -> None:
    """MUST 3-5 at the pages: nonce, audience, issuer, times, subject, algorithm, type and key are all checked."""
    issuer = shared_house.transport.wire.transport

    async def tampered(request: httpx2.Request) -> httpx2.Response:
        answer = await issuer.handle_async_request(request)
        await answer.aread()
        claims = jwt.decode(answer.json()["id_token"], options={"verify_signature": False}) | wrong.get("claims", {})
        asked = {"user": "alice", "agent": "x", "audience": "loaner-web", **wrong, "claims": claims}
        asked["header"] = {"typ": "JWT"} | wrong.get("header", {})
        token = await browser.http.post(f"{ISSUER}/sandbox/token", json=asked)
        body = json.dumps({"id_token": token.json()["access_token"]}).encode()
        return httpx2.Response(200, stream=httpx2.ByteStream(body), headers={"Content-Type": "application/json"})

    shared_house.transport.wire.transport = httpx2.MockTransport(tampered)
    browser = shared_house.browser()
    await browser.open("/signin")
    await browser.press("yes", login="alice")
    await browser.press("continue")
    signed_in = [row for row in await shared_house.rows(web_sessions) if row["subject"]]
    if not wrong:  # the tampering by itself is no reason to refuse
        assert signed_in
        return
    assert browser.page.status == 403
    assert "could not be signed in" in browser.text
    assert signed_in == []


async def form_token(browser: Browser) -> str:
    await browser.open("/device")
    return browser.page.forms[0].fields["form_token"]
