"""Projects and comments of Linear are written: what it keeps afterwards, and what is refused before it hears of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.linear_calls import SOMEBODY, asked, said, world
from journeys.town import Town, error_of, town
from loaner.sandbox.linear.state import Comment, Issue, Project, ProjectMilestone, ProjectStatus, Team, User


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("writes"), tools={"toolsets": ("all",)}) as built:
        yield built


def named(acme: Town, kind: type[Any], name: str) -> Any:
    return next(one for one in world(acme).every(kind) if one.name == name)


def comment(acme: Town, author: str, *, issue: str = "ENG-1") -> Comment:
    """A fresh one."""
    user = next(one for one in world(acme).every(User) if one.display_name == author)
    made: Comment = world(acme).new(Comment, body="Before", user=user, issue=world(acme).issue(issue))
    return made


async def test_a_project_is_created_changed_and_cleared(acme: Town) -> None:
    bob = next(one for one in world(acme).every(User) if one.display_name == "bob")
    started = named(acme, ProjectStatus, "In Progress")
    given = {"content": "# Why", "leadId": bob.id, "targetDate": "2026-12-24", "priority": 2, "statusId": started.id}
    made = await said(acme, "linear_create_project", teamId="Engineering", name="Autumn", **given)
    assert (made["status"], made["lead"]) == ("In Progress", "bob")
    kept = named(acme, Project, "Autumn")
    assert [one.key for one in kept.teams] == ["ENG"]
    assert (kept.content, kept.lead, kept.target_date, kept.priority) == ("# Why", bob, "2026-12-24", 2)
    assert (await acme.records(tool="linear_create_project"))[-1]["resource"] == "team:ENG"
    changed = {"name": "Winter", "description": "Later.", "startDate": "2026-12-01"}
    await said(acme, "linear_update_project", projectId=kept.id, **changed)
    assert (kept.name, kept.description, kept.start_date) == ("Winter", "Later.", "2026-12-01")
    cleared = ("content", "leadId", "targetDate", "startDate")
    for empty in ("", None):
        await said(acme, "linear_update_project", projectId=kept.id, **dict.fromkeys(cleared, empty))
        assert (kept.content, kept.lead, kept.target_date, kept.start_date) == (None, None, None, None)
        await said(acme, "linear_update_project", projectId=kept.id, **dict(given, startDate="2026-12-01"))
    assert kept.name == "Winter"
    assert [one.key for one in kept.teams] == ["ENG"]


async def test_a_comment_is_changed_and_deleted_by_whoever_wrote_it(acme: Town) -> None:
    mine = comment(acme, "alice")
    told = await said(acme, "linear_update_comment", issueId="ENG-1", commentId=mine.id, body="After")
    assert mine.body == "After"
    assert told["editedAt"]
    assert (await said(acme, "linear_delete_comment", issueId="ENG-1", commentId=mine.id)) == {"deleted": True}
    assert mine not in world(acme).every(Comment)
    theirs = comment(acme, "bob")
    answer = await asked(acme, "linear_update_comment", issueId="ENG-1", commentId=theirs.id, body="After")
    assert error_of(answer)["code"] == "provider_forbidden"
    assert theirs.body == "Before"


@pytest.mark.parametrize("tool", ["linear_update_comment", "linear_delete_comment"])
async def test_a_comment_of_another_issue_is_out_of_reach(acme: Town, tool: str) -> None:
    """The person agreed to a comment on ENG-1, and Linear itself would take the id of any."""
    other = comment(acme, "alice", issue="OPS-1")
    more = {"body": "After"} if tool == "linear_update_comment" else {}
    answer = await asked(acme, tool, issueId="ENG-1", commentId=other.id, **more)
    assert error_of(answer)["code"] == "not_found"
    assert other.body == "Before"
    assert other in world(acme).every(Comment)


async def test_a_comment_that_is_gone_is_not_found(acme: Town) -> None:
    """A second identical call, and a race that was lost to somebody else's deletion."""
    mine = comment(acme, "alice")
    given = {"issueId": "ENG-1", "commentId": mine.id}
    await said(acme, "linear_delete_comment", **given)
    assert error_of(await asked(acme, "linear_delete_comment", **given))["code"] == "not_found"
    other = comment(acme, "alice")
    async with acme.agent() as agent:
        call = "linear_update_comment", {"issueId": "ENG-1", "commentId": other.id, "body": "After"}
        answer = await agent.call_tool(*call)
        await acme.decide(answer)
        world(acme).remove(other)
        assert error_of(await agent.call_tool(*call))["code"] == "not_found"


async def test_the_same_change_twice_is_one(acme: Town) -> None:
    launch, mine = named(acme, Project, "Spring launch"), comment(acme, "alice")
    for _ in range(2):
        await said(acme, "linear_update_project", projectId=launch.id, description="Soon.")
        await said(acme, "linear_update_comment", issueId="ENG-1", commentId=mine.id, body="After")
    assert (launch.description, mine.body) == ("Soon.", "After")


async def test_an_issue_is_put_at_a_milestone_of_its_project(acme: Town) -> None:
    launch, beta = named(acme, Project, "Spring launch"), named(acme, ProjectMilestone, "Beta")
    place = {"projectId": launch.id, "projectMilestoneId": beta.id}
    made = await said(acme, "linear_create_issue", teamId="ENG", title="Part", **place)
    issue = world(acme).issue(made["identifier"])
    assert issue.project_milestone is beta
    assert (await said(acme, "linear_get_issue", id=issue.identifier))["milestone"] == "Beta"
    await said(acme, "linear_update_issue", id=issue.identifier, projectMilestoneId=None)
    assert issue.project_milestone is None
    answer = await asked(acme, "linear_update_issue", id="ENG-1", projectMilestoneId=beta.id)
    assert error_of(answer)["code"] == "provider_rejected", "ENG-1 is of no project"


ENG_1 = {"issueId": "ENG-1", "commentId": SOMEBODY}
REFUSED = {
    "a project without a name": ("linear_create_project", {"teamId": "ENG", "name": ""}),
    "a project of no team": ("linear_create_project", {"teamId": "", "name": "x"}),
    "a project of two teams": ("linear_create_project", {"teamId": ["ENG", "OPS"], "name": "x"}),
    "a lead by a name": ("linear_create_project", {"teamId": "ENG", "name": "x", "leadId": "bob"}),
    "a date as people say it": ("linear_create_project", {"teamId": "ENG", "name": "x", "targetDate": "next week"}),
    "a priority that is none": ("linear_create_project", {"teamId": "ENG", "name": "x", "priority": 5}),
    "a project by its name": ("linear_update_project", {"projectId": "Spring launch", "name": "x"}),
    "a project's other teams": ("linear_update_project", {"projectId": SOMEBODY, "teamIds": [SOMEBODY]}),
    "a project put into the trash": ("linear_update_project", {"projectId": SOMEBODY, "trashed": True}),
    "no change of a project": ("linear_update_project", {"projectId": SOMEBODY}),
    "a project with an empty name": ("linear_update_project", {"projectId": SOMEBODY, "name": ""}),
    "an empty comment": ("linear_update_comment", ENG_1 | {"body": ""}),
    "a comment of a Slack channel": ("linear_update_comment", ENG_1 | {"commentId": "C0SBX000002", "body": "x"}),
    "no comment": ("linear_delete_comment", {"issueId": "ENG-1", "commentId": ""}),
    "a comment on GitHub": ("linear_delete_comment", {"issueId": "acme/web#1", "commentId": SOMEBODY}),
    "a milestone by its name": ("linear_create_issue", {"teamId": "ENG", "title": "x", "projectMilestoneId": "Beta"}),
    "no milestone at all": ("linear_update_issue", {"id": "ENG-1", "projectMilestoneId": [SOMEBODY]}),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_nobody_is_asked_about_what_cannot_be(acme: Town, what: str) -> None:
    before = len(acme.ledger())
    tool, given = REFUSED[what]
    async with acme.agent() as agent:
        answer = await agent.call_tool(tool, given)
    assert error_of(answer)["code"] == "invalid_arguments"
    assert len(acme.ledger()) == before


ABSENT = {
    "a project": ("linear_update_project", {"projectId": SOMEBODY, "name": "x"}),
    "a lead": ("linear_create_project", {"teamId": "ENG", "name": "x", "leadId": SOMEBODY}),
    "a status": ("linear_create_project", {"teamId": "ENG", "name": "x", "statusId": SOMEBODY}),
    "a comment": ("linear_update_comment", ENG_1 | {"body": "x"}),
    "a team": ("linear_create_project", {"teamId": "Marketing", "name": "x"}),
    "a milestone": ("linear_create_issue", {"teamId": "ENG", "title": "x", "projectMilestoneId": SOMEBODY}),
}


@pytest.mark.parametrize("what", ABSENT)
async def test_what_is_not_there_is_not_found_and_nothing_is_made(acme: Town, what: str) -> None:
    before = {kind: len(list(world(acme).every(kind))) for kind in (Project, Issue, Comment, Team)}
    tool, given = ABSENT[what]
    assert error_of(await asked(acme, tool, **given))["code"] == "not_found"
    assert {kind: len(list(world(acme).every(kind))) for kind in before} == before
