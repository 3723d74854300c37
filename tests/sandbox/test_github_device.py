from __future__ import annotations

from urllib.parse import parse_qs

import pytest
from github_steps import GitHub, hub

from loaner.sandbox.github import registered


async def test_a_person_who_authorizes_gives_the_device_a_token_for_eight_hours(github: GitHub) -> None:
    started = await github.start()
    assert (started["expires_in"], started["interval"]) == (900, 5)
    assert len(str(started["device_code"])) == 40
    assert len(str(started["user_code"])) == 9
    await github.sign_in("alice")
    assert (await github.decide(started["user_code"])).status_code == 200
    issued = await github.poll(started["device_code"])
    assert str(issued["access_token"]).startswith("ghu_")
    assert str(issued["refresh_token"]).startswith("ghr_")
    assert (issued["expires_in"], issued["token_type"], issued["scope"]) == (28800, "bearer", "")
    me = await github.call("GET", "/user", str(issued["access_token"]))
    assert me.json()["login"] == "alice"


async def test_answers_are_form_encoded_unless_json_is_asked_for(github: GitHub) -> None:
    answer = await github.post("/login/device/code", {"client_id": registered.CLIENT_ID}, accept="*/*")
    assert parse_qs(answer.text)["interval"] == ["5"]


async def test_polling_too_fast_slows_down_for_good(github: GitHub) -> None:
    code = (await github.start())["device_code"]
    assert (await github.poll(code))["error"] == "authorization_pending"
    slower = await github.poll(code)
    assert (slower["error"], slower["interval"]) == ("slow_down", 10)
    github.running.sandbox.clock.advance(6)
    assert (await github.poll(code))["interval"] == 15
    github.running.sandbox.clock.advance(15)
    assert (await github.poll(code))["error"] == "authorization_pending"


async def test_a_cancelled_code_is_dead(github: GitHub) -> None:
    started = await github.start()
    await github.sign_in("alice")
    await github.decide(started["user_code"], "cancel")
    assert (await github.poll(started["device_code"]))["error"] == "access_denied"
    assert (await github.decide(started["user_code"])).status_code == 422
    assert (await github.poll(started["device_code"]))["error"] == "incorrect_device_code"


async def test_a_code_is_redeemed_once(github: GitHub) -> None:
    started = await github.start()
    await github.sign_in("bob")
    await github.decide(started["user_code"])
    assert "access_token" in await github.poll(started["device_code"])
    assert (await github.poll(started["device_code"]))["error"] == "incorrect_device_code"


@pytest.mark.parametrize("word", ["expired_token", "token_expired"])
async def test_a_code_expires_under_either_word(github: GitHub, word: str) -> None:
    github.running.sandbox.switches.github_expired_token_word = word
    started = await github.start()
    github.running.sandbox.clock.advance(901)
    assert (await github.poll(started["device_code"]))["error"] == word
    await github.sign_in("alice")
    assert (await github.decide(started["user_code"])).status_code == 422


async def test_what_a_client_gets_wrong_is_told_with_status_200(github: GitHub) -> None:
    code = (await github.start())["device_code"]
    assert (await github.poll("f" * 40))["error"] == "incorrect_device_code"
    assert (await github.poll(code, client_id="Iv0"))["error"] == "incorrect_client_credentials"
    assert (await github.poll(code, grant_type="password"))["error"] == "unsupported_grant_type"
    hub(github.running).app.device_flow_enabled = False
    assert (await github.poll(code))["error"] == "device_flow_disabled"
    assert (await github.start())["error"] == "device_flow_disabled"


async def test_fifty_codes_an_hour_may_be_typed(github: GitHub) -> None:
    started = await github.start()
    await github.sign_in("alice")
    for _ in range(50):
        assert (await github.post("/login/device", {"user_code": "AAAA-AAAA"})).status_code == 422
    assert (await github.post("/login/device", {"user_code": started["user_code"]})).status_code == 429


async def test_nobody_answers_for_a_person_who_is_not_signed_in(github: GitHub) -> None:
    started = await github.start()
    fields = {"user_code": started["user_code"], "decision": "authorize"}
    assert (await github.post("/login/device/confirmation", fields)).status_code == 401
    assert (await github.poll(started["device_code"]))["error"] == "authorization_pending"


@pytest.mark.parametrize(
    ("login", "repository", "reached"),
    [
        ("alice", 2002, ["acme/api"]),
        ("bob", 2003, ["acme/api", "acme/web"]),  # he cannot see it, so it is ignored
        ("bob", 9999, ["acme/api", "acme/web"]),
    ],
)
async def test_repository_id_narrows_to_what_the_person_may_see(
    github: GitHub, login: str, repository: int, reached: list[str]
) -> None:
    issued = await github.user(login, repository_id=repository)
    listed = await github.call("GET", "/user/repos", str(issued["access_token"]))
    assert [each["full_name"] for each in listed.json()] == reached


async def test_a_refresh_token_works_once_and_kills_the_old_pair(github: GitHub) -> None:
    old = await github.user()
    fields = {
        "client_id": registered.CLIENT_ID,
        "grant_type": "refresh_token",
        "refresh_token": old["refresh_token"],
    }
    new = (await github.post("/login/oauth/access_token", fields)).json()
    assert (await github.call("GET", "/user", str(new["access_token"]))).status_code == 200
    assert (await github.call("GET", "/user", str(old["access_token"]))).status_code == 401
    assert (await github.post("/login/oauth/access_token", fields)).json()["error"] == "bad_refresh_token"


async def test_tokens_die_of_old_age(github: GitHub) -> None:
    issued = await github.user()
    github.running.sandbox.clock.advance(8 * 3600 + 1)
    dead = await github.call("GET", "/user", str(issued["access_token"]))
    assert (dead.status_code, dead.json()["message"]) == (401, "Bad credentials")


async def test_a_device_grant_needs_no_client_secret_but_a_wrong_one_is_refused(github: GitHub) -> None:
    old = await github.user()
    fields = {
        "client_id": registered.CLIENT_ID,
        "client_secret": "wrong",
        "grant_type": "refresh_token",
        "refresh_token": old["refresh_token"],
    }
    refused = (await github.post("/login/oauth/access_token", fields)).json()
    assert refused["error"] == "incorrect_client_credentials"
    assert (await github.call("GET", "/user", str(old["access_token"]))).status_code == 200
