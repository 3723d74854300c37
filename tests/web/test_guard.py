"""What no page does: change anything by GET, take a form of another site, be framed, answer to another name."""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from sqlalchemy import update
from starlette.responses import Response
from starlette.routing import Route

from house import BASES, OURS, POST, READ, Browser, House, caller
from loaner.cli import _listening
from loaner.store.tables import consents, metadata, web_sessions
from loaner.web import sessions
from loaner.web.sessions import Session, set_cookie

GETS = ("/", "/activity", "/device", "/consent/{handle}", "/.well-known/loaner", "/static/loaner.css", "/nowhere")
PLACES = {"place": "0", "provider": "slack", "number": "1"}


async def state_of(house: House) -> list[Any]:
    """Every table but that of the browsers."""
    return [await house.rows(table) for table in metadata.sorted_tables if table is not web_sessions]


async def test_a_hundred_visits_of_bots_change_nothing(local: House) -> None:
    """MUST 23: GET is inert, also with the query of an answer. A form that was sent shows that a person is there."""
    needed = await local.asked((POST[0], POST[1] | {"text": "x" * 30_000, "format": "mrkdwn"}))
    gets = [route.path for route in local.app.routes if isinstance(route, Route) and "GET" in (route.methods or ())]
    before = await state_of(local)
    bot = local.browser()
    for turn in range(100):
        path = gets[turn % len(gets)].format(handle=needed.invitation.handle, **PLACES)
        await bot.open(path, params={"decision": "approve", "remember": "hour"}, headers={"User-Agent": "bot"})
    assert await state_of(local) == before
    assert not await local.consents.reaches_person(caller())
    refused = await form(bot, needed.invitation.url) | {"decision": "deny"}
    await bot.http.post(needed.invitation.url, data=refused, headers={"Origin": OURS})
    assert await local.consents.reaches_person(caller())


async def form(browser: Browser, url: str) -> dict[str, str]:
    await browser.open(url)
    return browser.page.forms[0].fields | {"decision": "approve"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8900"},
        {"Origin": "http://localhost:8787"},
        {"Origin": OURS + ".evil.example"},
        {},
        {"Sec-Fetch-Site": "cross-site", "Origin": OURS},
        {"Sec-Fetch-Site": "same-site", "Origin": OURS},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    ],
    ids=str,
)
async def test_a_form_of_another_site_is_refused(local: House, headers: dict[str, str]) -> None:
    """MUST 25: even with the right token and cookie."""
    needed = await local.asked(POST)
    browser = local.browser()
    fields = await form(browser, needed.invitation.url)
    before = await state_of(local)
    answer = await browser.http.post(needed.invitation.url, data=fields, headers=headers)
    assert answer.status_code == 403
    assert await state_of(local) == before


@pytest.mark.parametrize(
    "headers",
    [{"Origin": OURS}, {"Origin": "null", "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "same-origin"}],
    ids=str,
)
async def test_a_form_of_our_own_is_taken(local: House, headers: dict[str, str]) -> None:
    """MUST 26: sent on by 303 alone. Browsers say Origin null where there is no referrer; Fetch Metadata tells."""
    needed = await local.asked(POST)
    browser = local.browser()
    fields = await form(browser, needed.invitation.url) | {"decision": "deny"}
    browser.http.follow_redirects = False
    assert (await browser.http.post(needed.invitation.url, data=fields, headers=headers)).status_code in {200, 303}
    assert [row["state"] for row in await local.rows(consents)] == ["denied"]


@pytest.mark.parametrize("token", [None, "", "0" * 64, "another browser's"])
async def test_a_form_without_the_token_of_this_browser_is_refused(local: House, token: str | None) -> None:
    """MUST 25."""
    needed = await local.asked(POST)
    other = await form(local.browser(), needed.invitation.url)
    browser = local.browser()
    fields = await form(browser, needed.invitation.url)
    fields["form_token"] = other["form_token"] if token == "another browser's" else token or ""
    if token is None:
        del fields["form_token"]
    answer = await browser.http.post(needed.invitation.url, data=fields, headers={"Origin": OURS})
    assert answer.status_code == 403
    assert [row["state"] for row in await local.rows(consents)] == ["pending"]


async def test_a_form_without_a_cookie_is_refused(local: House) -> None:
    needed = await local.asked(POST)
    fields = await form(local.browser(), needed.invitation.url)
    answer = await local.browser().http.post(needed.invitation.url, data=fields, headers={"Origin": OURS})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:8788", "localhost:8787", "127.0.0.1:8787.evil"]
)
async def test_no_page_answers_to_another_host(local: House, host: str) -> None:
    """MUST 1: DNS rebinding."""
    needed = await local.asked(POST)
    for path in ("/", "/device", needed.invitation.url, "/.well-known/loaner"):
        answer = await local.browser().open(path, headers={"Host": host})
        assert answer.status_code == 421
        assert "releases" not in answer.text


async def test_a_page_of_a_local_loaner_is_for_this_computer(local: House) -> None:
    """MUST 2: another computer that reaches the port is nobody."""
    needed = await local.asked(POST)
    far = httpx2.ASGITransport(app=local.app, client=("203.0.113.9", 1))
    async with httpx2.AsyncClient(transport=far, base_url=OURS, follow_redirects=True) as http:
        answer = await http.get(needed.invitation.url)
    assert "releases" not in answer.text
    assert answer.status_code == 403


async def test_every_answer_carries_the_headers(local: House) -> None:
    """MUST 26."""
    needed = await local.asked(READ)
    browser = local.browser()
    for path in (*GETS, "/consent/unknown", "/callback/slack?state=x", "/signin", "/signin/callback"):
        answer = await browser.open(path.format(handle=needed.invitation.handle))
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'")
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert "script-src" not in policy
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert ("no-store" in answer.headers["cache-control"]) is (path != "/static/loaner.css")


async def test_only_a_page_that_leads_to_the_provider_may_post_there(local: House) -> None:
    """MUST 26: form-action names the provider on this page and on no other."""
    provider = BASES["slack"]["web"].removesuffix("/slack")
    needed = await local.asked(READ)
    browser = local.browser(slack="alice")
    await browser.open(needed.invitation.url)
    assert browser.answer is not None
    assert f"form-action 'self' {provider};" in browser.answer.headers["content-security-policy"]
    await browser.open("/")
    assert "form-action 'self';" in browser.answer.headers["content-security-policy"]


async def test_the_cookie_is_kept_from_scripts_and_other_sites(local: House) -> None:
    """MUST 25."""
    answer = await local.browser().open("/")
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("loaner-8787=")
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "domain" not in cookie
    over_tls = cookies_of("https://loaner.example")
    assert over_tls.startswith("__host-loaner=")
    assert {"secure", "path=/", "httponly", "samesite=lax"} == set(over_tls.split("; ")[1:]), "what __Host- asks for"


def cookies_of(base_url: str) -> str:
    response, now = Response(), datetime.now(UTC)
    set_cookie(response, Session("b", None, "", "none", 0, None, now), base_url)
    return response.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"form_token=" + b"x" * 20_000, "application/x-www-form-urlencoded", 413),
        (b"&".join(b"a=1" for _ in range(200)), "application/x-www-form-urlencoded", 400),
        (b"\xff=\xff", "application/x-www-form-urlencoded", 400),
        (b"{}", "application/json", 415),
        (b"form_token=x", "text/plain", 415),
    ],
)
async def test_a_form_that_is_none_is_refused_plainly(local: House, body: bytes, kind: str, status: int) -> None:
    """MUST 63."""
    browser = local.browser()
    await browser.open("/device")
    headers = {"Origin": OURS, "Content-Type": kind}
    answer = await browser.http.post("/device", content=body, headers=headers)
    assert answer.status_code == status
    assert "Traceback" not in answer.text


async def test_a_failure_inside_shows_a_reference_and_nothing_else(
    local: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """MUST 60."""

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the secret is canary-7")

    monkeypatch.setattr(local.consents, "standing", broken)
    answer = await local.browser().open("/")
    assert answer.status_code == 500
    assert "ref " in answer.text
    assert "canary-7" not in answer.text + "".join(capsys.readouterr())


async def test_many_wrong_codes_at_once_share_the_five_tries(local: House) -> None:
    """MUST 19: per session, and in all for one who takes new sessions."""
    needed = await local.asked(POST)
    browser = local.browser()
    await browser.open("/device")
    token = browser.page.forms[0].fields["form_token"]
    statuses: list[int] = []

    async def guess(code: str) -> None:
        fields = {"form_token": token, "user_code": code}
        statuses.append((await browser.http.post("/device", data=fields, headers={"Origin": OURS})).status_code)

    async with anyio.create_task_group() as group:
        for turn in range(12):
            group.start_soon(guess, f"BCDF-GHJ{'BCDFGHJKLMNP'[turn]}")
    assert sorted(statuses) == [422] * 5 + [429] * 7
    await guess(needed.invitation.user_code)
    assert statuses[-1] == 429


async def test_new_sessions_give_no_endless_tries(local: House) -> None:
    """MUST 19: at most a hundred wrong codes in the life of a code, then the right one waits too."""
    needed = await local.asked(POST)
    refused = 0
    for turn in range(120):
        browser = local.browser()
        await browser.open("/device")
        answer = await browser.press("Continue", user_code=f"BCDF-{turn:04d}")
        refused += answer.status_code == 429
    assert refused == 20
    local.pass_time(minutes=5)
    fresh = local.browser()
    await fresh.open("/device")
    assert (await fresh.press("Continue", user_code=needed.invitation.user_code)).status_code == 429
    local.pass_time(minutes=6)
    again = await local.refused(POST)
    assert again.code == "consent_expired"
    again_needed = await local.asked(POST)
    await fresh.open("/device")
    await fresh.press("Continue", user_code=again_needed.invitation.user_code)
    assert fresh.state == "confirm"


async def test_sessions_of_one_person_do_not_pile_up(local: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """MUST 63: on a local loaner every visit without a cookie begins one."""
    monkeypatch.setattr(sessions, "MOST_OF_ONE", 3)
    for _ in range(8):
        local.pass_time(seconds=1)
        newest = local.browser()
        await newest.open("/")
    assert len(await local.rows(web_sessions)) == 3
    await newest.open("/activity")
    assert newest.page.url.endswith("/activity")


async def test_right_codes_use_up_no_tries(local: House) -> None:
    needed = await local.asked(POST)
    browser = local.browser()
    for _ in range(8):
        await browser.open("/device")
        await browser.press("Continue", user_code=needed.invitation.user_code)
        assert browser.state == "confirm"


async def test_a_cookie_does_not_let_another_user_of_this_computer_in(
    local: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MUST 26: a browser sends its cookie to every port, also to one that another user listens on. So who connects is
    looked at on every request: every page, every form, every file."""
    needed = await local.asked(POST)
    browser = local.browser()
    await browser.open(needed.invitation.url)
    form = {"form_token": browser.page.forms[0].fields["form_token"], "decision": "approve", "remember": "hour"}
    monkeypatch.setattr("loaner.web.identity.is_another_user", lambda *_: True)
    tried = set()
    for route in local.app.routes:
        assert isinstance(route, Route)
        path = re.sub(r"\{(\w+)\}", needed.invitation.handle, route.path)
        for method in (route.methods or set()) - {"HEAD"}:
            tried.add(f"{method} {route.path}")
            answer = await browser.http.request(method, path, data=form if method == "POST" else None)
            assert answer.status_code == 403, (method, path)
            assert "another user of this computer" in answer.text
            assert "releases" not in answer.text
    assert {"GET /static/loaner.css", "POST /consent/{handle}", "GET /activity"} <= tried
    monkeypatch.undo()
    assert (await local.refused(POST)).code == "consent_required", "nothing was approved"


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.getuid() != 0 or not Path("/proc/net/tcp").exists(),
    reason="only root may start a program as another user",
)
async def test_a_program_of_another_user_that_holds_the_cookie_is_refused(local: House) -> None:
    """MUST 26: on a real connection."""
    needed = await local.asked(POST)
    listener = _listening.loopback(0)
    port = listener.getsockname()[1]
    browser = local.browser()
    await browser.open(needed.invitation.url)
    ((name, value),) = browser.http.cookies.items()
    ask = (
        "import encodings.idna, encodings.latin_1, http.client as h, os, sys\nos.setuid(int(sys.argv[2]))\n"
        f"c = h.HTTPConnection('127.0.0.1', {port}, timeout=20)\n"
        f"c.request('GET', '/consent/{needed.invitation.handle}', headers={{'Host': '127.0.0.1:8787',"
        " 'Cookie': sys.argv[1]})\n"
        "a = c.getresponse(); print(a.status, 'releases' in a.read().decode())\n"
    )

    async def told(user: int) -> str:
        program = [sys.executable, "-I", "-S", "-c", ask, f"{name}={value}", str(user)]
        done = await anyio.run_process(program)
        return done.stdout.decode().strip()

    async with _listening.served(local.app, listener):
        assert await told(0) == "200 True"
        assert await told(65534) == "403 False"


async def test_a_session_counts_only_where_it_was_proven(local: House) -> None:
    """MUST 26: several loaners share a store, and settings change: what an earlier browser proved is asked for anew."""
    browser = local.browser()
    await browser.open("/")
    await local.store.write(lambda c: c.execute(update(web_sessions).values(proven_by="oidc")) and None)
    before = dict(browser.http.cookies)
    await browser.open("/")
    assert dict(browser.http.cookies) != before, "a new session, proven here"
