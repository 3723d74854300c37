"""What reaches from one Linear team into another is agreed to and ruled on at both ends, by whatever name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town
from loaner.sandbox.linear.seed import TEAM_IDS
from loaner.sandbox.linear.state import IssueRelation, Project


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("both"), tools={"toolsets": ("all",)}) as built:
        yield built


RULES = """
@id("every") permit (principal, action, resource);
@id("no-operations") forbid (principal, action, resource in Resource::"team:OPS");
"""
BY_ID = """
@id("every") permit (principal, action, resource);
@id("no-operations") forbid (principal, action, resource) when {{ resource has id && resource.id == "{team}" }};
"""


@pytest.fixture(scope="module", params=["by name", "by id"])
async def ruled(request: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    home = tmp_path_factory.mktemp("ruled")
    (home / "policy").mkdir()
    rules = RULES if request.param == "by name" else BY_ID.format(team=TEAM_IDS["OPS"])
    (home / "policy" / "team.cedar").write_text(rules, encoding="utf-8")
    async with town(home, tools={"toolsets": ("all",)}, policy=home / "policy") as built:
        yield built


def world(acme: Town) -> Any:
    linear: Any = acme.running.sandbox.inside["linear"]
    return linear.world


def project(acme: Town, name: str) -> str:
    return str(next(one.id for one in world(acme).every(Project) if one.name == name))


def state(acme: Town, identifier: str = "ENG-1") -> tuple[Any, ...]:
    issue = world(acme).issue(identifier)
    relations = [one for one in world(acme).every(IssueRelation) if one.issue is issue]
    return issue.identifier, issue.title, issue.parent, issue.project, len(relations)


def outside(acme: Town) -> dict[str, tuple[str, dict[str, Any]]]:
    """Calls about ENG-1, which reach into the team OPS."""
    there = world(acme).issue("OPS-2")
    there.previous_identifiers = ["ENG-98"]
    update, relate = "linear_update_issue", "linear_create_relation"
    blocks = {"issueId": "ENG-1", "type": "blocks"}
    return {
        "a team by its key": (update, {"id": "ENG-1", "teamId": "ops"}),
        "by its name": (update, {"id": "ENG-1", "teamId": "operations"}),
        "by its id": (update, {"id": "ENG-1", "teamId": TEAM_IDS["OPS"].upper()}),
        "a parent": (update, {"id": "ENG-1", "parentId": "ops-2"}),
        "a parent by its id": (update, {"id": "ENG-1", "parentId": there.id}),
        "a parent that moved": (update, {"id": "ENG-1", "parentId": "ENG-98"}),
        "a project of that team alone": (
            update,
            {"id": "ENG-1", "projectId": project(acme, "Move to the new cluster")},
        ),
        "a related issue": (relate, blocks | {"relatedIssueId": "OPS-2"}),
        "a related issue by its id": (relate, blocks | {"relatedIssueId": there.id}),
    }


def inside(acme: Town) -> dict[str, tuple[str, dict[str, Any]]]:
    """The same, without leaving the team."""
    there = world(acme).issue("ENG-3")
    return {
        "its own team": ("linear_update_issue", {"id": "ENG-1", "teamId": "ENG"}),
        "its own team by its id": ("linear_update_issue", {"id": "ENG-1", "teamId": TEAM_IDS["ENG"]}),
        "a parent": ("linear_update_issue", {"id": "ENG-1", "parentId": "ENG-3"}),
        "a parent by its id": ("linear_update_issue", {"id": "ENG-1", "parentId": there.id}),
        "a project of both teams": (
            "linear_update_issue",
            {"id": "ENG-1", "projectId": project(acme, "Spring launch")},
        ),
        "a related issue": (
            "linear_create_relation",
            {"issueId": "ENG-1", "relatedIssueId": there.id, "type": "related"},
        ),
    }


WIDE = {
    "linear_update_issue": {"id": "ENG-1", "title": "Login page flickers"},
    "linear_create_relation": {"issueId": "ENG-1", "relatedIssueId": "ENG-2", "type": "related"},
}
"""What the person lets the agent do for an hour."""
OUTSIDE = [
    "a team by its key",
    "by its name",
    "by its id",
    "a parent",
    "a parent by its id",
    "a parent that moved",
    "a project of that team alone",
    "a related issue",
    "a related issue by its id",
]


@pytest.mark.parametrize("what", OUTSIDE)
async def test_an_hours_yes_about_an_issue_does_not_reach_into_another_team(acme: Town, what: str) -> None:
    tool, given = outside(acme)[what]
    name = f"wide-{OUTSIDE.index(what)}"  # whose own yes it is
    async with acme.agent(name=name) as agent:
        answer = await agent.call_tool(tool, WIDE[tool])
        while answer.is_error:
            assert (await acme.decide(answer, remember="hour")).state == "approved"
            answer = await agent.call_tool(tool, WIDE[tool])
        again = WIDE[tool] | ({"title": "Again"} if tool == "linear_update_issue" else {"type": "blocks"})
        assert not (await agent.call_tool(tool, again)).is_error, "the hour covers it"
        before = state(acme)
        asked = await agent.call_tool(tool, given)
        assert error_of(asked)["code"] == "consent_required"
        assert state(acme) == before
        assert (await acme.decide(asked, remember="hour")).state == "approved", "whatever is chosen, it is once"
        done = await agent.call_tool(tool, given)
        assert not done.is_error, text_of(done)
        assert state(acme) != before
        more = await agent.call_tool(tool, given)
        assert error_of(more)["code"] == "consent_required", "it was one yes"
        await acme.decide(more, deny=True)
    restore(acme)


def restore(acme: Town) -> None:
    issue = world(acme).issue("ENG-1")
    issue.team, issue.number = world(acme).issue("ENG-2").team, 1
    issue.parent = issue.project = None
    for one in list(world(acme).every(IssueRelation)):
        world(acme).remove(one)


@pytest.mark.parametrize(
    "what",
    [
        "its own team",
        "its own team by its id",
        "a parent",
        "a parent by its id",
        "a project of both teams",
        "a related issue",
    ],
)
async def test_what_stays_in_the_team_is_covered(acme: Town, what: str) -> None:
    tool, given = inside(acme)[what]
    async with acme.agent(name="inside") as agent:
        answer = await agent.call_tool(tool, WIDE[tool])
        while answer.is_error:
            assert (await acme.decide(answer, remember="hour")).state == "approved"
            answer = await agent.call_tool(tool, WIDE[tool])
        done = await agent.call_tool(tool, given)
        assert not done.is_error, text_of(done)
    restore(acme)


async def test_a_task_about_a_team_does_not_reach_out_of_it(acme: Town) -> None:
    proposal = {
        "purpose": "sort the issues of ENG",
        "operations": [{"tool": "linear_create_relation", "count": 5, "open": ["relatedIssueId", "type"]}],
        "resources": ["team:ENG"],
        "minutes": 60,
    }
    async with acme.agent(name="sorter") as agent:
        assert (await acme.decide(await agent.call_tool("loaner_propose_task", proposal))).state == "approved"
        assert (await agent.call_tool("loaner_propose_task", proposal)).structured_content
        within = await acme.call(agent, *inside(acme)["a related issue"])
        assert not within.is_error, text_of(within)
        records = await acme.records(tool="linear_create_relation", outcome="ok")
        assert records[-1]["task"]
        for what in ("a related issue", "a related issue by its id"):
            asked = await agent.call_tool(*outside(acme)[what])
            assert error_of(asked)["code"] == "consent_required"
            assert "reaches into another place" in text_of(asked)
            await acme.decide(asked)
    restore(acme)


@pytest.mark.parametrize("what", OUTSIDE)
async def test_a_rule_about_the_other_team_holds_by_each_name(ruled: Town, what: str) -> None:
    """MUST 32: whatever the call reaches into is ruled on by its canonical name, before anything is changed."""
    tool, given = outside(ruled)[what]
    before = state(ruled)
    async with ruled.agent() as agent:
        answer = await ruled.call(agent, tool, given)
    if by_id(ruled) and "teamId" not in given:
        assert not answer.is_error, "no id of an issue is forbidden"
        restore(ruled)
        return
    assert error_of(answer)["code"] == "policy_denied"
    assert state(ruled) == before


def by_id(ruled: Town) -> bool:
    return "resource has id" in next(ruled.home.rglob("team.cedar")).read_text(encoding="utf-8")


async def test_a_new_issue_is_no_part_of_one_in_the_forbidden_team(ruled: Town) -> None:
    if by_id(ruled):
        return
    async with ruled.agent() as agent:
        for given in ({"parentId": "OPS-2"}, {"projectId": project(ruled, "Move to the new cluster")}):
            answer = await ruled.call(agent, "linear_create_issue", {"teamId": "ENG", "title": "Part", **given})
            assert error_of(answer)["code"] == "policy_denied"


NONE = {
    "no team": ("linear_update_issue", {"id": "ENG-1", "teamId": "Marketing"}, "not_found"),
    "a related issue": (
        "linear_create_relation",
        {"issueId": "ENG-1", "relatedIssueId": "ENG-999", "type": "blocks"},
        "not_found",
    ),
    "itself": (
        "linear_create_relation",
        {"issueId": "ENG-1", "relatedIssueId": "ENG-1", "type": "blocks"},
        "provider_rejected",
    ),
    "two teams": ("linear_update_issue", {"id": "ENG-1", "teamId": ["OPS"]}, "invalid_arguments"),
    "no team at all": ("linear_update_issue", {"id": "ENG-1", "teamId": ""}, "invalid_arguments"),
    "a Slack channel": (
        "linear_create_relation",
        {"issueId": "ENG-1", "relatedIssueId": "C0SBX000002", "type": "blocks"},
        "invalid_arguments",
    ),
    "no relation": ("linear_create_relation", {"issueId": "ENG-1", "relatedIssueId": "ENG-3"}, "invalid_arguments"),
    "one that Linear keeps to itself": (
        "linear_create_relation",
        {"issueId": "ENG-1", "relatedIssueId": "ENG-3", "type": "similar"},
        "invalid_arguments",
    ),
}


async def test_a_task_that_says_where_to_moves_issues_there_and_nowhere_else(acme: Town) -> None:
    proposal = {
        "purpose": "hand issues over to OPS",
        "operations": [{"tool": "linear_update_issue", "count": 5, "arguments": {"teamId": "OPS"}, "open": ["title"]}],
        "resources": ["team:ENG"],
        "minutes": 60,
    }
    async with acme.agent(name="mover") as agent:
        asked = await agent.call_tool("loaner_propose_task", proposal)
        assert (await acme.decide(asked)).state == "approved", text_of(asked)
        assert (await agent.call_tool("loaner_propose_task", proposal)).structured_content
        elsewhere = await agent.call_tool("linear_update_issue", {"id": "ENG-1", "title": "x", "teamId": "ENG"})
        assert error_of(elsewhere)["code"] == "consent_required"
        moved = await acme.call(agent, "linear_update_issue", {"id": "ENG-1", "teamId": "ops"})
        assert not moved.is_error, text_of(moved)
        assert world(acme).issue("ENG-1").identifier.startswith("OPS-")
        assert (await acme.records(tool="linear_update_issue", outcome="ok"))[-1]["task"]
    restore(acme)


@pytest.mark.parametrize("what", NONE)
async def test_what_cannot_be_is_refused_and_changes_nothing(acme: Town, what: str) -> None:
    tool, given, code = NONE[what]
    before = state(acme)
    async with acme.agent() as agent:
        answer = await acme.call(agent, tool, given)
    assert error_of(answer)["code"] == code
    assert state(acme) == before


async def test_the_same_relation_twice_is_one(acme: Town) -> None:
    async with acme.agent() as agent:
        for _ in range(2):
            given = {"issueId": "ENG-1", "relatedIssueId": "ENG-3", "type": "blocks"}
            assert not (await acme.call(agent, "linear_create_relation", given)).is_error
    assert len(list(world(acme).every(IssueRelation))) == 1
    restore(acme)
