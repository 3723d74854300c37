"""What Linear is planned with: documents, cycles, milestones, initiatives, and one's own open issues."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from journeys.linear_calls import SOMEBODY, asked, said, world
from journeys.town import Town, error_of, town
from loaner.sandbox.linear.state import (
    Attachment,
    Cycle,
    Document,
    Initiative,
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
    async with town(tmp_path_factory.mktemp("planning"), tools={"toolsets": ("all",)}) as built:
        yield built


def named(acme: Town, kind: type[Any], name: str) -> Any:
    return next(one for one in world(acme).every(kind) if name in {getattr(one, "name", ""), getattr(one, "title", "")})


async def test_documents_are_found_read_and_written(acme: Town) -> None:
    launch, other = named(acme, Project, "Spring launch"), named(acme, Project, "Move to the new cluster")
    made = await said(acme, "linear_create_document", projectId=other.id, title="Cut-over", content="# At night")
    kept = named(acme, Document, "Cut-over")
    assert (kept.project, kept.content, made["id"]) == (other, "# At night", kept.id)
    everywhere = await said(acme, "linear_list_documents")
    assert {one["title"] for one in everywhere["documents"]} >= {"Launch plan", "Cut-over"}
    (plan,) = (await said(acme, "linear_list_documents", projectId=launch.id))["documents"]
    assert (plan["title"], plan["project"], plan["author"]) == ("Launch plan", "Spring launch", "alice")
    (one,) = (await said(acme, "linear_list_documents", title="CUT"))["documents"]
    read = await said(acme, "linear_get_document", documentId=one["id"])
    assert (read["content"], read["projectId"]) == ("# At night", other.id)
    assert (await acme.records(tool="linear_get_document"))[-1]["resource"] == f"document:{kept.id}"


async def test_a_long_document_is_read_in_pieces(acme: Town) -> None:
    plan = named(acme, Document, "Launch plan")
    before, plan.content = plan.content, "".join(f"{line:05} " for line in range(2000))
    first = await said(acme, "linear_get_document", documentId=plan.id)
    rest = await said(acme, "linear_get_document", documentId=plan.id, detail="full", from_character=4000)
    assert first["content"] + rest["content"] == plan.content
    plan.content = before


@pytest.mark.parametrize(
    ("which", "numbers"),
    [("current", {1}), ("next", {2}), ("future", {2, 3}), ("previous", {0}), ("past", {0}), ("", {0, 1, 2, 3})],
)
async def test_the_cycles_of_a_team_are_told_apart(acme: Town, which: str, numbers: set[int]) -> None:
    engineering = named(acme, Team, "Engineering")
    if len(list(world(acme).every(Cycle))) == 1:
        (first,) = world(acme).every(Cycle)
        for number, weeks in ((0, -2), (2, 2), (3, 4)):
            begins = first.starts_at + timedelta(weeks=weeks)
            ends = begins + timedelta(days=14)
            world(acme).new(Cycle, number=number, team=engineering, starts_at=begins, ends_at=ends)
    told = (await said(acme, "linear_list_cycles", teamId="Engineering", which=which))["cycles"]
    assert {one["number"] for one in told} == numbers
    assert {one["number"] for one in told if one["current"]} == numbers & {1}
    assert (await said(acme, "linear_list_cycles", teamId="OPS"))["cycles"] == []


async def test_milestones_initiatives_and_statuses_are_listed(acme: Town) -> None:
    launch = named(acme, Project, "Spring launch")
    (beta,) = (await said(acme, "linear_list_milestones", projectId=launch.id))["milestones"]
    assert (beta["name"], beta["targetDate"]) == ("Beta", "2026-12-18")
    other = named(acme, Project, "Move to the new cluster")
    assert (await said(acme, "linear_list_milestones", projectId=other.id))["milestones"] == []
    (grow,) = (await said(acme, "linear_list_initiatives", status="Active"))["initiatives"]
    assert (grow["name"], grow["owner"]) == ("Grow", "alice")
    assert (await said(acme, "linear_list_initiatives", status="Planned"))["initiatives"] == []
    statuses = (await said(acme, "linear_list_project_statuses"))["statuses"]
    assert {one["type"] for one in statuses} == {"planned", "started"}


async def test_my_open_issues_come_in_one_request(acme: Town) -> None:
    world(acme).issue("OPS-1").subscribers.append(world(acme).issue("ENG-1").creator)
    await said(acme, "linear_list_teams")  # connects the account
    before = len(uses(acme))
    told = await said(acme, "linear_mine")
    assert len(uses(acme)) == before + 1
    found = {what: {one["identifier"] for one in told[what]} for what in ("assigned", "created", "subscribed")}
    assert found == {
        "assigned": {"ENG-2", "OPS-3"},
        "created": {"ENG-1", "OPS-1"},
        "subscribed": {"ENG-1", "OPS-1"},
    }
    assert not told["more_assigned"]
    few = await said(acme, "linear_mine", most=1)
    assert [len(few[what]) for what in found] == [1, 1, 1]
    assert few["more_created"]
    world(acme).issue("OPS-1").state = next(one for one in world(acme).every(WorkflowState) if one.type == "duplicate")
    assert {one["identifier"] for one in (await said(acme, "linear_mine"))["created"]} == {"ENG-1"}


def uses(acme: Town) -> list[Any]:
    return [
        use for entry in acme.ledger(provider="linear") for use in entry["uses"] if use["path"].endswith("/graphql")
    ]


async def test_relations_and_attachments_of_an_issue_are_listed(acme: Town) -> None:
    issue = world(acme).issue
    made = world(acme).new(IssueRelation, type="blocks", issue=issue("ENG-2"), related_issue=issue("OPS-1"))
    told = await said(acme, "linear_list_relations", issueId="ENG-2")
    assert [(one["id"], one["type"], one["identifier"]) for one in told["relations"]] == [(made.id, "blocks", "OPS-1")]
    other = await said(acme, "linear_list_relations", issueId="ops-1")
    assert [one["identifier"] for one in other["related_by"]] == ["ENG-2"]
    attached = {"title": "Fix", "url": "https://github.com/acme/web/pull/4", "source_type": "github"}
    world(acme).new(Attachment, issue=issue("ENG-2"), creator=issue("ENG-2").creator, **attached)
    (one,) = (await said(acme, "linear_list_attachments", issueId="ENG-2"))["attachments"]
    assert (one["title"], one["source"], one["author"]) == ("Fix", "github", "bob")


NEEDS_A_PROJECT = ("linear_list_documents", "linear_create_document", "linear_list_milestones")
MORE: dict[str, dict[str, Any]] = {"linear_create_document": {"title": "x"}}
NO_ID = {"a name": "Spring launch", "Slack's": "C0SBX000002", "GitHub's": "acme/web", "an issue's": "ENG-1"}


@pytest.mark.parametrize("tool", NEEDS_A_PROJECT)
@pytest.mark.parametrize("what", NO_ID)
async def test_what_is_no_id_of_a_project_is_refused_before_anything_is_lent(acme: Town, tool: str, what: str) -> None:
    before = len(acme.ledger())
    answer = await asked(acme, tool, projectId=NO_ID[what], **MORE.get(tool, {}))
    assert error_of(answer)["code"] == "invalid_arguments"
    assert len(acme.ledger()) == before


WRONG = {
    "a document by its title": ("linear_get_document", {"documentId": "Launch plan"}),
    "no document": ("linear_get_document", {"documentId": ""}),
    "a document without a title": ("linear_create_document", {"projectId": SOMEBODY, "title": ""}),
    "a cycle that is not one of a kind": ("linear_list_cycles", {"teamId": "ENG", "which": "last"}),
    "a team of several lines": ("linear_list_cycles", {"teamId": "ENG\nOPS"}),
    "a status in another spelling": ("linear_list_initiatives", {"status": "active"}),
    "more of mine than fits": ("linear_mine", {"most": 26}),
    "somebody else's": ("linear_mine", {"assignee": "bob"}),
    "relations of a repository": ("linear_list_relations", {"issueId": "acme/web#1"}),
    "attachments of nothing": ("linear_list_attachments", {"issueId": ""}),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_has_the_wrong_form_is_refused(acme: Town, what: str) -> None:
    tool, given = WRONG[what]
    assert error_of(await asked(acme, tool, **given))["code"] == "invalid_arguments"


ABSENT = {
    "a document": ("linear_get_document", {"documentId": SOMEBODY}),
    "a document in no project": ("linear_create_document", {"projectId": SOMEBODY, "title": "x"}),
    "relations of no issue": ("linear_list_relations", {"issueId": "ENG-999"}),
    "attachments of no issue": ("linear_list_attachments", {"issueId": "ENG-999"}),
    "cycles of no team": ("linear_list_cycles", {"teamId": "Marketing"}),
}


@pytest.mark.parametrize("what", ABSENT)
async def test_what_is_not_there_is_not_found(acme: Town, what: str) -> None:
    tool, given = ABSENT[what]
    assert error_of(await asked(acme, tool, **given))["code"] == "not_found"


RULES = """
@id("every") permit (principal, action, resource);
@id("no-operations") forbid (principal, action, resource in Resource::"team:OPS");
"""


@pytest.fixture
async def ruled(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    home = tmp_path_factory.mktemp("ruled")
    (home / "policy").mkdir()
    (home / "policy" / "team.cedar").write_text(RULES, encoding="utf-8")
    async with town(home, tools={"toolsets": ("all",)}, policy=home / "policy") as built:
        yield built


async def test_a_rule_about_a_team_reaches_its_documents_cycles_and_milestones(ruled: Town) -> None:
    """A document says of which project or issue it is; one that says neither is out of reach as well."""
    only = named(ruled, Team, "Engineering")
    mine = world(ruled).new(Project, **project("Ours", [only], named(ruled, Project, "Spring launch")))
    parents = {"Ours": {"project": mine}, "Theirs": {"issue": world(ruled).issue("OPS-1")}, "Of a team": {"team": only}}
    parents["Of both"] = {"project": named(ruled, Project, "Spring launch")}
    parents["Of all"] = {"initiative": named(ruled, Initiative, "Grow")}
    made = {
        title: world(ruled).new(Document, title=title, slug_id=title.lower(), content="x", **parent)
        for title, parent in parents.items()
    }
    told = await said(ruled, "linear_list_documents")
    assert {one["title"] for one in told["documents"]} == {"Ours", "Of all"}
    for title, expected in {"Ours": "", "Of all": "", "Theirs": "policy_denied", "Of both": "policy_denied"}.items():
        answer = await asked(ruled, "linear_get_document", documentId=made[title].id)
        assert (error_of(answer)["code"] if answer.is_error else "") == expected, title
    assert error_of(await asked(ruled, "linear_get_document", documentId=made["Of a team"].id))["code"] == "not_found"
    assert error_of(await asked(ruled, "linear_list_cycles", teamId="operations"))["code"] == "policy_denied"
    launch = named(ruled, Project, "Spring launch")
    assert error_of(await asked(ruled, "linear_list_milestones", projectId=launch.id))["code"] == "policy_denied"
    mine_too = await said(ruled, "linear_mine")
    assert {one["team"] for one in mine_too["assigned"]} == {"ENG"}
    relations = world(ruled).new(
        IssueRelation, type="blocks", issue=world(ruled).issue("ENG-1"), related_issue=world(ruled).issue("OPS-1")
    )
    told = await said(ruled, "linear_list_relations", issueId="ENG-1")
    assert told["relations"] == []
    assert relations.id not in str(told)


def project(name: str, teams: list[Team], like: Project) -> dict[str, Any]:
    return {"name": name, "slug_id": name.lower(), "status": like.status, "teams": teams, "members": like.members}
