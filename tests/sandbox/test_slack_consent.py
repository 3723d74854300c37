"""Consent, tokens, rotation and revocation at the emulated Slack."""

from __future__ import annotations

import httpx2
import pytest
from slack_app import REDIRECT, SECRET, VERIFIER, authorized, browser, call, decide, exchange, token

from loaner.sandbox.ledger import Entry, fingerprint
from loaner.sandbox.run import RunningSandbox
from loaner.sandbox.slack.oauth import challenge_of

READ = "channels:read"


def entry_of(running: RunningSandbox, key: str) -> Entry:
    found = running.sandbox.ledger.find(key)
    assert found is not None
    return found


async def test_a_consent_gives_a_rotating_token_with_just_the_scopes_asked_for(sandbox: RunningSandbox) -> None:
    answer = await authorized(sandbox, "channels:read,chat:write")
    assert answer["access_token"].startswith("xoxe.xoxp-1-")
    assert answer["refresh_token"].startswith("xoxe-1-")
    assert (answer["token_type"], answer["expires_in"]) == ("user", 43200)
    assert answer["scope"] == "channels:read,chat:write"
    assert answer["team"]["name"] == "acme"
    assert answer["authed_user"]["access_token"] == answer["access_token"]
    entry = entry_of(sandbox, answer["access_token"])
    assert entry.as_json() | {"minted_at": "", "expires_at": ""} == {
        "provider": "slack",
        "kind": "user",
        "fingerprint": fingerprint(answer["access_token"]),
        "subject": "alice",
        "permissions": ["channels:read", "chat:write"],
        "resources": ["acme"],
        "minted_at": "",
        "expires_at": "",
        "uses": [],
        "revoked_at": None,
        "revoked_by": None,
        "parent": None,
    }


@pytest.mark.parametrize("shape", ["flat", "nested"])
async def test_the_shape_of_a_user_exchange_is_a_switch(sandbox: RunningSandbox, shape: str) -> None:
    sandbox.sandbox.switches.slack_user_access_shape = shape
    answer = await authorized(sandbox, READ)
    assert ("access_token" in answer, "authed_user" in answer) == (shape == "flat", shape == "nested")


async def test_cancel_comes_back_as_access_denied_with_the_state(sandbox: RunningSandbox) -> None:
    assert await decide(sandbox, READ, decision="cancel") == {"error": "access_denied", "state": "the state"}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"client_id": "9.9"}, "invalid_client_id"),
        ({"redirect_uri": "http://evil.example/callback/slack"}, "bad_redirect_uri"),
        ({"redirect_uri": "http://127.0.0.1:1@evil.example/callback/slack"}, "bad_redirect_uri"),
        ({"redirect_uri": "http://127.0.0.1:1/elsewhere"}, "bad_redirect_uri"),
        ({"scope": ""}, "no_user_scopes"),
        ({"scope": "channels:read,root"}, "invalid_scope: root"),
        ({"code_challenge_method": "plain"}, "invalid_code_challenge"),
    ],
)
async def test_a_wrong_request_is_shown_and_not_redirected(
    sandbox: RunningSandbox, changes: dict[str, str], word: str
) -> None:
    asked = {
        "client_id": SECRET[0],
        "scope": READ,
        "redirect_uri": REDIRECT,
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
    } | changes
    async with browser() as http:
        answer = await http.get(f"{sandbox.urls['slack']}/oauth/v2_user/authorize", params=asked)
    assert answer.status_code == 400
    assert word in answer.text


async def test_a_code_is_good_once(sandbox: RunningSandbox) -> None:
    code = (await decide(sandbox, READ))["code"]
    fields = {"code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
    assert (await exchange(sandbox, **fields))["ok"]
    assert (await exchange(sandbox, **fields))["error"] == "invalid_code"


async def test_a_code_is_good_for_ten_minutes(sandbox: RunningSandbox) -> None:
    code = (await decide(sandbox, READ))["code"]
    sandbox.sandbox.clock.advance(601)
    answer = await exchange(sandbox, code=code, redirect_uri=REDIRECT, code_verifier=VERIFIER)
    assert answer["error"] == "invalid_code"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 50}, "invalid_code_verifier"),
        ({"code_verifier": ""}, "invalid_code_verifier"),
        ({"redirect_uri": "http://127.0.0.1:2/callback/slack"}, "bad_redirect_uri"),
        ({"grant_type": "password"}, "invalid_grant_type"),
        ({"code": "1111.1.1"}, "invalid_code"),
    ],
)
async def test_a_code_needs_everything_that_belongs_to_it(
    sandbox: RunningSandbox, changes: dict[str, str], error: str
) -> None:
    code = (await decide(sandbox, READ))["code"]
    fields = {"code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER} | changes
    assert (await exchange(sandbox, **fields))["error"] == error


async def test_a_verifier_nobody_announced_is_refused(sandbox: RunningSandbox) -> None:
    code = (await decide(sandbox, READ, code_challenge=None, code_challenge_method=None))["code"]
    answer = await exchange(sandbox, code=code, redirect_uri=REDIRECT, code_verifier=VERIFIER)
    assert answer["error"] == "invalid_code_verifier"


async def test_the_secret_is_needed_unless_the_app_is_public(sandbox: RunningSandbox) -> None:
    url = f"{sandbox.urls['slack_api']}/oauth.v2.user.access"
    fields = {"redirect_uri": REDIRECT, "code_verifier": VERIFIER, "client_id": SECRET[0]}
    async with browser() as http:

        async def attempt(**more: str) -> dict[str, str]:
            code = (await decide(sandbox, READ))["code"]
            return dict((await http.post(url, data=fields | {"code": code} | more)).json())

        assert (await attempt())["error"] == "bad_client_secret"
        assert (await attempt(client_secret="guess"))["error"] == "bad_client_secret"
        assert (await attempt(client_secret=SECRET[1]))["ok"]
        sandbox.sandbox.switches.slack_public_app = True
        public = await attempt()
        assert public["ok"]
        renewal = {"client_id": SECRET[0], "grant_type": "refresh_token", "refresh_token": public["refresh_token"]}
        assert (await http.post(url, data=renewal)).json()["ok"]
    assert entry_of(sandbox, public["refresh_token"]).expires_at is not None


async def refreshed(
    running: RunningSandbox, refresh_token: str, *, door: str = "oauth.v2.user.access"
) -> dict[str, str]:
    return await exchange(running, door=door, grant_type="refresh_token", refresh_token=refresh_token)


async def test_a_refresh_token_is_used_once_and_leaves_the_access_token_alive(sandbox: RunningSandbox) -> None:
    first = await authorized(sandbox, READ)
    second = await refreshed(sandbox, first["refresh_token"])
    assert second["ok"]
    assert second["access_token"] != first["access_token"]
    assert (await refreshed(sandbox, first["refresh_token"]))["error"] == "invalid_refresh_token"
    for key in (first["access_token"], second["access_token"]):
        assert (await call(sandbox, key, "auth.test"))["ok"]


async def test_a_grace_for_used_refresh_tokens_is_a_switch(sandbox: RunningSandbox) -> None:
    sandbox.sandbox.switches.slack_refresh_grace_seconds = 60
    first = await authorized(sandbox, READ)
    assert (await refreshed(sandbox, first["refresh_token"]))["ok"]
    assert (await refreshed(sandbox, first["refresh_token"]))["ok"]
    sandbox.sandbox.clock.advance(61)
    assert (await refreshed(sandbox, first["refresh_token"]))["error"] == "invalid_refresh_token"


async def test_the_third_access_token_evicts_the_oldest(sandbox: RunningSandbox) -> None:
    first = await authorized(sandbox, READ)
    second = await refreshed(sandbox, first["refresh_token"])
    third = await refreshed(sandbox, second["refresh_token"])
    assert (await call(sandbox, first["access_token"], "auth.test"))["error"] == "token_revoked"
    assert entry_of(sandbox, first["access_token"]).revoked_by == "evicted"
    for key in (second["access_token"], third["access_token"]):
        assert (await call(sandbox, key, "auth.test"))["ok"]


async def test_an_access_token_lives_twelve_hours(sandbox: RunningSandbox) -> None:
    key = await token(sandbox, READ)
    sandbox.sandbox.clock.advance(43_190)
    assert (await call(sandbox, key, "auth.test"))["ok"]
    sandbox.sandbox.clock.advance(11)
    assert (await call(sandbox, key, "auth.test"))["error"] == "token_expired"


async def test_with_rotation_a_revocation_ends_one_token_and_the_grant_survives(sandbox: RunningSandbox) -> None:
    answer = await authorized(sandbox, READ)
    key = answer["access_token"]
    assert await call(sandbox, key, "auth.revoke", test="1") == {"ok": True, "revoked": False}
    assert await call(sandbox, key, "auth.revoke") == {"ok": True, "revoked": True}
    assert (await call(sandbox, key, "auth.test"))["error"] == "token_revoked"
    assert (await refreshed(sandbox, answer["refresh_token"]))["ok"]
    uses = [(use.path, use.status) for use in entry_of(sandbox, key).uses]
    assert uses == [("/api/auth.revoke", 200), ("/api/auth.revoke", 200), ("/api/auth.test", 200)]


async def test_without_rotation_tokens_last_and_a_revocation_ends_the_authorization(sandbox: RunningSandbox) -> None:
    sandbox.sandbox.switches.slack_rotation = False
    sandbox.sandbox.switches.slack_scopes_accumulate = True
    first = await authorized(sandbox, READ)
    second = await authorized(sandbox, "chat:write")
    assert first["access_token"].startswith("xoxp-")
    assert not {"refresh_token", "expires_in"} & set(first)
    sandbox.sandbox.clock.advance(400 * 86_400)
    assert (await call(sandbox, first["access_token"], "auth.revoke"))["revoked"]
    assert (await call(sandbox, second["access_token"], "auth.test"))["error"] == "token_revoked"


async def test_whether_scopes_add_up_over_consents_is_a_switch(sandbox: RunningSandbox) -> None:
    await authorized(sandbox, READ)
    assert (await authorized(sandbox, "chat:write"))["scope"] == "chat:write"
    sandbox.sandbox.switches.slack_scopes_accumulate = True
    assert (await authorized(sandbox, "reactions:write"))["scope"] == "channels:read,reactions:write"
    assert (await authorized(sandbox, READ, login="bob"))["scope"] == READ


async def test_a_grant_wider_than_asked_is_a_switch(sandbox: RunningSandbox) -> None:
    sandbox.sandbox.switches.slack_granted_wider = True
    assert (await authorized(sandbox, READ))["scope"] == "identify,channels:read"


async def test_the_older_door_takes_user_scopes_and_answers_nested(sandbox: RunningSandbox) -> None:
    query = {"client_id": SECRET[0], "user_scope": READ, "redirect_uri": REDIRECT}
    async with browser(base_url=sandbox.base_url, cookies={"sandbox_slack": "alice"}) as http:
        shown = await http.get("/slack/oauth/v2/authorize", params=query)
        number = shown.text.split('name="request" value="')[1].split('"')[0]
        answer = await http.post("/slack/oauth/consent", data={"request": number, "decision": "allow"})
    code = httpx2.URL(answer.headers["location"]).params["code"]
    given = await exchange(sandbox, door="oauth.v2.access", code=code, redirect_uri=REDIRECT)
    assert "access_token" not in given
    assert given["authed_user"]["scope"] == READ
    renewed = await refreshed(sandbox, given["authed_user"]["refresh_token"], door="oauth.v2.access")
    assert renewed["token_type"] == "user"


async def test_a_consent_page_counts_only_for_the_person_who_saw_it(sandbox: RunningSandbox) -> None:
    query = {"client_id": SECRET[0], "scope": READ, "redirect_uri": REDIRECT}
    async with browser(base_url=sandbox.base_url) as http:
        shown = await http.get(
            "/slack/oauth/v2_user/authorize", params=query, headers={"cookie": "sandbox_slack=alice"}
        )
        number = shown.text.split('name="request" value="')[1].split('"')[0]
        fields = {"request": number, "decision": "allow"}
        answer = await http.post("/slack/oauth/consent", data=fields, headers={"cookie": "sandbox_slack=bob"})
    assert answer.status_code == 400
