from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from github_steps import GitHub

from loaner.sandbox.github import registered
from loaner.sandbox.github.oauth import s256

BACK = "http://127.0.0.1:7777/callback/github"
VERIFIER = "v" * 43
ASKED = {
    "client_id": registered.CLIENT_ID,
    "redirect_uri": BACK,
    "state": "st",
    "code_challenge": s256(VERIFIER),
    "code_challenge_method": "S256",
}


async def _decided(github: GitHub, decision: str) -> dict[str, list[str]]:
    await github.sign_in("alice")
    answer = await github.post("/login/oauth/authorize", {**ASKED, "decision": decision})
    assert answer.headers["location"].startswith(BACK)
    return parse_qs(urlsplit(answer.headers["location"]).query)


async def _redeem(github: GitHub, code: str, **changed: str) -> dict[str, object]:
    fields = {
        "client_id": registered.CLIENT_ID,
        "client_secret": registered.CLIENT_SECRET,
        "code": code,
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
    }
    return (await github.post("/login/oauth/access_token", fields | changed)).json()


async def test_the_web_flow_with_pkce_gives_a_user_token_once(github: GitHub) -> None:
    back = await _decided(github, "authorize")
    assert back["state"] == ["st"]
    assert "access_token" in await _redeem(github, back["code"][0])
    assert (await _redeem(github, back["code"][0]))["error"] == "bad_verification_code"


async def test_a_refusal_comes_back_as_access_denied(github: GitHub) -> None:
    back = await _decided(github, "cancel")
    assert (back["error"], back["state"]) == (["access_denied"], ["st"])


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_verifier": "w" * 43}, "bad_verification_code"),
        ({"client_secret": "no"}, "incorrect_client_credentials"),
        ({"redirect_uri": "http://127.0.0.1:7777/other"}, "redirect_uri_mismatch"),
    ],
)
async def test_a_code_is_worth_nothing_to_another_client(github: GitHub, changed: dict[str, str], error: str) -> None:
    code = (await _decided(github, "authorize"))["code"][0]
    assert (await _redeem(github, code, **changed))["error"] == error


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"redirect_uri": "https://evil.example/callback/github"}, 400),
        ({"redirect_uri": "http://127.0.0.1:1/elsewhere"}, 400),
        ({"client_id": "nobody"}, 404),
    ],
)
async def test_nothing_is_sent_to_an_unregistered_address(github: GitHub, changed: dict[str, str], status: int) -> None:
    await github.sign_in("alice")
    query = urlencode({**ASKED, **changed})
    assert (
        await github.http.get(f"{github.running.urls['github']}/login/oauth/authorize?{query}")
    ).status_code == status
    posted = await github.post("/login/oauth/authorize", {**ASKED, **changed, "decision": "authorize"})
    assert posted.status_code == status


async def test_only_s256_is_taken(github: GitHub) -> None:
    query = urlencode({**ASKED, "code_challenge_method": "plain"})
    answer = await github.http.get(f"{github.running.urls['github']}/login/oauth/authorize?{query}")
    assert parse_qs(urlsplit(answer.headers["location"]).query)["error"] == ["invalid_request"]


async def test_who_is_not_signed_in_is_asked_first(github: GitHub) -> None:
    answer: httpx2.Response = await github.http.get(
        f"{github.running.urls['github']}/login/oauth/authorize?{urlencode(ASKED)}"
    )
    assert 'name="login"' in answer.text
    assert "authorize" in answer.text
