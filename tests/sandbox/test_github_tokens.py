from __future__ import annotations

import time

import pytest
from github_steps import GitHub, hub

from loaner.sandbox.ledger import fingerprint


async def _alice(github: GitHub) -> str:
    return hub(github.running).tokens.pair("alice")[0].token


async def test_a_scoped_token_holds_exactly_what_was_asked_for(github: GitHub) -> None:
    parent = await _alice(github)
    answer = await github.scoped(parent, {"issues": "write"}, "web")
    assert answer.status_code == 200
    body = answer.json()
    assert body["token"].startswith("ghu_")
    assert body["installation"]["permissions"] == {"issues": "write", "metadata": "read"}
    assert body["installation"]["repository_selection"] == "selected"
    assert body["user"]["login"] == "alice"

    entry = next(each for each in github.running.sandbox.ledger if each.fingerprint == fingerprint(body["token"]))
    assert (entry.kind, entry.subject, entry.parent) == ("scoped", "alice", fingerprint(parent))
    assert entry.permissions == {"issues": "write", "metadata": "read"}
    assert entry.resources == ["acme/web"]

    assert (await github.call("GET", "/repos/acme/web/issues", body["token"])).status_code == 200
    assert (await github.call("GET", "/repos/acme/api/issues", body["token"])).status_code == 404
    assert (await github.call("GET", "/repos/acme/web/contents/README.md", body["token"])).status_code == 403
    assert (await github.call("GET", "/repos/acme/web/contents/README.md", parent)).status_code == 200


async def test_a_scoped_token_dies_with_its_parents_time(github: GitHub) -> None:
    parent = await _alice(github)
    github.running.sandbox.clock.advance(7 * 3600)
    token = (await github.scoped(parent, {"issues": "read"}, "web")).json()["token"]
    github.running.sandbox.clock.advance(3599)
    assert (await github.call("GET", "/repos/acme/web/issues", token)).status_code == 200
    github.running.sandbox.clock.advance(10)
    assert (await github.call("GET", "/repos/acme/web/issues", token)).status_code == 401


@pytest.mark.parametrize(
    "changed",
    [
        {"permissions": {"checks": "write"}},  # granted read only
        {"permissions": {"organization_hooks": "read"}},
        {"permissions": {"issues": "all"}},
        {"permissions": {"nonsense": "read"}},
        {"permissions": ["issues"]},
        {"repositories": ["nowhere"]},
        {"repositories": ["acme/web"]},
        {"repositories": []},
        {"repository_ids": [[2001]]},
        {"repository_ids": [9]},
        {"repositories": ["web"], "repository_ids": [2001]},
        {"target": None},
        {"target": "initech"},
        {"access_token": None},
    ],
    ids=str,
)
async def test_a_scoped_token_beyond_the_grant_is_unprocessable(github: GitHub, changed: dict[str, object]) -> None:
    body = {"access_token": await _alice(github), "target": "acme", "permissions": {"issues": "read"}} | changed
    assert (await github.as_client("POST", "token/scoped", body)).status_code == 422


async def test_nobody_scopes_into_a_repository_they_cannot_see(github: GitHub) -> None:
    bob = hub(github.running).tokens.pair("bob")[0].token
    assert (await github.scoped(bob, {"issues": "read"}, "secrets")).status_code == 422
    assert (await github.scoped(await _alice(github), {"issues": "read"}, "secrets")).status_code == 200


async def test_a_token_that_is_dead_or_unknown_cannot_be_scoped(github: GitHub) -> None:
    assert (await github.scoped("ghu_nothing", {"issues": "read"}, "web")).status_code == 404
    token = await _alice(github)
    await github.as_client("DELETE", "token", {"access_token": token})
    assert (await github.scoped(token, {"issues": "read"}, "web")).status_code == 404


async def test_scoping_takes_the_client_secret(github: GitHub) -> None:
    body = {"access_token": await _alice(github), "target": "acme"}
    assert (await github.as_client("POST", "token/scoped", body, secret="wrong")).status_code == 401


async def test_a_revoked_token_is_refused_and_its_parent_is_not(github: GitHub) -> None:
    parent = await _alice(github)
    token = (await github.scoped(parent, {"issues": "read"}, "web")).json()["token"]
    assert (await github.as_client("POST", "token", {"access_token": token})).status_code == 200
    assert (await github.as_client("DELETE", "token", {"access_token": token})).status_code == 204
    replay = await github.call("GET", "/repos/acme/web/issues", token)
    assert (replay.status_code, replay.json()["message"]) == (401, "Bad credentials")
    assert (await github.as_client("POST", "token", {"access_token": token})).status_code == 404
    assert (await github.as_client("DELETE", "token", {"access_token": token})).status_code == 422
    assert (await github.call("GET", "/user", parent)).status_code == 200


async def test_ending_the_grant_kills_every_token_of_that_person_only(github: GitHub) -> None:
    tokens = hub(github.running).tokens
    user, refresh = tokens.pair("alice")
    bob = tokens.pair("bob")[0].token
    scoped = (await github.scoped(user.token, {"issues": "read"}, "web")).json()["token"]
    assert (await github.as_client("DELETE", "grant", {"access_token": user.token})).status_code == 204
    for token in (user.token, scoped):
        assert (await github.call("GET", "/user", token)).status_code == 401
    assert tokens.refresh(refresh.token) is None
    assert (await github.call("GET", "/user", bob)).status_code == 200


async def test_a_reset_token_is_replaced(github: GitHub) -> None:
    old = await _alice(github)
    new = (await github.as_client("PATCH", "token", {"access_token": old})).json()["token"]
    assert (await github.call("GET", "/user", old)).status_code == 401
    assert (await github.call("GET", "/user", new)).status_code == 200


async def test_an_installation_token_acts_as_the_app_and_gives_itself_back(github: GitHub) -> None:
    wanted = {"repositories": ["web"], "permissions": {"issues": "write"}}
    made = await github.as_app("POST", "/app/installations/1/access_tokens", wanted)
    assert made.status_code == 201
    body = made.json()
    assert body["token"].startswith("ghs_4242_")
    assert len(body["token"]) > 450
    assert body["permissions"] == {"issues": "write", "metadata": "read"}
    assert [each["full_name"] for each in body["repositories"]] == ["acme/web"]
    token = body["token"]
    issue = await github.call("POST", "/repos/acme/web/issues", token, {"title": "from the app"})
    assert issue.json()["user"]["type"] == "Bot"
    assert (await github.call("GET", "/user", token)).status_code == 403
    assert (await github.call("GET", "/user/repos", token)).status_code == 403
    listed = await github.call("GET", "/installation/repositories", token)
    assert listed.json()["total_count"] == 1
    assert (await github.call("DELETE", "/installation/token", token)).status_code == 204
    assert (await github.call("GET", "/installation/repositories", token)).status_code == 401


async def test_an_installation_token_takes_either_form(github: GitHub) -> None:
    github.running.sandbox.switches.github_stateless_installation_tokens = False
    made = await github.as_app("POST", "/app/installations/1/access_tokens")
    assert len(made.json()["token"]) == 40
    assert made.json()["repository_selection"] == "all"


@pytest.mark.parametrize(
    "claims",
    [{"iss": "somebody"}, {"exp": int(time.time()) + 3600}, {"exp": int(time.time()) - 5}, {"iat": 2 * 10**10}],
    ids=lambda claims: next(iter(claims)),
)
async def test_the_apps_own_token_must_be_right(github: GitHub, claims: dict[str, object]) -> None:
    assert (await github.as_app("GET", "/app", **claims)).status_code == 401


async def test_an_installation_is_asked_for_no_more_than_it_has(github: GitHub) -> None:
    path = "/app/installations/1/access_tokens"
    assert (await github.as_app("POST", path, {"permissions": {"secrets": "read"}})).status_code == 422
    assert (await github.as_app("POST", path, {"repositories": ["nowhere"]})).status_code == 422
    assert (await github.as_app("POST", "/app/installations/2/access_tokens")).status_code == 404


async def test_under_the_ceiling_the_oldest_of_eleven_like_tokens_goes(github: GitHub) -> None:
    github.running.sandbox.switches.github_token_ceiling = True
    parent = await _alice(github)
    made = [(await github.scoped(parent, {"issues": "read"}, "web")).json()["token"] for _ in range(11)]
    alive = [(await github.call("GET", "/repos/acme/web/issues", token)).status_code for token in made]
    assert alive == [401] + [200] * 10
    assert (await github.call("GET", "/user", parent)).status_code == 200


async def test_without_the_ceiling_all_live(github: GitHub) -> None:
    parent = await _alice(github)
    made = [(await github.scoped(parent, {"issues": "read"}, "web")).json()["token"] for _ in range(11)]
    assert (await github.call("GET", "/repos/acme/web/issues", made[0])).status_code == 200


async def test_a_leaked_token_is_ended_by_anyone(github: GitHub) -> None:
    token = await _alice(github)
    assert (await github.call("POST", "/credentials/revoke", body={"credentials": [token]})).status_code == 202
    assert (await github.call("GET", "/user", token)).status_code == 401


async def test_the_ledger_notes_every_use_and_every_refusal(github: GitHub) -> None:
    token = (await github.scoped(await _alice(github), {"issues": "read"}, "web")).json()["token"]
    await github.call("GET", "/repos/acme/web/issues", token)
    await github.call("POST", "/repos/acme/web/issues", token, {"title": "no"})
    await github.as_client("DELETE", "token", {"access_token": token})
    await github.call("GET", "/repos/acme/web/issues", token)
    shown = (await github.http.get(f"{github.running.urls['control']}/ledger")).json()
    entry = next(each for each in shown if each["fingerprint"] == fingerprint(token))
    assert [(use["method"], use["path"], use["status"]) for use in entry["uses"]] == [
        ("GET", "/repos/acme/web/issues", 200),
        ("POST", "/repos/acme/web/issues", 403),
        ("GET", "/repos/acme/web/issues", 401),
    ]
    assert entry["revoked_at"] is not None
    assert token not in str(shown)


async def test_a_provider_that_narrows_nothing_can_be_had_on_demand(github: GitHub) -> None:
    github.running.sandbox.faults.add("github", "wrong_scope", count=1)
    wide = (await github.scoped(await _alice(github), {"issues": "read"}, "web")).json()
    assert wide["installation"]["permissions"]["contents"] == "write"
