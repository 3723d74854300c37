"""Projects, documents, comments and relations are written by Linear's rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from linear_steps import Linear

from loaner.sandbox.linear.seed import TEAM_IDS

PAYLOADS = {
    "projectCreate": ("ProjectCreateInput!", "project { id name status { name } teams { nodes { key } } }"),
    "projectUpdate": ("ProjectUpdateInput!", "project { id name content status { name } }"),
    "documentCreate": ("DocumentCreateInput!", "document { id title content project { name } issue { identifier } }"),
    "commentCreate": ("CommentCreateInput!", "comment { id body editedAt }"),
    "commentUpdate": ("CommentUpdateInput!", "comment { id body editedAt }"),
    "issueRelationCreate": ("IssueRelationCreateInput!", "issueRelation { id type }"),
    "issueUpdate": ("IssueUpdateInput!", "issue { identifier cycle { number } projectMilestone { name } }"),
}


class Office(Linear):
    async def start(self) -> None:
        self.alice, self.bob = await self.token(), await self.token("bob")

    def mutation(self, name: str, *, of: bool) -> str:
        kind, answer = PAYLOADS[name]
        declared, passed = ("$id: String!, ", "id: $id, ") if of else ("", "")
        return f"mutation ({declared}$input: {kind}) {{ {name}({passed}input: $input) {{ success {answer} }} }}"

    async def does(self, name: str, of: str | None = None, /, **given: Any) -> dict[str, Any]:
        variables = {"input": given} | ({"id": of} if of else {})
        answer = (await self.ask(self.alice, self.mutation(name, of=bool(of)), **variables))[name]
        return dict(next(value for key, value in answer.items() if key != "success"))

    async def says_no(self, name: str, of: str | None = None, /, *, who: str = "", **given: Any) -> str:
        variables = {"input": given} | ({"id": of} if of else {})
        refused = await self.refused(who or self.alice, self.mutation(name, of=bool(of)), **variables)
        return str(refused["userPresentableMessage"])

    async def first(self, kind: str, fields: str = "id") -> dict[str, Any]:
        return dict((await self.ask(self.alice, f"{{ {kind} {{ nodes {{ {fields} }} }} }}"))[kind]["nodes"][0])


@pytest.fixture
async def office(anyio_backend: str) -> AsyncIterator[Office]:
    it = Office()
    async with it.http:
        await it.start()
        yield it


async def test_a_project_has_a_name_a_team_and_a_status(office: Office) -> None:
    made = await office.does("projectCreate", name="New", teamIds=[TEAM_IDS["ENG"]])
    assert made["teams"]["nodes"] == [{"key": "ENG"}]
    assert made["status"]
    assert "name" in await office.says_no("projectCreate", name=" ", teamIds=[TEAM_IDS["ENG"]])
    assert "team" in await office.says_no("projectCreate", name="New", teamIds=[])
    assert (await office.does("projectUpdate", made["id"], content="Text"))["content"] == "Text"
    assert (await office.does("projectUpdate", made["id"], content=None))["content"] is None
    assert "name" in await office.says_no("projectUpdate", made["id"], name="")
    assert "team" in await office.says_no("projectUpdate", made["id"], teamIds=[])
    assert "0 and 4" in await office.says_no("projectUpdate", made["id"], priority=5)


async def test_a_document_belongs_to_one_thing(office: Office) -> None:
    project = (await office.first("projects"))["id"]
    made = await office.does("documentCreate", title="Plan", content="Text", projectId=project)
    assert made["project"]
    found = await office.ask(office.alice, f'{{ document(id: "{made["id"]}") {{ title slugId }} }}')
    by_slug = await office.ask(office.alice, f'{{ document(id: "{found["document"]["slugId"]}") {{ title }} }}')
    assert by_slug == {"document": {"title": "Plan"}}
    of_issue = await office.does("documentCreate", title="Notes", issueId="ENG-1")
    assert of_issue["issue"] == {"identifier": "ENG-1"}
    assert "exactly one" in await office.says_no("documentCreate", title="Nowhere")
    assert "exactly one" in await office.says_no("documentCreate", title="Both", issueId="ENG-1", projectId=project)


async def test_a_comment_is_changed_by_its_author_and_deleted_by_them_or_an_admin(office: Office) -> None:
    made = await office.does("commentCreate", issueId="ENG-1", body="Before")
    assert made["editedAt"] is None
    changed = await office.does("commentUpdate", made["id"], body="After")
    assert (changed["body"], bool(changed["editedAt"])) == ("After", True)
    assert "own comments" in await office.says_no("commentUpdate", made["id"], who=office.bob, body="Mine")
    assert "empty" in await office.says_no("commentUpdate", made["id"], body=" ")
    delete = "mutation ($id: String!) { commentDelete(id: $id) { success entityId } }"
    assert (await office.refused(office.bob, delete, id=made["id"]))["code"] == "FORBIDDEN"
    answer = await office.ask(office.alice, delete, id=made["id"])
    assert answer["commentDelete"] == {"success": True, "entityId": made["id"]}
    assert "not found" in (await office.refused(office.alice, delete, id=made["id"]))["message"]


async def test_a_relation_is_one_and_a_duplicate_is_closed(office: Office) -> None:
    given = {"issueId": "ENG-1", "relatedIssueId": "ENG-3", "type": "blocks"}
    made = await office.does("issueRelationCreate", **given)
    assert await office.does("issueRelationCreate", **given) == made
    assert "itself" in await office.says_no("issueRelationCreate", **given | {"relatedIssueId": "ENG-1"})
    await office.does("issueRelationCreate", **given | {"type": "duplicate"})
    answer = await office.ask(office.alice, '{ issue(id: "ENG-1") { state { type } } }')
    assert answer["issue"]["state"] == {"type": "duplicate"}


async def test_milestones_and_cycles_stay_where_they_belong(office: Office) -> None:
    milestone = await office.first("projectMilestones", "id project { id }")
    cycle = (await office.first("cycles"))["id"]
    placed = {"projectId": milestone["project"]["id"], "projectMilestoneId": milestone["id"], "cycleId": cycle}
    assert (await office.does("issueUpdate", "ENG-1", **placed))["projectMilestone"] == {"name": "Beta"}
    assert "another project" in await office.says_no("issueUpdate", "ENG-3", projectMilestoneId=milestone["id"])
    assert "another team" in await office.says_no("issueUpdate", "OPS-1", cycleId=cycle)
    moved = await office.does("issueUpdate", "ENG-1", teamId=TEAM_IDS["OPS"])
    assert (moved["identifier"][:4], moved["cycle"]) == ("OPS-", None)
    assert (await office.does("issueUpdate", "ENG-1", projectId=None))["projectMilestone"] is None
