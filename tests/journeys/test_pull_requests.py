"""What was said and checked of a pull request is read part by part, each with its least permission, and answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town
from loaner.sandbox.github.call import Call

WEB = {"owner": "acme", "repo": "web"}
PULL = WEB | {"pull_number": 4}
LEAST = {"metadata": "read", "pull_requests": "read"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("pulls"), tools={"toolsets": ("all",)}) as built:
        async with built.agent() as agent:
            assert not (await built.call(agent, "github_get_me", {})).is_error
        yield built


async def told(acme: Town, tool: str, **given: Any) -> dict[str, Any]:
    async with acme.agent() as agent:
        answer = await acme.call(agent, tool, given)
    assert not answer.is_error, text_of(answer)
    held: dict[str, Any] = answer.structured_content
    return held


async def lent(acme: Town, tool: str) -> dict[str, str]:
    """The permissions of the last credential of a tool."""
    record = (await acme.records(tool=tool, outcome="ok"))[-1]
    (loan,) = acme.ledger(fingerprint=record["fingerprint"])
    permissions: dict[str, str] = loan["permissions"]
    return permissions


PARTS: dict[str, tuple[dict[str, str], str]] = {
    "files": (LEAST, "files"),
    "reviews": (LEAST, "reviews"),
    "review_comments": (LEAST, "review_comments"),
    "comments": (LEAST, "comments"),
    "checks": (LEAST | {"checks": "read"}, "checks"),
    "statuses": (LEAST | {"statuses": "read"}, "statuses"),
    "diff": (LEAST, "diff"),
}


@pytest.mark.parametrize("what", PARTS)
async def test_each_part_is_read_with_its_own_least_permission(acme: Town, what: str) -> None:
    """MUST 31."""
    least, field = PARTS[what]
    held = await told(acme, "github_pull_request_read", **PULL, what=what)
    assert await lent(acme, "github_pull_request_read") == dict(sorted(least.items()))
    assert {name for _, name in PARTS.values() if name in held} == {field}
    assert (held["title"], held["mergeable_state"], held["labels"]) == ("Greet politely", "clean", [])


async def test_a_review_is_addressed_from_its_words_to_the_answer_in_its_thread(acme: Town) -> None:
    (review,) = (await told(acme, "github_pull_request_read", **PULL, what="reviews"))["reviews"]
    assert (review["author"], review["state"], review["body"]) == ("alice", "COMMENTED", "One question.")
    (asked,) = (await told(acme, "github_pull_request_read", **PULL, what="review_comments"))["review_comments"]
    assert (asked["path"], asked["line"], asked["body"]) == ("src/app.py", 2, "At night too?")
    await told(acme, "github_reply_to_review_comment", **PULL, comment_id=asked["id"], body="Yes.")
    thread = (await told(acme, "github_pull_request_read", **PULL, what="review_comments"))["review_comments"]
    assert [(one.get("reply_to"), one["body"]) for one in thread] == [(None, "At night too?"), (asked["id"], "Yes.")]


async def test_a_red_check_and_what_others_say_of_the_commit(acme: Town) -> None:
    checks = (await told(acme, "github_pull_request_read", **PULL, what="checks"))["checks"]
    assert [(one["name"], one["conclusion"]) for one in checks] == [("test", "failure"), ("lint", "success")]
    assert checks[0]["summary"] == "1 of 3 tests failed"
    held = await told(acme, "github_pull_request_read", **PULL, what="statuses")
    assert (held["combined_status"], held["statuses"][0]["context"]) == ("success", "preview")


async def test_the_diff_is_a_text(acme: Town) -> None:
    diff = (await told(acme, "github_pull_request_read", **PULL, what="diff"))["diff"]
    assert "+++ b/src/app.py" in diff or "diff --git a/src/app.py b/src/app.py" in diff
    assert "Good morning" in diff


async def test_reviewers_are_asked_and_shown(acme: Town) -> None:
    assert (await told(acme, "github_request_reviewers", **PULL, reviewers=["alice"]))["reviewers"] == ["alice"]
    (pull,) = (await told(acme, "github_list_pull_requests", **WEB))["pull_requests"]
    assert (pull["reviewers"], pull["head_sha"]) == (["alice"], pull["head_sha"])
    async with acme.agent() as agent:
        answer = await acme.call(agent, "github_request_reviewers", PULL | {"reviewers": ["bob"]})
    assert error_of(answer)["code"] == "provider_rejected"
    assert "is the author of the pull request" in text_of(answer)


async def test_an_issue_tells_what_it_has_after_a_change(acme: Town) -> None:
    """GitHub drops an assignee whom the user may not assign, without a word: so it is said who is assigned."""
    given = {"title": "New", "assignees": ["bob"], "labels": ["bug"], "milestone": 1}
    made = await told(acme, "github_issue_create", **WEB, **given)
    assert (made["assignees"], made["labels"], made["milestone"]) == (["bob"], ["bug"], "Next release")
    hub: Any = acme.running.sandbox.inside["github"]
    hub.world.find("acme/web").roles["alice"] = "read"
    made = await told(acme, "github_issue_create", **WEB, **given)
    hub.world.find("acme/web").roles["alice"] = "admin"
    assert made["assignees"] == []


async def test_issues_are_found_by_milestone_and_by_when_they_changed(acme: Town) -> None:
    await told(acme, "github_issue_update", **WEB, issue_number=2, milestone=1)
    issues = (await told(acme, "github_list_issues", **WEB, milestone="1"))["issues"]
    assert 2 in [one["number"] for one in issues]
    assert {one["milestone"] for one in issues} == {"Next release"}
    assert "created_at" in issues[0]
    assert (await told(acme, "github_list_issues", **WEB, since="2099-01-01T00:00:00Z"))["issues"] == []
    opened = (await told(acme, "github_list_issues", **WEB, direction="asc", limit=1))["issues"]
    assert opened[0]["number"] == 1


async def test_commits_are_found_by_when_they_were_made(acme: Town) -> None:
    commits = (await told(acme, "github_list_commits", **WEB))["commits"]
    assert (commits[0]["committer"], commits[0]["verified"]) == ("alice", False)
    assert (await told(acme, "github_list_commits", **WEB, since="2099-01-01T00:00:00Z"))["commits"] == []


@pytest.mark.parametrize("answers_with_details", [True, False])
async def test_a_started_workflow_tells_its_run(
    acme: Town, monkeypatch: pytest.MonkeyPatch, answers_with_details: bool
) -> None:
    """An older server ignores that it was asked for them, and answers 204 without a body."""
    if not answers_with_details:
        monkeypatch.setattr(Call, "flag", lambda *_: False)
    held = await told(acme, "github_run_workflow", **WEB, workflow_id="ci.yml", ref="main")
    assert held["started"] is True
    assert ("run_id" in held) is answers_with_details
