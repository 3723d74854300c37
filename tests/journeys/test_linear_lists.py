"""Linear's lists are of what was asked for, or say that there is no such thing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from journeys.linear_calls import asked, said, world
from journeys.town import Town, error_of, text_of, town
from loaner.sandbox.linear.state import (
    ActorBot,
    Comment,
    Cycle,
    ExternalUser,
    IssueLabel,
    IssueRelation,
    Project,
    Team,
    WorkflowState,
)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("lists"), tools={"toolsets": ("all",)}) as built:
        yield built


BY_TEAM = {
    "linear_list_issues": {},
    "linear_list_states": {},
    "linear_list_labels": {},
    "linear_search_issues": {"term": "the"},
    "linear_create_issue": {"title": "New"},
}


@pytest.mark.parametrize("tool", BY_TEAM)
async def test_a_team_that_is_not_there_is_not_found(acme: Town, tool: str) -> None:
    """An empty list would say that there is nothing in it."""
    answer = await asked(acme, tool, **BY_TEAM[tool], teamId="Marketing")
    assert error_of(answer)["code"] == "not_found"
    assert "linear_list_teams" in text_of(answer)


@pytest.mark.parametrize("name", ["ENG", "eng", "Engineering", "ENGINEERING"])
async def test_a_team_is_found_by_its_key_and_by_its_name(acme: Town, name: str) -> None:
    issues = (await said(acme, "linear_list_issues", teamId=name))["issues"]
    assert issues
    assert all(one["identifier"].startswith("ENG-") for one in issues)
    assert (await acme.records(tool="linear_list_issues"))[-1]["resource"] == "team:ENG"


async def test_a_key_is_preferred_to_the_same_name_and_two_of_one_name_are_told_apart(acme: Town) -> None:
    ops = next(one for one in world(acme).every(Team) if one.key == "OPS")
    before, ops.name = ops.name, "Eng"
    issues = (await said(acme, "linear_list_issues", teamId="eng"))["issues"]
    assert all(one["identifier"].startswith("ENG-") for one in issues)
    ops.name = "Engineering"
    answer = await asked(acme, "linear_list_issues", teamId="Engineering")
    assert error_of(answer)["code"] == "not_found"
    assert "several" in text_of(answer)
    ops.name = before


FILTERED = {
    "mine": ({"assignee": "me"}, {"ENG-2", "ENG-4", "OPS-3"}),
    "mine that are open": ({"assignee": "me", "stateType": "started"}, {"ENG-2", "OPS-3"}),
    "somebody's by their name": ({"assignee": "bob"}, {"ENG-1", "OPS-1"}),
    "somebody's by their e-mail": ({"assignee": "BOB@acme.example"}, {"ENG-1", "OPS-1"}),
    "nobody's": ({"assignee": "none"}, {"ENG-3", "OPS-2"}),
    "by a state's name": ({"state": "in progress"}, {"ENG-2", "OPS-3"}),
    "by a label": ({"label": "bug"}, {"ENG-1", "ENG-3", "OPS-3"}),
    "by a label of one team": ({"teamId": "Operations", "label": "Bug"}, {"OPS-3"}),
    "by a project": ({"project": "spring launch"}, {"ENG-2", "ENG-4", "OPS-2"}),
    "by the cycle": ({"cycle": "current"}, {"ENG-2"}),
    "all at once": ({"teamId": "ENG", "assignee": "me", "state": "Done", "project": "Spring launch"}, {"ENG-4"}),
}


@pytest.mark.parametrize("what", FILTERED)
async def test_issues_are_listed_by_what_people_ask_for(acme: Town, what: str) -> None:
    world(acme).issue("ENG-2").cycle = next(world(acme).every(Cycle))
    given, expected = FILTERED[what]
    for tool, more in (("linear_list_issues", {}), ("linear_search_issues", {"term": "e"})):
        found = (await said(acme, tool, **given, **more))["issues"]
        assert {one["identifier"] for one in found} == expected, tool


MISSING = {
    "a person": ({"assignee": "mallory"}, "linear_list_users"),
    "a state": ({"state": "Waiting"}, "linear_list_states"),
    "a state of another team": ({"teamId": "ENG", "state": "Only there"}, "linear_list_states"),
    "a label": ({"label": "bugs"}, "linear_list_labels"),
    "a label of another team": ({"teamId": "ENG", "label": "on-call"}, "linear_list_labels"),
    "a project": ({"project": "Autumn launch"}, "linear_list_projects"),
}


@pytest.mark.parametrize("what", MISSING)
async def test_a_filter_by_what_is_not_there_is_not_found(acme: Town, what: str) -> None:
    ops = next(one for one in world(acme).every(Team) if one.key == "OPS")
    if not any(one.name == "Only there" for one in world(acme).every(WorkflowState)):
        world(acme).new(WorkflowState, name="Only there", type="started", color="#000000", position=9.0, team=ops)
    given, tool = MISSING[what]
    answer = await asked(acme, "linear_list_issues", **given)
    assert error_of(answer)["code"] == "not_found"
    assert tool in text_of(answer)


async def test_what_changed_since_a_day_and_what_is_archived(acme: Town) -> None:
    issue = world(acme).issue("OPS-1")
    since = world(acme).now().date().isoformat()
    world(acme).touch(issue)
    assert [one["identifier"] for one in (await said(acme, "linear_list_issues", updatedSince=since))["issues"]] == [
        "OPS-1"
    ]
    issue.archived_at = world(acme).now()
    assert not (await said(acme, "linear_list_issues", updatedSince=since))["issues"]
    (one,) = (await said(acme, "linear_list_issues", updatedSince=since, includeArchived=True))["issues"]
    assert one["archivedAt"]
    issue.archived_at = None


async def test_an_issue_in_a_list_says_what_people_look_at(acme: Town) -> None:
    world(acme).issue("ENG-2").due_date = "2026-12-24"
    (one,) = (await said(acme, "linear_list_issues", teamId="ENG", state="In Progress"))["issues"]
    assert one["id"] == world(acme).issue("ENG-2").id
    assert (one["labels"], one["project"], one["dueDate"]) == (["Feature"], "Spring launch", "2026-12-24")
    assert one["createdAt"]


async def test_labels_of_a_team_are_those_of_the_workspace_as_well(acme: Town) -> None:
    labels = (await said(acme, "linear_list_labels", teamId="ENG"))["labels"]
    assert {one["name"]: one.get("team") for one in labels} == {
        "Bug": None,
        "Feature": None,
        "Improvement": None,
        "frontend": "ENG",
    }
    everywhere = (await said(acme, "linear_list_labels"))["labels"]
    assert {one["name"] for one in everywhere} == {"Bug", "Feature", "Improvement", "frontend", "on-call"}


async def test_an_issue_tells_what_it_hangs_together_with(acme: Town) -> None:
    issue = world(acme).issue
    issue("ENG-3").parent = issue("ENG-1")
    world(acme).new(IssueRelation, type="blocks", issue=issue("ENG-1"), related_issue=issue("OPS-1"))
    one = await said(acme, "linear_get_issue", id="ENG-1")
    assert [child["identifier"] for child in one["children"]] == ["ENG-3"]
    assert one["relations"] == [{"type": "blocks", "identifier": "OPS-1", "title": "Rotate the staging certificates"}]
    assert one["branchName"]
    other = await said(acme, "linear_get_issue", id="OPS-1")
    assert other["related_by"][0]["identifier"] == "ENG-1"
    assert (await said(acme, "linear_get_issue", id="ENG-3"))["parent"] == "ENG-1"
    issue("ENG-3").parent = None


async def test_a_comment_says_who_wrote_it_whoever_that_is(acme: Town) -> None:
    one = world(acme).issue("OPS-3")
    somebody = world(acme).new(ExternalUser, name="Dana", display_name="dana")
    bot = world(acme).new(ActorBot, name="GitHub", type="github")
    first = world(acme).new(Comment, body="From Slack.", issue=one, external_user=somebody)
    world(acme).new(Comment, body="Merged.", issue=one, bot_actor=bot, parent=first, resolved_at=world(acme).now())
    told = (await said(acme, "linear_list_comments", issueId="OPS-3"))["comments"]
    assert {(each["author"], each.get("bot")) for each in told} == {("dana", None), ("GitHub", "github")}
    merged = next(each for each in told if each["author"] == "GitHub")
    assert merged["parentId"] == first.id
    assert merged["resolvedAt"]


async def test_people_and_projects_are_found(acme: Town) -> None:
    (bob,) = (await said(acme, "linear_list_users", query="BOB@"))["users"]
    assert bob["email"] == "bob@acme.example"
    projects = (await said(acme, "linear_list_projects", teamId="ENG"))["projects"]
    assert [(one["name"], one["lead"]) for one in projects] == [("Spring launch", "alice")]
    assert 0 < projects[0]["progress"] < 1
    (planned,) = (await said(acme, "linear_list_projects", state="planned"))["projects"]
    assert planned["name"] == "Move to the new cluster"


async def test_an_issue_is_put_into_its_place_and_taken_out_again(acme: Town) -> None:
    found = world(acme)
    launch = next(one for one in found.every(Project) if one.name == "Spring launch")
    frontend = next(one for one in found.every(IssueLabel) if one.name == "frontend")
    bug = next(one for one in found.every(IssueLabel) if one.name == "Bug")
    cycle = next(found.every(Cycle))
    place = {"projectId": launch.id, "parentId": "ENG-1", "cycleId": cycle.id, "dueDate": "2026-12-24", "estimate": 3}
    made = await said(acme, "linear_create_issue", teamId="ENG", title="Part", labelIds=[bug.id], **place)
    assert (made["labels"], made["project"]) == (["Bug"], "Spring launch")
    issue = found.issue(made["identifier"])
    assert (issue.project, issue.parent, issue.cycle) == (launch, found.issue("ENG-1"), cycle)
    assert (issue.due_date, issue.estimate) == ("2026-12-24", 3)
    changed = await said(
        acme, "linear_update_issue", id=issue.identifier, addedLabelIds=[frontend.id], removedLabelIds=[bug.id]
    )
    assert changed["labels"] == ["frontend"]
    await said(acme, "linear_update_issue", id=issue.identifier, **dict.fromkeys(place))
    assert (issue.project, issue.parent, issue.cycle, issue.due_date, issue.estimate) == (None,) * 5
