"""What is written is there to be read: issues, comments, links, project updates."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from linear_steps import Linear

from loaner.sandbox.linear.seed import TEAM_IDS
from loaner.sandbox.world import PEOPLE

CREATE = "mutation ($input: IssueCreateInput!) { issueCreate(input: $input) { success lastSyncId issue { ...I } } }"
UPDATE = "mutation ($id: String!, $input: IssueUpdateInput!) { issueUpdate(id: $id, input: $input) { issue { ...I } } }"
ISSUE = """ fragment I on Issue {
  id identifier title description priority dueDate estimate startedAt completedAt canceledAt archivedAt trashed
  previousIdentifiers
  team { key } state { name type } assignee { displayName } creator { displayName } project { name }
  parent { identifier } labels { nodes { name } } subscribers { nodes { displayName } }
}"""


class Board(Linear):
    """Linear with alice's token at hand."""

    async def start(self) -> None:
        self.alice = await self.token()

    async def create(self, **values: Any) -> dict[str, Any]:
        given = {"teamId": TEAM_IDS["ENG"], "title": "New"} | values
        return dict((await self.ask(self.alice, CREATE + ISSUE, input=given))["issueCreate"]["issue"])

    async def update(self, reference: str, **values: Any) -> dict[str, Any]:
        return dict((await self.ask(self.alice, UPDATE + ISSUE, id=reference, input=values))["issueUpdate"]["issue"])

    async def issue(self, reference: str) -> dict[str, Any]:
        query = "query ($id: String!) { issue(id: $id) { ...I } }" + ISSUE
        return dict((await self.ask(self.alice, query, id=reference))["issue"])

    async def named(self, kind: str, name: str, team: str | None = None) -> str:
        where = f', team: {{key: {{eq: "{team}"}}}}' if team else ""
        query = f"query ($name: String!) {{ {kind}(filter: {{name: {{eq: $name}}{where}}}) {{ nodes {{ id }} }} }}"
        [node] = (await self.ask(self.alice, query, name=name))[kind]["nodes"]
        return str(node["id"])


@pytest.fixture
async def board(anyio_backend: str) -> AsyncIterator[Board]:
    it = Board()
    async with it.http:
        await it.start()
        yield it


async def test_a_created_issue_has_what_was_asked_for_and_can_be_listed(board: Board) -> None:
    made = await board.create(
        title="Broken link",
        description="In the *footer*.",
        priority=1,
        dueDate="2026-12-01",
        estimate=3,
        assigneeId=PEOPLE["bob"].linear_id,
        stateId=await board.named("workflowStates", "In Progress", "ENG"),
        projectId=await board.named("projects", "Spring launch"),
        labelIds=[await board.named("issueLabels", "Bug")],
        parentId="ENG-1",
    )
    assert made["identifier"] == "ENG-5"
    assert made == await board.issue("ENG-5")
    assert (made["title"], made["description"]) == ("Broken link", "In the *footer*.")
    assert (made["priority"], made["dueDate"], made["estimate"]) == (1, "2026-12-01", 3)
    assert (made["assignee"]["displayName"], made["creator"]["displayName"]) == ("bob", "alice")
    assert (made["project"]["name"], made["parent"]["identifier"]) == ("Spring launch", "ENG-1")
    assert (made["state"]["name"], made["startedAt"]) == ("In Progress", "2026-11-22T12:00:00.000Z")
    assert made["labels"]["nodes"] == [{"name": "Bug"}]
    answer = await board.ask(board.alice, '{ issue(id: "ENG-1") { children { nodes { identifier } } } }')
    assert answer["issue"]["children"]["nodes"] == [{"identifier": "ENG-5"}]


async def test_an_issue_needs_no_more_than_a_team_and_a_title(board: Board) -> None:
    made = await board.create(teamId=TEAM_IDS["OPS"])
    assert (made["identifier"], made["state"]["name"], made["assignee"]) == ("OPS-4", "Todo", None)
    assert made["subscribers"]["nodes"] == [{"displayName": "alice"}]


@pytest.mark.parametrize(
    "values",
    [
        {"title": None},
        {"title": "  "},
        {"teamId": str(uuid.uuid4())},
        {"assigneeId": str(uuid.uuid4())},
        {"projectId": str(uuid.uuid4())},
        {"labelIds": [str(uuid.uuid4())]},
        {"parentId": "ENG-99"},
        {"priority": 5},
        {"stateId": "OPS Todo"},
        {"labelIds": ["OPS on-call"]},
        {"createAsUser": "Mallory"},
        {"templateId": str(uuid.uuid4())},
    ],
)
async def test_an_issue_that_cannot_be_is_refused_and_leaves_no_trace(board: Board, values: dict[str, Any]) -> None:
    given = {"teamId": TEAM_IDS["ENG"], "title": "New"} | values
    if given.get("stateId"):
        given["stateId"] = await board.named("workflowStates", "Todo", "OPS")
    if given.get("labelIds") == ["OPS on-call"]:
        given["labelIds"] = [await board.named("issueLabels", "on-call")]
    error = await board.refused(board.alice, CREATE + ISSUE, input=given)
    assert error["type"] in {"invalid input", "forbidden", "feature not accessible"}
    assert error["data"] is None
    assert (await board.create())["identifier"] == "ENG-5"


async def test_an_update_changes_what_it_names_and_nothing_else(board: Board) -> None:
    before = await board.issue("ENG-1")
    after = await board.update("ENG-1", title="Renamed", assigneeId=None)
    assert after == before | {"title": "Renamed", "assignee": None}
    assert await board.issue("ENG-1") == after


async def test_dates_follow_the_state(board: Board) -> None:
    done = await board.update("ENG-1", stateId=await board.named("workflowStates", "Done", "ENG"))
    assert done["completedAt"] == "2026-11-22T12:00:00.000Z"
    board.sandbox.clock.advance(60)
    assert (await board.update("ENG-1", title="Still done"))["completedAt"] == done["completedAt"]
    again = await board.update("ENG-1", stateId=await board.named("workflowStates", "Todo", "ENG"))
    assert (again["completedAt"], again["startedAt"]) == (None, done["startedAt"])
    gone = await board.update("ENG-1", stateId=await board.named("workflowStates", "Canceled", "ENG"))
    assert gone["canceledAt"] == "2026-11-22T12:01:00.000Z"


async def test_labels_are_replaced_added_and_removed(board: Board) -> None:
    bug, feature = await board.named("issueLabels", "Bug"), await board.named("issueLabels", "Feature")

    def names(issue: dict[str, Any]) -> set[str]:
        return {label["name"] for label in issue["labels"]["nodes"]}

    assert names(await board.update("ENG-1", addedLabelIds=[feature])) == {"Bug", "Feature"}
    assert names(await board.update("ENG-1", removedLabelIds=[bug])) == {"Feature"}
    assert names(await board.update("ENG-1", labelIds=[bug])) == {"Bug"}
    add = 'mutation ($l: String!) { issueAddLabel(id: "ENG-1", labelId: $l) { issue { labelIds } } }'
    for _ in range(2):  # a second time changes nothing
        answer = await board.ask(board.alice, add, l=feature)
        assert set(answer["issueAddLabel"]["issue"]["labelIds"]) == {bug, feature}
        assert len(answer["issueAddLabel"]["issue"]["labelIds"]) == 2
    oncall = await board.named("issueLabels", "on-call")
    assert (await board.refused(board.alice, add, l=oncall))["type"] == "invalid input"


async def test_an_issue_that_moves_is_still_found_by_its_old_identifier(board: Board) -> None:
    moved = await board.update("ENG-1", teamId=TEAM_IDS["OPS"])
    assert (moved["identifier"], moved["team"]["key"], moved["state"]["name"]) == ("OPS-4", "OPS", "Todo")
    assert moved["previousIdentifiers"] == ["ENG-1"]
    assert (await board.issue("ENG-1"))["id"] == moved["id"]


async def listed(board: Board, arguments: str = "") -> set[str]:
    answer = await board.ask(board.alice, f"{{ issues{arguments} {{ nodes {{ identifier }} }} }}")
    return {node["identifier"] for node in answer["issues"]["nodes"]}


async def test_archived_and_deleted_issues_leave_the_lists_but_can_be_looked_up(board: Board) -> None:
    archive = 'mutation { issueArchive(id: "ENG-1") { success entity { archivedAt trashed } } }'
    assert (await board.ask(board.alice, archive))["issueArchive"]["entity"]["trashed"] is None
    delete = 'mutation { issueDelete(id: "ENG-2") { success entity { trashed } } }'
    assert (await board.ask(board.alice, delete))["issueDelete"]["entity"]["trashed"] is True
    assert {"ENG-1", "ENG-2"}.isdisjoint(await listed(board))
    assert {"ENG-1", "ENG-2"} <= await listed(board, "(includeArchived: true)")
    assert (await board.issue("ENG-2"))["trashed"] is True
    restored = await board.update("ENG-2", trashed=False)
    assert (restored["trashed"], restored["archivedAt"]) == (None, None)
    assert "ENG-2" in await listed(board)


async def test_only_an_admin_deletes_for_good_and_a_number_is_not_given_again(board: Board) -> None:
    query = 'mutation { issueDelete(id: "ENG-4", permanentlyDelete: true) { success } }'
    assert (await board.refused(await board.token("bob"), query))["type"] == "forbidden"
    assert (await board.ask(board.alice, query))["issueDelete"]["success"]
    assert (await board.refused(board.alice, '{ issue(id: "ENG-4") { id } }'))["message"] == "Entity not found: Issue"
    assert (await board.create())["identifier"] == "ENG-5"


COMMENT = """mutation ($input: CommentCreateInput!) {
  commentCreate(input: $input) { comment { id body url user { displayName } issue { identifier } parent { id } } }
}"""


async def test_a_comment_is_by_the_token_s_person_and_can_be_answered(board: Board) -> None:
    by_bob = await board.token("bob", "comments:create")
    mine = str(uuid.uuid4())
    made = await board.ask(by_bob, COMMENT, input={"issueId": "OPS-2", "body": "First", "id": mine})
    comment = made["commentCreate"]["comment"]
    assert (comment["id"], comment["user"]["displayName"]) == (mine, "bob")
    assert comment["issue"]["identifier"] == "OPS-2"
    reply = await board.ask(board.alice, COMMENT, input={"parentId": mine, "body": "Second"})
    assert reply["commentCreate"]["comment"]["parent"]["id"] == mine
    answer = await board.ask(
        board.alice, '{ issue(id: "OPS-2") { comments { nodes { body } } subscribers { nodes { displayName } } } }'
    )
    assert {each["body"] for each in answer["issue"]["comments"]["nodes"]} == {"First", "Second"}
    assert {each["displayName"] for each in answer["issue"]["subscribers"]["nodes"]} == {"alice", "bob"}


@pytest.mark.parametrize(
    "given",
    [
        {"body": "nowhere"},
        {"issueId": "ENG-1"},
        {"issueId": "ENG-1", "body": " "},
        {"issueId": "ENG-99", "body": "x"},
        {"issueId": "ENG-1", "body": "x", "postId": "y"},
    ],
)
async def test_a_comment_needs_a_place_and_a_text(board: Board, given: dict[str, str]) -> None:
    assert (await board.refused(board.alice, COMMENT, input=given))["data"] is None


async def test_a_comment_cannot_answer_one_of_another_issue(board: Board) -> None:
    [first, *_] = (await board.ask(board.alice, '{ issue(id: "ENG-1") { comments { nodes { id } } } }'))["issue"][
        "comments"
    ]["nodes"]
    given = {"issueId": "ENG-2", "parentId": first["id"], "body": "x"}
    assert (await board.refused(board.alice, COMMENT, input=given))["type"] == "invalid input"


async def test_a_link_is_kept_once_per_issue_and_address(board: Board) -> None:
    link = """mutation ($url: String!, $title: String) {
      attachmentLinkURL(issueId: "ENG-1", url: $url, title: $title) { attachment { id title issue { id } } } }"""
    one = await board.ask(board.alice, link, url="https://example.com/a", title="A")
    two = await board.ask(board.alice, link, url="https://example.com/a", title="B")
    assert one["attachmentLinkURL"]["attachment"]["id"] == two["attachmentLinkURL"]["attachment"]["id"]
    answer = await board.ask(board.alice, '{ issue(id: "ENG-1") { attachments { nodes { title url } } } }')
    assert answer["issue"]["attachments"]["nodes"] == [{"title": "B", "url": "https://example.com/a"}]
    assert (await board.refused(board.alice, link, url="javascript:alert(1)"))["type"] == "invalid input"


async def test_a_project_update_sets_the_projects_health(board: Board) -> None:
    query = """mutation ($input: ProjectUpdateCreateInput!) {
      projectUpdateCreate(input: $input) { projectUpdate { body health user { displayName } project { health } } } }"""
    project = await board.named("projects", "Spring launch")
    made = await board.ask(board.alice, query, input={"projectId": project, "body": "Late", "health": "atRisk"})
    assert made["projectUpdateCreate"]["projectUpdate"] == {
        "body": "Late",
        "health": "atRisk",
        "user": {"displayName": "alice"},
        "project": {"health": "atRisk"},
    }


async def test_a_webhook_is_for_one_team_or_for_all_and_hides_its_secret(board: Board) -> None:
    query = """mutation ($input: WebhookCreateInput!) {
      webhookCreate(input: $input) { webhook { enabled allPublicTeams teamIds secret } } }"""
    admin = await board.token(scope="admin")
    given = {"url": "https://example.com/hook", "resourceTypes": ["Issue"]}
    made = await board.ask(admin, query, input=given | {"teamId": TEAM_IDS["ENG"]})
    assert made["webhookCreate"]["webhook"] == {
        "enabled": True,
        "allPublicTeams": False,
        "teamIds": [TEAM_IDS["ENG"]],
        "secret": None,
    }
    for wrong in (given, given | {"allPublicTeams": True, "resourceTypes": []}, given | {"url": "x", "teamId": "ENG"}):
        assert (await board.refused(admin, query, input=wrong))["type"] == "invalid input"
