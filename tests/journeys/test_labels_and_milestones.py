"""Triage: labels are listed, made and taken off, an issue gets a type and a milestone and loses them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town
from loaner.sandbox.github.state import Milestone

WEB = {"owner": "acme", "repo": "web"}
LEAST = {"issues": "read", "metadata": "read"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("triage"), tools={"toolsets": ("all",)}) as built:
        async with built.agent() as agent:
            assert not (await built.call(agent, "github_get_me", {})).is_error
        yield built


def web(acme: Town) -> Any:
    github: Any = acme.running.sandbox.inside["github"]
    return github.world.find("acme/web")


async def answered(acme: Town, tool: str, given: dict[str, Any]) -> Any:
    async with acme.agent() as agent:
        return await acme.call(agent, tool, WEB | given)


async def told(acme: Town, tool: str, **given: Any) -> dict[str, Any]:
    answer = await answered(acme, tool, given)
    assert not answer.is_error, text_of(answer)
    held: dict[str, Any] = answer.structured_content
    return held


async def lent(acme: Town, tool: str) -> dict[str, str]:
    """The permissions of the last credential of a tool."""
    record = (await acme.records(tool=tool, outcome="ok"))[-1]
    (loan,) = acme.ledger(fingerprint=record["fingerprint"])
    permissions: dict[str, str] = loan["permissions"]
    return permissions


async def test_a_label_is_made_put_on_and_taken_off_again(acme: Town) -> None:
    made = await told(acme, "github_create_label", name="area/Login", color="0E8A16", description="The way in.")
    assert made == {"name": "area/Login", "color": "0e8a16", "description": "The way in."}
    listed = (await told(acme, "github_list_labels"))["labels"]
    assert made in listed
    assert await lent(acme, "github_list_labels") == LEAST
    assert "area/Login" in (await told(acme, "github_add_labels", issue_number=2, labels=["area/login"]))["labels"]
    assert [each.name for each in web(acme).issues[2].labels] == ["enhancement", "area/Login"]
    left = await told(acme, "github_remove_label", issue_number=2, label="AREA/login")
    assert left == {"labels": ["enhancement"]}, "one path segment, whatever is in the name"
    assert [each.name for each in web(acme).issues[2].labels] == ["enhancement"]


@pytest.mark.parametrize("label", ["bug", "no-such-label"])
async def test_what_an_issue_has_not_is_off_it_already(acme: Town, label: str) -> None:
    """Two agents, or one that repeats its call: nothing failed, and nothing is said about the other labels."""
    held = await told(acme, "github_remove_label", issue_number=2, label=label)
    assert held == {"already": True}


async def test_an_issue_that_is_not_there_is_not_taken_for_a_label_that_is_not(acme: Town) -> None:
    answer = await answered(acme, "github_remove_label", {"issue_number": 4711, "label": "bug"})
    assert error_of(answer)["code"] == "not_found"


@pytest.mark.parametrize("name", ["bug", "BUG"])
async def test_a_label_is_not_made_twice(acme: Town, name: str) -> None:
    answer = await answered(acme, "github_create_label", {"name": name})
    assert error_of(answer)["code"] == "provider_rejected"
    assert "a label of that name already" in text_of(answer)
    assert [each.name for each in web(acme).labels.values()].count("bug") == 1


async def test_milestones_are_listed_by_state_and_by_when_they_are_due(acme: Town) -> None:
    web(acme).milestones[2] = Milestone(2, "Last release", state="closed")
    web(acme).milestones[3] = Milestone(3, "Some day")
    await told(acme, "github_issue_update", issue_number=3, milestone=1)
    open_ones = (await told(acme, "github_list_milestones"))["milestones"]
    assert await lent(acme, "github_list_milestones") == LEAST
    assert [(one["number"], one["open_issues"]) for one in open_ones] == [(1, 1), (3, 0)]
    assert (open_ones[0]["description"], "due_on" in open_ones[1]) == ("What has to be in it.", False)
    last = (await told(acme, "github_list_milestones", state="all", direction="desc", limit=1))["milestones"]
    assert [one["title"] for one in last] == ["Some day"]
    assert [one["number"] for one in (await told(acme, "github_list_milestones", state="closed"))["milestones"]] == [2]
    (found,) = (await told(acme, "github_list_issues", milestone=str(open_ones[0]["number"])))["issues"]
    assert found["number"] == 3


@pytest.mark.parametrize("empty", ["", None])
async def test_a_type_and_a_milestone_are_given_and_taken_away(acme: Town, empty: Any) -> None:
    made = await told(acme, "github_issue_create", title="Typed", type="bug", milestone=1)
    assert (made["kind"], made["milestone"]) == ("Bug", "Next release")
    number = made["number"]
    listed = (await told(acme, "github_list_issues", type="Bug"))["issues"]
    assert (number in [one["number"] for one in listed], {one["kind"] for one in listed}) == (True, {"Bug"})
    held = await told(acme, "github_issue_update", issue_number=number, type="Feature", title="Kept")
    assert (held["kind"], held["milestone"]) == ("Feature", "Next release"), "what is not said stays"
    held = await told(acme, "github_issue_update", issue_number=number, type=empty, milestone=empty)
    assert ("kind" in held, "milestone" in held) == (False, False)
    assert (web(acme).issues[number].type, web(acme).issues[number].milestone) == (None, None)
    none = (await told(acme, "github_list_issues", type="none"))["issues"]
    assert number in [one["number"] for one in none]


async def test_a_duplicate_is_closed_as_one(acme: Town) -> None:
    await told(acme, "github_issue_update", issue_number=3, state="closed", state_reason="duplicate")
    read = await told(acme, "github_issue_read", issue_number=3)
    assert (read["state_reason"], "closed_at" in read) == ("duplicate", True)


async def test_a_type_that_the_organisation_has_not_is_told(acme: Town) -> None:
    answer = await answered(acme, "github_issue_create", {"title": "x", "type": "Epic"})
    assert error_of(answer)["code"] == "provider_rejected"
    assert "the type" in text_of(answer)


async def test_branches_say_which_one_is_the_default(acme: Town) -> None:
    first = await told(acme, "github_list_branches", limit=1)
    assert await lent(acme, "github_list_branches") == {"contents": "read", "metadata": "read"}
    assert (first["default_branch"], first["branches"][0]["name"]) == ("main", "feature")
    rest = await told(acme, "github_list_branches", limit=1, cursor=first["next_cursor"])
    assert ("default_branch" in rest, rest["branches"][0]["name"]) == (False, "main")


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "a colour by name": ("github_create_label", {"name": "x", "color": "#ff0000"}, "without #"),
    "two labels in one": ("github_create_label", {"name": "bug,security"}, "without a comma"),
    "no name": ("github_create_label", {"name": ""}, "name must have 1"),
    "a long description": ("github_create_label", {"name": "x", "description": "d" * 101}, "1–100 characters"),
    "two labels to take off": ("github_remove_label", {"issue_number": 1, "label": "bug,docs"}, "without a comma"),
    "no label to take off": ("github_remove_label", {"issue_number": 1, "label": ""}, "label must have 1"),
    "every label": ("github_remove_label", {"issue_number": 1, "label": ".."}, "“..”"),
    "a list of labels": ("github_remove_label", {"issue_number": 1, "label": ["bug"]}, "label must be a string"),
    "a state of issues": ("github_list_milestones", {"state": "merged"}, "open, closed, all"),
    "a milestone by name": ("github_list_issues", {"milestone": "Next release"}, "number of a milestone"),
    "a milestone below one": ("github_issue_create", {"title": "x", "milestone": 0}, "milestone must be 1"),
    "a type that is none": ("github_issue_create", {"title": "x", "type": 3}, "type must be a string"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_does_not_fit_is_refused_before_anything_is_sent(acme: Town, what: str) -> None:
    tool, given, words = WRONG[what]
    before = sum(len(entry["uses"]) for entry in acme.ledger(provider="github"))
    answer = await answered(acme, tool, given)
    assert (error_of(answer)["code"], words in text_of(answer)) == ("invalid_arguments", True), text_of(answer)
    assert sum(len(entry["uses"]) for entry in acme.ledger(provider="github")) == before
