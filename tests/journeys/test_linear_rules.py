"""A rule about a Linear project reaches its issues, and one about an argument every name of what that names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from journeys.linear_calls import asked, said, world
from journeys.town import Town, error_of, town
from loaner import catalog
from loaner.errors import PolicyInvalid
from loaner.policy import load
from loaner.sandbox.linear.seed import TEAM_IDS, seeded
from loaner.sandbox.linear.state import Document, Issue, IssueRelation, Project

LAUNCH = next(
    one.id for one in seeded(lambda: datetime(2026, 1, 5, tzinfo=UTC)).every(Project) if one.name == "Spring launch"
)
"""Of which ENG-2, ENG-4 and OPS-2 are."""
OF_A_PROJECT = f"""
@id("every") permit (principal, action, resource);
@id("no-launch") forbid (principal, action, resource in Resource::"project:{LAUNCH}");
"""
OF_AN_ARGUMENT = """
@id("every") permit (principal, action, resource);
@id("no-operations") forbid (principal, action, resource)
when { context has arguments && context.arguments has teamId && context.arguments.teamId == "OPS" };
@id("not-into-one") forbid (principal, action == Action::"linear_update_issue", resource)
when { context.arguments has parentId && context.arguments.parentId == "OPS-2" };
"""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


def written(home: Path, rules: str) -> Path:
    (home / "policy").mkdir()
    (home / "policy" / "team.cedar").write_text(rules, encoding="utf-8")
    return home / "policy"


@pytest.fixture(scope="module")
async def by_project(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    home = tmp_path_factory.mktemp("project")
    async with town(home, tools={"toolsets": ("all",)}, policy=written(home, OF_A_PROJECT)) as built:
        yield built


OF_LAUNCH = {
    "an issue": ("linear_get_issue", {"id": "ENG-2"}),
    "its comments": ("linear_list_comments", {"issueId": "ENG-2"}),
    "a change of it": ("linear_update_issue", {"id": "ENG-2", "title": "x"}),
    "a comment on it": ("linear_create_comment", {"issueId": "OPS-2", "body": "x"}),
    "a new part of it": ("linear_create_issue", {"teamId": "ENG", "title": "x", "parentId": "ENG-2"}),
    "a new issue of it": ("linear_create_issue", {"teamId": "ENG", "title": "x", "projectId": LAUNCH}),
    "an issue that is put there": ("linear_update_issue", {"id": "ENG-1", "projectId": LAUNCH}),
    "its milestones": ("linear_list_milestones", {"projectId": LAUNCH}),
}


@pytest.mark.parametrize("what", OF_LAUNCH)
async def test_what_is_of_a_forbidden_project_is_out_of_reach(by_project: Town, what: str) -> None:
    tool, given = OF_LAUNCH[what]
    before = [(one.title, one.project, one.parent) for one in world(by_project).every(Issue)]
    assert error_of(await asked(by_project, tool, **given))["code"] == "policy_denied"
    assert [(one.title, one.project, one.parent) for one in world(by_project).every(Issue)] == before


async def test_lists_leave_out_the_issues_and_documents_of_a_forbidden_project(by_project: Town) -> None:
    issue, new = world(by_project).issue, world(by_project).new
    listed = await said(by_project, "linear_list_issues")
    found = {one["identifier"] for one in listed["issues"]}
    assert found == {"ENG-1", "ENG-3", "OPS-1", "OPS-3"}
    assert listed["left_out"] == 3
    assert all(
        one["identifier"] in found for one in (await said(by_project, "linear_search_issues", term="e"))["issues"]
    )
    assert {one["identifier"] for one in (await said(by_project, "linear_mine"))["assigned"]} == {"OPS-3"}
    new(IssueRelation, type="blocks", issue=issue("ENG-1"), related_issue=issue("ENG-2"))
    issue("ENG-4").parent, issue("ENG-1").parent = issue("ENG-1"), issue("ENG-2")
    one = await said(by_project, "linear_get_issue", id="ENG-1")
    assert (one["children"], one["relations"], one.get("parent")) == ([], [], None)
    assert (await said(by_project, "linear_list_relations", issueId="ENG-1"))["relations"] == []
    new(Document, title="Of an issue", slug_id="d1", issue=issue("ENG-2"))
    assert (await said(by_project, "linear_list_documents"))["documents"] == []


async def test_what_is_of_no_project_is_served(by_project: Town) -> None:
    assert (await said(by_project, "linear_get_issue", id="ENG-3"))["identifier"] == "ENG-3"
    assert (await said(by_project, "linear_update_issue", id="ENG-3", title="Totals"))["title"] == "Totals"


@pytest.fixture(scope="module")
async def by_argument(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    home = tmp_path_factory.mktemp("argument")
    async with town(home, tools={"toolsets": ("all",)}, policy=written(home, OF_AN_ARGUMENT)) as built:
        yield built


BY_ARGUMENT = {
    "its key": ("linear_create_issue", {"teamId": "ops", "title": "x"}),
    "its name": ("linear_create_issue", {"teamId": "Operations", "title": "x"}),
    "its id": ("linear_create_issue", {"teamId": TEAM_IDS["OPS"].upper(), "title": "x"}),
    "a list by its id": ("linear_list_issues", {"teamId": TEAM_IDS["OPS"]}),
    "a move by its name": ("linear_update_issue", {"id": "ENG-1", "teamId": "operations"}),
    "a move by its id": ("linear_update_issue", {"id": "ENG-1", "teamId": TEAM_IDS["OPS"]}),
    "a parent by its id": ("linear_update_issue", {"id": "ENG-1", "parentId": "ops-2"}),
    "a parent by what it was called": ("linear_update_issue", {"id": "ENG-1", "parentId": "ENG-98"}),
}


@pytest.mark.parametrize("what", BY_ARGUMENT)
async def test_a_rule_about_an_argument_holds_for_each_name_of_it(by_argument: Town, what: str) -> None:
    """MUST 32."""
    tool, given = BY_ARGUMENT[what]
    there = world(by_argument).issue("OPS-2")
    there.previous_identifiers = ["ENG-98"]
    if what == "a parent by its id":
        given = given | {"parentId": there.id}
    before = [(one.identifier, one.parent) for one in world(by_argument).every(Issue)]
    assert error_of(await asked(by_argument, tool, **given))["code"] == "policy_denied"
    assert [(one.identifier, one.parent) for one in world(by_argument).every(Issue)] == before


async def test_another_team_is_served_by_its_id(by_argument: Town) -> None:
    assert (await said(by_argument, "linear_list_issues", teamId=TEAM_IDS["ENG"]))["issues"]
    assert (await said(by_argument, "linear_update_issue", id="ENG-1", teamId=TEAM_IDS["ENG"]))["identifier"] == "ENG-1"


@pytest.mark.parametrize(
    ("argument", "value", "stops"),
    [
        ("teamId", TEAM_IDS["OPS"], True),
        ("teamId", "OPS", False),
        ("projectId", LAUNCH, False),
        ("issueId", LAUNCH, True),
        ("channel", "C0SBX000002", True),
        ("channel", "D0SBX000002", False),
    ],
)
def test_a_rule_by_an_id_that_no_argument_ever_is_stops_the_server(
    argument: str, value: str, stops: bool, tmp_path: Path
) -> None:
    condition = f'context.arguments has {argument} && context.arguments.{argument} == "{value}"'
    rule = f'@id("no") forbid (principal, action, resource) when {{ {condition} }};'
    folder = written(tmp_path, f'@id("every") permit (principal, action, resource);\n{rule}')
    if not stops:
        assert load(folder, catalog.load().operations)
        return
    with pytest.raises(PolicyInvalid, match="rules see the name and not the id"):
        load(folder, catalog.load().operations)
