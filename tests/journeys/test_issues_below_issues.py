"""Sub-issues and the branch of a pull request: what is changed, what had changed meanwhile, and the second time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town
from loaner.sandbox.github.shapes import issues as shapes

WEB = {"owner": "acme", "repo": "web"}
PULL = WEB | {"pull_number": 4}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("below"), tools={"toolsets": ("all",)}) as built:
        yield built


async def answered(acme: Town, tool: str, **given: Any) -> Any:
    async with acme.agent() as agent:
        return await acme.call(agent, tool, given)


async def told(acme: Town, tool: str, **given: Any) -> dict[str, Any]:
    answer = await answered(acme, tool, **given)
    assert not answer.is_error, text_of(answer)
    held: dict[str, Any] = answer.structured_content
    return held


async def lent(acme: Town, tool: str) -> dict[str, Any]:
    """The credential of the last call of a tool that worked."""
    record = (await acme.records(tool=tool, outcome="ok"))[-1]
    (loan,) = acme.ledger(fingerprint=record["fingerprint"])
    return loan


def web(acme: Town) -> Any:
    hub: Any = acme.running.sandbox.inside["github"]
    return hub.world.find("acme/web")


async def below(acme: Town, parent: int) -> list[int]:
    listed = await told(acme, "github_list_sub_issues", **WEB, issue_number=parent)
    return [one["number"] for one in listed["issues"]]


async def test_an_issue_is_put_below_another_moved_and_taken_away(acme: Town) -> None:
    three = {"sub_issue_number": 3}
    assert await told(acme, "github_add_sub_issue", **WEB, issue_number=2, **three) == {"added": True}
    assert (await lent(acme, "github_add_sub_issue"))["permissions"] == {"issues": "write", "metadata": "read"}
    assert await below(acme, 2) == [3]
    assert (await told(acme, "github_issue_read", **WEB, issue_number=2))["sub_issues"] == 1
    assert (await lent(acme, "github_list_sub_issues"))["permissions"] == {"issues": "read", "metadata": "read"}

    for again in (WEB | {"issue_number": 2}, WEB | {"issue_number": 1}, WEB | {"issue_number": 3}):
        answer = await answered(acme, "github_add_sub_issue", **again, **three)
        assert error_of(answer)["code"] == "provider_rejected", again
        assert "it is below that issue already, it has another parent (then set replace_parent)" in text_of(answer)
    assert web(acme).issues[3].parent == 2, "nothing was moved unasked"

    await told(acme, "github_add_sub_issue", **WEB, issue_number=1, **three, replace_parent=True)
    assert (await below(acme, 1), await below(acme, 2)) == ([3], [])

    answer = await answered(acme, "github_remove_sub_issue", **WEB, issue_number=2, **three)
    assert error_of(answer)["code"] == "not_found", "it is below another issue now"
    assert await told(acme, "github_remove_sub_issue", **WEB, issue_number=1, **three) == {"removed": True}
    assert web(acme).issues[3].parent is None
    answer = await answered(acme, "github_remove_sub_issue", **WEB, issue_number=1, **three)
    assert error_of(answer)["code"] == "not_found"


async def test_a_sub_issue_of_another_repository_is_counted_and_not_shown(
    acme: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitHub lists it where the person may see it; the call is about one repository."""
    await told(acme, "github_add_sub_issue", **WEB, issue_number=2, sub_issue_number=3)
    show = shapes.issue

    def elsewhere(urls: Any, at: Any, shown: Any) -> Any:
        body = show(urls, at, shown)
        return body | {"title": "Secret", "repository_url": f"{urls.api}/repos/acme/secrets"}

    monkeypatch.setattr(shapes, "issue", elsewhere)
    answer = await answered(acme, "github_list_sub_issues", **WEB, issue_number=2)
    assert answer.structured_content == {"issues": [], "left_out": 1}
    monkeypatch.undo()
    await told(acme, "github_remove_sub_issue", **WEB, issue_number=2, sub_issue_number=3)


async def test_sub_issues_come_in_pages(acme: Town) -> None:
    for number in (2, 3):
        await told(acme, "github_add_sub_issue", **WEB, issue_number=1, sub_issue_number=number)
    first = await told(acme, "github_list_sub_issues", **WEB, issue_number=1, limit=1)
    rest = await told(acme, "github_list_sub_issues", **WEB, issue_number=1, limit=1, cursor=first["next_cursor"])
    assert [one["number"] for one in first["issues"] + rest["issues"]] == [2, 3]
    assert "next_cursor" not in rest


async def test_a_branch_is_brought_up_to_date_if_it_is_still_the_one_that_was_looked_at(acme: Town) -> None:
    """It writes the branch, so it takes that permission beside the one on pull requests."""
    store = web(acme).git
    head = store.branches["feature"]
    call = PULL | {"sha": head}
    rejected = "its head is another commit now than sha, the branch is up to date already"
    answer = await answered(acme, "github_update_pull_request_branch", **call)
    assert rejected in text_of(answer), "nothing is new in the base"

    store.commit_on("main", {}, "Ahead", store.commits[head].author)
    moved = store.commit_on("feature", {}, "Somebody else's", store.commits[head].author).sha
    web(acme).issues[4].pull.head_sha = moved
    answer = await answered(acme, "github_update_pull_request_branch", **call)
    assert error_of(answer)["code"] == "provider_rejected"
    assert store.branches["feature"] == moved

    call["sha"] = (await told(acme, "github_pull_request_read", **PULL))["head_sha"]
    assert await told(acme, "github_update_pull_request_branch", **call) == {"started": True}
    assert store.commits[store.branches["feature"]].parents == (moved, store.branches["main"])
    needed = {"contents": "write", "metadata": "read", "pull_requests": "write"}
    assert (await lent(acme, "github_update_pull_request_branch"))["permissions"] == needed
    answer = await answered(acme, "github_update_pull_request_branch", **call)
    assert rejected in text_of(answer), "a second time there is nothing to do"


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "no number": ("github_add_sub_issue", {"issue_number": 1, "sub_issue_number": "2"}, "must be a whole number"),
    "null": ("github_add_sub_issue", {"issue_number": 1, "sub_issue_number": None}, "sub_issue_number is required"),
    "an id of Linear": ("github_add_sub_issue", {"issue_number": 1, "sub_issue_number": "ENG-1"}, "whole number"),
    "an id": ("github_remove_sub_issue", {"issue_number": 1, "sub_issue_number": 2**40}, "must be 1–2147483647"),
    "a text for a flag": (
        "github_add_sub_issue",
        {"issue_number": 1, "sub_issue_number": 2, "replace_parent": "yes"},
        "must be true or false",
    ),
    "another repository's": (
        "github_add_sub_issue",
        {"issue_number": 1, "sub_issue_number": 2, "sub_issue_repo": "api"},
        "unknown field",
    ),
    "no sha": ("github_update_pull_request_branch", {"pull_number": 4, "sha": "main"}, "must be a hexadecimal SHA"),
    "an empty sha": ("github_update_pull_request_branch", {"pull_number": 4, "sha": ""}, "sha must have 1"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_does_not_fit_is_refused_before_anything_is_sent(acme: Town, what: str) -> None:
    tool, given, said = WRONG[what]
    uses = [entry["uses"] for entry in acme.ledger()]
    async with acme.agent() as agent:
        answer = await agent.call_tool(tool, WEB | given)
    assert error_of(answer)["code"] == "invalid_arguments"
    assert said in text_of(answer)
    assert [entry["uses"] for entry in acme.ledger()] == uses


async def test_an_issue_of_nowhere_is_said_to_be_missing(acme: Town) -> None:
    answer = await answered(acme, "github_add_sub_issue", **WEB, issue_number=1, sub_issue_number=999)
    assert error_of(answer)["code"] == "not_found"
