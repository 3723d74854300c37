"""Three people, and every route that takes something of one of them: it serves its owner and nobody else.

The routes come from the app itself, so a new one fails here until it says what it carries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from starlette.routing import Route

from house import OURS, POST, Browser, House, caller, subject
from loaner.audit import Audit
from loaner.consent.tasks.proposal import Proposal
from loaner.errors import ConsentNeeded
from loaner.identity.caller import Caller
from loaner.store import tags
from loaner.store.tables import approvals, consents, grants, passkeys, pauses, tasks, web_sessions

LINEAR = ("linear_create_comment", {"issueId": "ENG-1", "body": "Looking into it"})
OWNERS = ("alice", "bob", "an invention")
VISITORS = ("alice", "bob", "nobody")
NOTHING = frozenset(
    {
        "GET /device",
        "GET /signin",
        "GET /static/loaner.css",
        "GET /static/loaner.svg",
        "GET /static/passkey.js",
        "GET /.well-known/loaner",
    }
)
"""Routes that take nothing of anybody: the same for all."""


@dataclass
class Things:
    """What one person has, each with a name or a code that somebody else may come to know."""

    owner: str
    browser: Browser
    handle: str = ""
    code: str = ""
    task_handle: str = ""
    task: str = ""
    ended: str = ""
    grant: str = ""
    approval: str = ""
    callback: str = ""
    record: int = 0
    text: int = 0
    passkey: str = ""
    pause: str = ""

    @property
    def mark(self) -> str:
        """Stands in whatever is shown of this person's."""
        return f"canary of {self.owner}"


Try = Callable[[Browser, Things], Awaitable[httpx2.Response]]


def get(path: str) -> Try:
    return lambda browser, things: browser.http.get(path.format(**vars(things)))


def post(path: str, **form: str) -> Try:
    async def tried(browser: Browser, things: Things) -> httpx2.Response:
        page = await browser.open("/device")
        fields = browser.page.forms[0].fields if page.status_code == 200 and browser.page.forms else {}
        sent = {
            "form_token": fields.get("form_token", ""),
            **{key: value.format(**vars(things)) for key, value in form.items()},
        }
        return await browser.http.post(path.format(**vars(things)), data=sent, headers={"Origin": OURS})

    return tried


TAKES: dict[str, tuple[str, Try]] = {
    # route: (what it takes, how somebody uses it); in this order one's own can all be tried
    "GET /consent/{handle}": ("handle", get("/consent/{handle}")),
    "GET /consent/{handle}/whole/{place}": ("handle", get("/consent/{handle}/whole/{text}")),
    "POST /consent/{handle}/whole/{place}": ("handle", post("/consent/{handle}/whole/{text}")),
    "GET /task/{handle}": ("handle", get("/task/{task_handle}")),
    "GET /": ("session", get("/")),
    "GET /activity": ("session", get("/activity")),
    "GET /activity/{number}": ("number of a record", get("/activity/{record}")),
    "GET /passkeys": ("session", get("/passkeys")),
    "POST /device": ("code", post("/device", user_code="{code}")),
    "GET /callback/{provider}": ("callback state", get("{callback}")),
    "POST /consent/{handle}": ("handle", post("/consent/{handle}", decision="deny")),
    "POST /task/{handle}": ("handle", post("/task/{task_handle}", decision="deny")),
    "POST /tasks/{id}/end": ("name of a task", post("/tasks/{task}/end")),
    "POST /tasks/{id}/let-go": ("name of a task", post("/tasks/{ended}/let-go")),
    "POST /approvals/{id}/end": ("name of an approval", post("/approvals/{approval}/end")),
    "POST /pauses/{id}/lift": ("name of a pause", post("/pauses/{pause}/lift")),
    "POST /passkeys/{id}/remove": ("name of a passkey", post("/passkeys/{passkey}/remove")),
    "POST /grants/{id}/revoke": ("name of a grant", post("/grants/{grant}/revoke")),
    "POST /passkeys": ("session", post("/passkeys")),
    "GET /connect": ("session", get("/connect")),
    "POST /connect/{connector}": ("session", post("/connect/slack-dev")),
    "POST /signout": ("session", post("/signout")),
}


def test_every_route_says_what_it_takes(shared_house: House) -> None:
    """MUST 15: a new route is refused here until it is tried below, or takes nothing of anybody."""
    served = {str(route.name) for route in shared_house.app.routes if isinstance(route, Route)}
    assert served == TAKES.keys() | NOTHING | {"GET /signin/callback"}  # tried by itself, below


async def things_of(house: House, owner: str) -> Things:
    """Somebody with a question, a code, a task proposed and one agreed, a grant, an approval, a passkey, and answers
    of a provider and of the issuer that are on their way back."""
    browser = house.browser(slack=owner, linear=owner, github=owner)
    await browser.sign_in(owner)
    things, who = Things(owner, browser), caller(subject(owner), agent=f"canary of {owner}")
    await browser.approve((await house.asked(POST, who)).invitation.url)
    mine = await house.consents.standing(subject(owner))
    things.record = (await Audit(house.store, house.now).tail(1, subject=subject(owner).key))[0].seq
    things.grant, things.approval = mine.connected[0].id, mine.approved[0].id
    refused = await house.asked((POST[0], POST[1] | {"channel": "#general"}), who)
    await browser.open(refused.invitation.url)
    await browser.press("deny")
    things.pause = (await house.consents.standing(subject(owner))).paused[0].id
    await browser.open(f"/task/{await proposed(house, who, 15)}")
    await browser.press("approve")
    things.ended = (await house.consents.tasks.end(who, None))[0].id
    await browser.open(f"/task/{await proposed(house, who, 10)}")
    await browser.press("approve")
    things.task = (await house.consents.tasks.of_person(subject(owner)))[0].task.id
    things.task_handle = await proposed(house, who, 20)
    asked = (await house.asked((POST[0], POST[1] | {"text": things.mark}), who)).invitation
    things.handle, things.code = asked.handle, asked.user_code
    things.passkey = f"passkey-of-{owner}"
    values = {"id": things.passkey, "subject": subject(owner).key, "public_key": b"", "sign_count": 0}
    await house.store.write(lambda c: tags.add(c, passkeys, values | {"created_at": house.now()}))
    browser.http.follow_redirects = False
    another = caller(subject(owner), agent=f"another canary of {owner}")  # one agent has not all places
    url = (await house.asked(LINEAR, another)).invitation.url
    await browser.open(url)
    at_linear = await browser.press("approve")
    browser.http.follow_redirects = True
    await browser.open(at_linear.headers["location"])
    browser.http.follow_redirects = False
    things.callback = (await browser.press("allow")).headers["location"]
    browser.http.follow_redirects = True
    return things


async def proposed(house: House, who: Caller, minutes: int) -> str:
    """A task of this person's agent, as a question; its handle."""
    wanted = {
        "purpose": f"{who.agent.name} in a task",
        "operations": [{"tool": "slack_read_channel"}],
        "resources": ["#releases"],
        "minutes": minutes,
    }
    with pytest.raises(ConsentNeeded) as asked:
        await house.consents.tasks.propose(who, Proposal.of(wanted))
    return asked.value.invitation.handle


def invented(like: Things) -> Things:
    """Names and codes of the same shape that nobody has."""
    return Things(
        "an invention",
        like.browser,
        handle="x" * len(like.handle),
        code="BCDF-GHJK",
        task_handle="y" * len(like.task_handle),
        task="0" * 32,
        ended="3" * 32,
        grant="0" * 32,
        approval="1" * 32,
        callback="/callback/linear?code=x&state=y",
        passkey="z",
        pause="2" * 64,
        record=10**6,
    )


async def rows_of(house: House, person: str) -> list[Any]:
    """Everything that is somebody's, but for their sessions, which every visit may begin."""
    key = subject(person).key
    kept = [[row for row in await house.rows(one) if row["subject"] == key] for one in (consents, grants, approvals)]
    more = [[row for row in await house.rows(one) if row["subject"] == key] for one in (tasks, passkeys, pauses)]
    return [*kept, *more, [one for one in house.revoked if one in {row["id"] for row in kept[1]}]]


async def test_what_is_somebodys_serves_nobody_else(shared_house: House) -> None:
    """MUST 2, 15, 22: 3 × 3 on every route, Alice's, Bob's and invented things by Alice, Bob and nobody. Only what is
    one's own does or shows anything; another's is as unknown as the invented, down to the answer's last letter."""
    things = {name: await things_of(shared_house, name) for name in ("alice", "bob")}
    things["an invention"] = invented(things["alice"])
    browsers = {"alice": things["alice"].browser, "bob": things["bob"].browser, "nobody": shared_house.browser()}
    tries = 0
    before = {person: await rows_of(shared_house, person) for person in ("alice", "bob")}
    for route, (takes, tried) in TAKES.items():
        if takes == "session":
            continue
        for visitor in VISITORS:
            answers = {}
            for owner in OWNERS:
                if owner != visitor:
                    answer = await tried(browsers[visitor], things[owner])
                    is_ours = str(answer.url).startswith(OURS)  # else it is the issuer's, who asks for a sign-in
                    answers[owner] = (answer.status_code, answer.text if is_ours else "somebody has to sign in")
                    assert "canary of" not in answer.text, f"{route}: {visitor} sees what is {owner}'s"
                    tries += 1
            assert len(set(answers.values())) == 1, f"{route}: {visitor} can tell what exists"
    assert before == {person: await rows_of(shared_house, person) for person in ("alice", "bob")}
    for route, (_, tried) in TAKES.items():  # and now each their own, or all of this shows nothing
        for person, other in (("alice", "bob"), ("bob", "alice")):
            earlier = {one: await rows_of(shared_house, one) for one in ("alice", "bob")}
            answer = await tried(browsers[person], things[person])
            later = {one: await rows_of(shared_house, one) for one in ("alice", "bob")}
            assert f"canary of {other}" not in answer.text, f"{route}: {person} sees what is {other}'s"
            assert earlier[other] == later[other], f"{route}: {person} changed what is {other}'s"
            served = earlier != later or f"canary of {person}" in answer.text
            assert served or route in SEEN_OTHERWISE, f"{route} does nothing for {person}"
            tries += 1
    assert tries == 15 * 7 + len(TAKES) * 2


SEEN_OTHERWISE = {
    "POST /device",  # leads to the question
    "POST /passkeys/{id}/remove",  # answers with a challenge, met in a real browser
    "POST /passkeys",
    "GET /passkeys",
    "GET /connect",
    "POST /signout",
}
"""Routes whose service to their owner leaves no trace in the rows and shows no name; other tests are about it."""


async def test_an_answer_of_the_issuer_is_for_the_browser_that_left(shared_house: House) -> None:
    """MUST 15, 22, 30: Alice's way back from signing in signs nobody else in, and not even Alice elsewhere."""
    alice, bob = shared_house.browser(), shared_house.browser()
    await alice.open("/signin")
    await alice.press("yes", login="alice")
    alice.http.follow_redirects = False
    back = (await alice.press("continue")).headers["location"]
    await bob.sign_in("bob")
    alice_elsewhere = shared_house.browser()
    await alice_elsewhere.sign_in("alice")
    for browser in (bob, alice_elsewhere, shared_house.browser()):
        assert (await browser.http.get(back)).status_code == 403
    signed_in = [row["subject"] for row in await shared_house.rows(web_sessions) if row["subject"]]
    assert sorted(signed_in) == sorted([subject("bob").key, subject("alice").key]), "each by their own sign-in"
    assert (await alice.http.get(back)).status_code == 303


@pytest.mark.parametrize("guesses", [500, pytest.param(10_000, marks=pytest.mark.soak)])
async def test_a_code_guessed_ten_thousand_times_is_not_found(shared_house: House, guesses: int) -> None:
    """MUST 19: five tries a session and a hundred in all; the right one, guessed late, is not looked at either."""
    alice = caller(subject("alice"))
    code = (await shared_house.asked(POST, alice)).invitation.user_code
    outcomes: Counter[int] = Counter()
    browser = shared_house.browser()
    token = ""
    for turn in range(guesses):
        if turn % (guesses // 25) == 0:  # twenty-five sessions of the very person whose code it is
            browser = shared_house.browser()
            await browser.sign_in("alice")
            await browser.open("/device")
            token = browser.page.forms[0].fields["form_token"]
        guess = (
            code
            if turn % (guesses // 25) == 19
            else f"BCDF{turn:04d}".translate(str.maketrans("0123456789", "GHJKLMNPQR"))
        )
        answer = await browser.http.post(
            "/device", data={"form_token": token, "user_code": guess}, headers={"Origin": OURS}, follow_redirects=False
        )
        outcomes[answer.status_code] += 1
    assert outcomes == {422: 100, 429: guesses - 100}
    assert [row["state"] for row in await shared_house.rows(consents)] == ["pending"]
