"""Each operation of GitHub's map: the least permission will do, and anything less will not."""

from __future__ import annotations

import json
from itertools import product

import pytest
from github_requests import PLAIN_FILE, REQUESTS, filled
from github_steps import GitHub, hub

from loaner.sandbox.github import operations
from loaner.sandbox.github.permissions import LEVELS, published
from loaner.sandbox.github.routing import OPERATIONS
from shared_data import shared


async def _status(github: GitHub, name: str, permissions: dict[str, str]) -> int:
    """The answer to alice with a token of exactly these permissions on acme/web."""
    tokens = hub(github.running).tokens
    parent = tokens.pair("alice")[0].entry
    token = tokens.scoped(parent, permissions, [2001]).token
    path, body = filled(github, name)
    answer = await github.call(name.split(" ", maxsplit=1)[0], path, token, body)
    if answer.status_code == 403:
        assert answer.json()["message"] == "Resource not accessible by integration"
    assert answer.headers["x-accepted-github-permissions"] == published()[name].header()
    return answer.status_code


def _less(permissions: dict[str, str]) -> list[dict[str, str]]:
    """Every set of permissions strictly below this one."""
    levels = [[None, *LEVELS[: LEVELS.index(level) + 1]] for level in permissions.values()]
    every = [dict(zip(permissions, chosen, strict=True)) for chosen in product(*levels)]
    held = [{name: level for name, level in each.items() if level} for each in every]
    return [each for each in held if each != permissions]


def test_every_row_of_the_map_has_a_request_and_a_handler() -> None:
    operations.load()
    assert set(REQUESTS) == set(published())
    assert set(published()) <= set(OPERATIONS)


SECTIONS_NOT_IN_THE_COPY = {
    "GET /repos/{owner}/{repo}/code-scanning/alerts",
    "GET /repos/{owner}/{repo}/code-scanning/alerts/{alert_number}",
    "GET /orgs/{org}/teams",
    "GET /orgs/{org}/teams/{team_slug}/members",
}
"""Read in the source by hand: the copy has no section of "security_events" and "members"."""
BESIDES = {"PUT /repos/{owner}/{repo}/pulls/{pull_number}/update-branch": {"contents": "write"}}
"""What the description of an operation asks for on top of its row in the map."""


def test_the_map_is_githubs() -> None:
    theirs = json.loads(shared("github_app_permissions.json").read_text())["by_operation"]
    assert not SECTIONS_NOT_IN_THE_COPY & set(theirs)
    for name in set(published()) - SECTIONS_NOT_IN_THE_COPY:
        need = published()[name]
        assert list(need.alternatives) == theirs[name]["alternatives"], name
        assert need.installation == theirs[name]["s2s"], name


CASES = [
    pytest.param(name, dict(each), id=f"{name} {dict(each)}")
    for name, need in published().items()
    for each in need.alternatives
    if "workflows" not in each
]


@pytest.mark.parametrize(("name", "least"), CASES)
async def test_the_least_permission_does_and_anything_less_does_not(
    github: GitHub, name: str, least: dict[str, str]
) -> None:
    others = [each for each in published()[name].alternatives if dict(each) != least]
    for less in _less(least):
        if least != {"metadata": "read"} and less not in others:
            assert await _status(github, name, less) == 403
    if name in BESIDES:
        assert await _status(github, name, least) == 403
    assert await _status(github, name, least | BESIDES.get(name, {})) in (200, 201, 202, 204, 302)


@pytest.mark.parametrize(
    ("permissions", "status"),
    [({"contents": "write"}, 403), ({"workflows": "write"}, 403), ({"contents": "write", "workflows": "write"}, 201)],
)
async def test_a_workflow_file_needs_workflows_as_well(
    github: GitHub, permissions: dict[str, str], status: int
) -> None:
    tokens = hub(github.running).tokens
    token = tokens.scoped(tokens.pair("alice")[0].entry, permissions, [2001]).token
    path = "/repos/acme/web/contents/.github/workflows/new.yml"
    assert (await github.call("PUT", path, token, PLAIN_FILE)).status_code == status
    other = "/repos/acme/web/contents/.github/dependabot.yml"
    expected = 201 if "contents" in permissions else 403
    assert (await github.call("PUT", other, token, PLAIN_FILE)).status_code == expected


async def test_pull_requests_permission_says_nothing_about_a_plain_issue(github: GitHub) -> None:
    tokens = hub(github.running).tokens
    token = tokens.scoped(tokens.pair("alice")[0].entry, {"pull_requests": "write"}, [2001]).token
    on_pull = await github.call("POST", "/repos/acme/web/issues/4/comments", token, {"body": "b"})
    on_issue = await github.call("POST", "/repos/acme/web/issues/1/comments", token, {"body": "b"})
    assert (on_pull.status_code, on_issue.status_code) == (201, 403)


@pytest.mark.parametrize("path", ["/repos/acme/secrets", "/repos/acme/secrets/issues/1", "/repos/acme/nowhere"])
async def test_what_a_person_may_not_see_is_not_there(github: GitHub, path: str) -> None:
    bob = hub(github.running).tokens.pair("bob")[0].token
    answer = await github.call("GET", path, bob)
    assert answer.status_code == 404
    assert answer.json() == {
        "message": "Not Found",
        "documentation_url": "https://docs.github.com/rest",
        "status": "404",
    }


async def test_the_apps_permission_does_not_make_an_administrator(github: GitHub) -> None:
    bob = hub(github.running).tokens.pair("bob")[0].token
    assert (await github.call("DELETE", "/repos/acme/web", bob)).status_code == 403
    assert (await github.call("GET", "/repos/acme/web", bob)).status_code == 200


async def test_a_stranger_sees_nothing(github: GitHub) -> None:
    assert (await github.call("GET", "/repos/acme/web")).status_code == 404
    assert (await github.call("GET", "/user")).status_code == 401
    assert (await github.call("GET", "/user", "ghu_made_up")).status_code == 401
    assert (await github.call("GET", "/user", authorization="Basic eDp5")).status_code == 401


async def test_a_request_without_a_user_agent_is_forbidden(github: GitHub) -> None:
    token = hub(github.running).tokens.pair("alice")[0].token
    assert (await github.call("GET", "/user", token, user_agent="")).status_code == 403


async def test_the_rate_limit_is_the_persons_over_all_tokens(github: GitHub) -> None:
    inside = hub(github.running)
    github.running.sandbox.switches.github_hourly_limit = 3
    one, two = (inside.tokens.pair("alice")[0].token for _ in range(2))
    first = await github.call("GET", "/user", one)
    assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-remaining"]) == ("3", "2")
    await github.call("GET", "/user", two)
    await github.call("GET", "/user", one)
    over = await github.call("GET", "/user", two)
    assert (over.status_code, over.headers["x-ratelimit-remaining"]) == (403, "0")
    assert "rate limit exceeded" in over.json()["message"]
    assert (await github.call("GET", "/rate_limit", one)).json()["rate"]["remaining"] == 0
    github.running.sandbox.clock.advance(3601)
    assert (await github.call("GET", "/user", two)).status_code == 200


async def test_an_unknown_api_version_is_refused(github: GitHub) -> None:
    token = hub(github.running).tokens.pair("alice")[0].token
    assert (await github.call("GET", "/user", token, x_github_api_version="2099-01-01")).status_code == 400
    known = await github.call("GET", "/user", token, x_github_api_version="2026-03-10")
    assert known.headers["x-github-api-version-selected"] == "2026-03-10"
