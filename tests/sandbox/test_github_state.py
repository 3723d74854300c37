"""What is done can be seen: the REST API over one world, as alice."""

from __future__ import annotations

import base64
import re

import httpx2
import pytest
from github_steps import GitHub, hub

WEB = "/repos/acme/web"


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def token(github: GitHub) -> str:
    return hub(github.running).tokens.pair("alice")[0].token


async def test_an_issue_that_is_opened_is_listed_commented_and_closed(github: GitHub, token: str) -> None:
    made = await github.call("POST", f"{WEB}/issues", token, {"title": "New", "labels": ["bug", "fresh"]})
    number = made.json()["number"]
    assert made.status_code == 201
    assert made.headers["location"] == made.json()["url"]
    listed = (await github.call("GET", f"{WEB}/issues", token)).json()
    assert listed[0]["number"] == number
    assert [each["name"] for each in listed[0]["labels"]] == ["bug", "fresh"]
    assert "fresh" in [each["name"] for each in (await github.call("GET", f"{WEB}/labels", token)).json()]

    await github.call("POST", f"{WEB}/issues/{number}/comments", token, {"body": "first"})
    comments = (await github.call("GET", f"{WEB}/issues/{number}/comments", token)).json()
    assert [(each["body"], each["user"]["login"]) for each in comments] == [("first", "alice")]

    closed = await github.call("PATCH", f"{WEB}/issues/{number}", token, {"state": "closed", "assignees": ["bob"]})
    assert (closed.json()["state"], closed.json()["state_reason"]) == ("closed", "completed")
    assert [each["login"] for each in closed.json()["assignees"]] == ["bob"]
    still_open = [each["number"] for each in (await github.call("GET", f"{WEB}/issues", token)).json()]
    assert number not in still_open
    every = (await github.call("GET", f"{WEB}/issues?state=all", token)).json()
    assert every[0]["comments"] == 1


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/issues", {}, 422),
        ("/issues", {"title": 5}, 422),
        ("/issues", {"title": " "}, 422),
        ("/issues", {"title": "t", "assignees": ["nobody"]}, 422),
        ("/issues", {"title": "t", "labels": [5]}, 422),
        ("/issues/1/comments", {}, 422),
        ("/issues/1/comments", {"body": ""}, 422),
        ("/issues/99/comments", {"body": "b"}, 404),
        ("/issues/1/labels", {}, 422),
        ("/pulls", {"title": "t", "head": "feature", "base": "main"}, 422),  # there is one
        ("/pulls", {"title": "t", "head": "nowhere", "base": "main"}, 422),
        ("/pulls", {"title": "t", "head": "main", "base": "main"}, 422),
        ("/pulls/4/reviews", {"event": "COMMENT"}, 422),
        ("/git/refs", {"ref": "refs/heads/main", "sha": "{main}"}, 422),
        ("/git/refs", {"ref": "main", "sha": "{main}"}, 422),
        ("/git/refs", {"ref": "refs/heads/x", "sha": "f" * 40}, 422),
        ("/actions/workflows/none.yml/dispatches", {"ref": "main"}, 404),
        ("/actions/workflows/ci.yml/dispatches", {"ref": "nowhere"}, 422),
    ],
    ids=str,
)
async def test_what_cannot_be_done_is_refused_and_changes_nothing(
    github: GitHub, token: str, path: str, body: dict[str, object], status: int
) -> None:
    repository = hub(github.running).world.repositories[2001]
    before = (len(repository.issues), dict(repository.git.branches), len(repository.runs))
    body = {k: repository.git.branches["main"] if v == "{main}" else v for k, v in body.items()}
    answer = await github.call("POST", WEB + path, token, body)
    assert answer.status_code == status
    assert answer.json()["status"] == str(status)
    assert (len(repository.issues), dict(repository.git.branches), len(repository.runs)) == before


async def test_a_body_that_is_not_json_is_said_so(github: GitHub, token: str) -> None:
    answer = await github.http.post(
        f"{github.running.urls['github_api']}{WEB}/issues",
        content=b"{",
        headers={"authorization": f"token {token}"},
    )
    assert (answer.status_code, answer.json()["message"]) == (400, "Problems parsing JSON")


async def test_lists_come_in_pages_with_links(github: GitHub, token: str) -> None:
    first = await github.call("GET", f"{WEB}/issues?per_page=3&state=all", token)
    assert len(first.json()) == 3
    following = re.search(r'<([^>]+)>; rel="next"', first.headers["link"])
    assert following is not None
    assert following[1].startswith(github.running.urls["github_api"])
    second = await github.http.get(following[1], headers={"authorization": f"Bearer {token}"})
    assert len(second.json()) == 1
    assert 'rel="next"' not in second.headers["link"]
    assert 'rel="prev"' in second.headers["link"]
    assert "link" not in (await github.call("GET", f"{WEB}/issues", token)).headers


async def test_a_file_is_written_over_only_by_who_saw_it(github: GitHub, token: str) -> None:
    path = f"{WEB}/contents/docs/guide.md"
    made = await github.call("PUT", path, token, {"message": "add", "content": _encoded("one\n")})
    sha = made.json()["content"]["sha"]
    assert made.status_code == 201
    assert sha == "5626abf0f72e58d7a153368ba57db4c673c0e171"  # as `git hash-object` names it

    change = {"message": "change", "content": _encoded("two\n")}
    assert (await github.call("PUT", path, token, change)).status_code == 422
    assert (await github.call("PUT", path, token, change | {"sha": "0" * 40})).status_code == 409
    assert (await github.call("PUT", path, token, change | {"sha": sha})).status_code == 200
    read = (await github.call("GET", path, token)).json()
    assert base64.b64decode(read["content"]) == b"two\n"
    raw = await github.call("GET", path, token, accept="application/vnd.github.raw+json")
    assert raw.text == "two\n"

    folder = (await github.call("GET", f"{WEB}/contents/docs", token)).json()
    for root in ("contents", "contents/"):
        assert "docs" in {one["name"] for one in (await github.call("GET", f"{WEB}/{root}", token)).json()}
    assert [(each["path"], each["type"]) for each in folder] == [("docs/guide.md", "file")]
    log = (await github.call("GET", f"{WEB}/commits?path=docs", token)).json()
    assert [each["commit"]["message"] for each in log] == ["change", "add"]

    assert (await github.call("DELETE", path, token, {"message": "rm", "sha": sha})).status_code == 409
    gone = await github.call("DELETE", path, token, {"message": "rm", "sha": read["sha"]})
    assert (gone.status_code, gone.json()["content"]) == (200, None)
    assert (await github.call("GET", path, token)).status_code == 404


@pytest.mark.parametrize(
    ("path", "changed", "status"),
    [
        ("a/../b", {}, 422),
        ("src", {}, 422),  # a directory
        ("x", {"content": "%%%"}, 422),
        ("x", {"branch": "nowhere"}, 404),
        ("x", {"message": None}, 422),
    ],
)
async def test_a_file_that_cannot_be_written_is_refused(
    github: GitHub, token: str, path: str, changed: dict[str, object], status: int
) -> None:
    body = {"message": "m", "content": _encoded("x")} | changed
    url = f"{github.running.urls['github_api']}{WEB}/contents/{path.replace('/', '%2F')}"
    answer = await github.http.put(url, json=body, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == status


async def test_a_branch_is_made_worked_on_and_merged(github: GitHub, token: str) -> None:
    main = (await github.call("GET", f"{WEB}/git/ref/heads/main", token)).json()["object"]["sha"]
    made = await github.call("POST", f"{WEB}/git/refs", token, {"ref": "refs/heads/topic/x", "sha": main})
    assert made.status_code == 201
    names = [each["name"] for each in (await github.call("GET", f"{WEB}/branches", token)).json()]
    assert names == ["feature", "main", "topic/x"]
    write = {"message": "work", "content": _encoded("x\n"), "branch": "topic/x"}
    await github.call("PUT", f"{WEB}/contents/x.txt", token, write)
    pull = await github.call("POST", f"{WEB}/pulls", token, {"title": "X", "head": "topic/x", "base": "main"})
    number, head = pull.json()["number"], pull.json()["head"]["sha"]
    assert (pull.json()["commits"], pull.json()["changed_files"], pull.json()["mergeable"]) == (1, 1, True)
    files = (await github.call("GET", f"{WEB}/pulls/{number}/files", token)).json()
    assert [(each["filename"], each["status"], each["additions"]) for each in files] == [("x.txt", "added", 1)]

    stale = await github.call("PUT", f"{WEB}/pulls/{number}/merge", token, {"sha": main})
    assert stale.status_code == 409
    merged = await github.call("PUT", f"{WEB}/pulls/{number}/merge", token, {"sha": head})
    assert merged.json()["merged"] is True
    again = await github.call("PUT", f"{WEB}/pulls/{number}/merge", token, {})
    assert again.status_code == 405
    assert (await github.call("GET", f"{WEB}/contents/x.txt", token)).status_code == 200
    assert (await github.call("GET", f"{WEB}/pulls/{number}", token)).json()["merged_by"]["login"] == "alice"
    assert (await github.call("DELETE", f"{WEB}/git/refs/heads/topic/x", token)).status_code == 204


async def test_a_conflict_cannot_be_merged(github: GitHub, token: str) -> None:
    shown = (await github.call("GET", f"{WEB}/contents/src/app.py", token)).json()
    write = {"message": "meanwhile", "content": _encoded("other\n"), "sha": shown["sha"]}
    await github.call("PUT", f"{WEB}/contents/src/app.py", token, write)
    assert (await github.call("GET", f"{WEB}/pulls/4", token)).json()["mergeable"] is False
    assert (await github.call("PUT", f"{WEB}/pulls/4/merge", token, {})).status_code == 405


async def test_nobody_approves_their_own_pull_request(github: GitHub, token: str) -> None:
    bob = hub(github.running).tokens.pair("bob")[0].token
    assert (await github.call("POST", f"{WEB}/pulls/4/reviews", bob, {"event": "APPROVE"})).status_code == 422
    review = await github.call("POST", f"{WEB}/pulls/4/reviews", token, {"event": "APPROVE"})
    assert (review.status_code, review.json()["state"]) == (200, "APPROVED")


async def test_pull_requests_are_changed_and_listed_by_state(github: GitHub, token: str) -> None:
    changed = await github.call("PATCH", f"{WEB}/pulls/4", token, {"title": "Renamed", "state": "closed"})
    assert (changed.json()["title"], changed.json()["state"]) == ("Renamed", "closed")
    assert (await github.call("GET", f"{WEB}/pulls", token)).json() == []
    closed = (await github.call("GET", f"{WEB}/pulls?state=closed&head=acme:feature", token)).json()
    assert [each["number"] for each in closed] == [4]


async def test_a_tree_is_shown_flat_or_deep(github: GitHub, token: str) -> None:
    flat = (await github.call("GET", f"{WEB}/git/trees/main", token)).json()
    assert [each["path"] for each in flat["tree"]] == [".github", "README.md", "src"]
    deep = (await github.call("GET", f"{WEB}/git/trees/{flat['sha']}?recursive=1", token)).json()
    assert "src/app.py" in [each["path"] for each in deep["tree"]]
    assert (await github.call("GET", f"{WEB}/git/trees/{'0' * 40}", token)).status_code == 404


async def test_searches_find_only_what_the_token_may_read(github: GitHub, token: str) -> None:
    async def found(path: str, key: str, bearer: str = token) -> list[str]:
        answer = await github.call("GET", path, bearer)
        assert answer.status_code == 200
        return [each[key] for each in answer.json()["items"]]

    tokens = hub(github.running).tokens
    bob = tokens.pair("bob")[0].token
    assert await found("/search/repositories?q=acme", "name") == ["web", "api", "secrets"]
    assert await found("/search/repositories?q=acme", "name", bob) == ["web", "api"]
    assert await found("/search/issues?q=repo:acme/web+is:issue+label:bug", "number") == [1]
    assert await found("/search/issues?q=signing", "title") == ["Rotate the signing key"]
    assert await found("/search/issues?q=signing", "title", bob) == []
    assert await found("/search/code?q=greet+extension:py+repo:acme/api", "path") == ["src/app.py"]

    narrow = tokens.scoped(tokens.pair("alice")[0].entry, {"pull_requests": "read"}, [2001]).token
    assert await found("/search/issues?q=is:open", "number", narrow) == [4]
    assert await found("/search/code?q=greet", "path", narrow) == []
    assert (await github.call("GET", "/search/issues?q=repo:acme/api", narrow)).status_code == 422
    assert (await github.call("GET", "/search/issues?q=", token)).status_code == 422


async def test_job_logs_lie_on_another_host_that_takes_no_credential(github: GitHub, token: str) -> None:
    run = (await github.call("GET", f"{WEB}/actions/runs?status=failure", token)).json()["workflow_runs"][0]
    job = (await github.call("GET", f"{WEB}/actions/runs/{run['id']}/jobs", token)).json()["jobs"][0]
    redirect = await github.call("GET", f"{WEB}/actions/jobs/{job['id']}/logs", token)
    assert redirect.status_code == 302
    location = httpx2.URL(redirect.headers["location"])
    assert (location.host, httpx2.URL(github.running.base_url).host) == ("localhost", "127.0.0.1")
    assert "failure" in (await github.http.get(location)).text
    with_token = await github.http.get(location, headers={"authorization": f"Bearer {token}"})
    assert with_token.status_code == 401
    github.running.sandbox.clock.advance(61)
    assert (await github.http.get(location)).status_code == 403


async def test_a_workflow_that_is_started_is_among_the_runs(github: GitHub, token: str) -> None:
    path = f"{WEB}/actions/workflows/ci.yml/dispatches"
    assert (await github.call("POST", path, token, {"ref": "feature"})).status_code == 204
    told = await github.call("POST", path, token, {"ref": "main", "return_run_details": True})
    runs = (await github.call("GET", f"{WEB}/actions/runs?event=workflow_dispatch", token)).json()
    assert (runs["total_count"], runs["workflow_runs"][0]["id"]) == (2, told.json()["workflow_run_id"])
    assert runs["workflow_runs"][1]["head_branch"] == "feature"


async def test_a_deleted_repository_is_gone(github: GitHub, token: str) -> None:
    assert (await github.call("DELETE", "/repos/acme/api", token)).status_code == 204
    assert (await github.call("GET", "/repos/acme/api", token)).status_code == 404
    assert (await github.call("DELETE", "/repos/acme/api", token)).status_code == 404


async def test_what_is_not_emulated_is_not_found(github: GitHub, token: str) -> None:
    assert (await github.call("GET", f"{WEB}/stargazers", token)).status_code == 404
    assert (await github.call("PUT", "/user", token)).status_code == 404
    for number in ("0", "x", "9" * 5000, "٣"):
        assert (await github.call("GET", f"{WEB}/issues/{number}", token)).status_code == 404
