"""The workspace as it is read: who and what is there, filters, pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from linear_steps import Linear

from loaner.sandbox.linear.seed import TEAM_IDS
from loaner.sandbox.linear.state import Issue


@pytest.fixture
async def linear(anyio_backend: str) -> AsyncIterator[Linear]:
    it = Linear()
    async with it.http:
        yield it


async def issues(linear: Linear, **wanted: Any) -> list[str]:
    query = "query ($filter: IssueFilter) { issues(filter: $filter) { nodes { identifier } } }"
    answer = await linear.ask(await linear.token(), query, filter=wanted)
    return sorted(node["identifier"] for node in answer["issues"]["nodes"])


async def test_the_workspace_has_its_people_teams_and_a_project(linear: Linear) -> None:
    token = await linear.token("bob")
    answer = await linear.ask(
        token,
        "{ viewer { displayName email isMe organization { urlKey } teams { nodes { key } } }"
        " teams { nodes { id key name states { nodes { name type } } members { nodes { displayName } } } }"
        " users { nodes { displayName isMe app } } projects { nodes { name state teams { nodes { key } } } } }",
    )
    assert answer["viewer"] == {
        "displayName": "bob",
        "email": "bob@acme.example",
        "isMe": True,
        "organization": {"urlKey": "acme"},
        "teams": {"nodes": [{"key": "OPS"}, {"key": "ENG"}]},
    }
    engineering = answer["teams"]["nodes"][1]
    assert (engineering["id"], engineering["name"]) == (TEAM_IDS["ENG"], "Engineering")
    assert {state["type"] for state in engineering["states"]["nodes"]} == {
        "backlog",
        "unstarted",
        "duplicate",
        "started",
        "completed",
        "canceled",
    }
    assert {each["displayName"]: each["isMe"] for each in answer["users"]["nodes"]} == {
        "alice": False,
        "bob": True,
        "loaner": False,
    }
    launch = answer["projects"]["nodes"][0]
    assert (launch["name"], launch["state"]) == ("Spring launch", "started")


@pytest.mark.parametrize("reference", ["ENG-1", "eng-1", "id"])
async def test_an_issue_is_found_by_id_or_identifier(linear: Linear, reference: str) -> None:
    token = await linear.token()
    desk = linear.app.state.desk
    wanted = desk.world.issue("ENG-1")
    query = (
        "query ($id: String!) { issue(id: $id) { id identifier number title priorityLabel url branchName createdAt"
        " state { name } team { key } assignee { displayName } creator { displayName } labels { nodes { name } }"
        " comments { nodes { body user { displayName } } } } }"
    )
    answer = await linear.ask(token, query, id=wanted.id if reference == "id" else reference)
    issue = answer["issue"]
    assert issue["id"] == wanted.id
    assert (issue["identifier"], issue["number"], issue["priorityLabel"]) == ("ENG-1", 1, "High")
    assert (issue["state"]["name"], issue["team"]["key"]) == ("Todo", "ENG")
    assert issue["url"] == "http://127.0.0.1/linear/acme/issue/ENG-1/login-page-flickers-on-slow-networks"
    assert issue["createdAt"].endswith("Z")
    assert issue["labels"]["nodes"] == [{"name": "Bug"}]
    assert [each["user"]["displayName"] for each in issue["comments"]["nodes"]] == ["alice", "bob"]  # newest first


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["ENG-1", "ENG-2", "ENG-3", "ENG-4", "OPS-1", "OPS-2", "OPS-3"]),
        ({"team": {"key": {"eq": "OPS"}}}, ["OPS-1", "OPS-2", "OPS-3"]),
        ({"team": {"id": {"in": [TEAM_IDS["OPS"]]}}}, ["OPS-1", "OPS-2", "OPS-3"]),
        ({"team": {"key": {"neq": "OPS"}}, "number": {"gt": 2}}, ["ENG-3", "ENG-4"]),
        ({"state": {"type": {"eq": "started"}}}, ["ENG-2", "OPS-3"]),
        ({"state": {"name": {"nin": ["Todo", "Done"]}}}, ["ENG-2", "OPS-2", "OPS-3"]),
        ({"assignee": {"null": True}}, ["ENG-3", "OPS-2"]),
        ({"assignee": {"isMe": {"eq": True}}}, ["ENG-2", "ENG-4", "OPS-3"]),
        ({"assignee": {"displayName": {"eq": "bob"}}}, ["ENG-1", "OPS-1"]),
        ({"assignee": {"displayName": {"neq": "alice"}}}, ["ENG-1", "OPS-1"]),
        ({"labels": {"name": {"eq": "Bug"}}}, ["ENG-1", "ENG-3", "OPS-3"]),
        ({"labels": {"some": {"name": {"eqIgnoreCase": "bug"}}}}, ["ENG-1", "ENG-3", "OPS-3"]),
        ({"labels": {"every": {"name": {"in": ["Bug", "on-call"]}}, "length": {"eq": 2}}}, ["OPS-3"]),
        ({"labels": {"every": {"name": {"eq": "on-call"}}}}, ["OPS-1", "OPS-2"]),
        ({"labels": {"length": {"eq": 0}}}, ["OPS-1"]),
        ({"labels": {"null": True}}, ["OPS-1"]),
        ({"labels": {"and": [{"name": {"eq": "Bug"}}, {"name": {"eq": "on-call"}}]}}, ["OPS-3"]),
        ({"project": {"name": {"eq": "Spring launch"}}}, ["ENG-2", "ENG-4", "OPS-2"]),
        ({"project": {"null": True}, "priority": {"lte": 1}}, ["ENG-3"]),
        ({"title": {"containsIgnoreCase": "LOGIN"}}, ["ENG-1"]),
        ({"title": {"contains": "LOGIN"}}, []),
        ({"title": {"startsWith": "Re", "notEndsWith": "box"}}, []),
        ({"description": {"contains": "3G"}}, ["ENG-1"]),
        ({"description": {"null": True}}, ["ENG-4", "OPS-2", "OPS-3"]),
        ({"searchableContent": {"contains": "expire"}}, ["OPS-1"]),
        ({"id": {"eq": "ENG-2"}}, ["ENG-2"]),
        ({"creator": {"email": {"startsWith": "bob@"}}, "team": {"key": {"eq": "ENG"}}}, ["ENG-2", "ENG-3"]),
        ({"comments": {"body": {"contains": "Design"}}}, ["ENG-2"]),
        ({"comments": {"length": {"gt": 1}}}, ["ENG-1"]),
        ({"or": [{"id": {"eq": "ENG-1"}}, {"number": {"eq": 3}, "priority": {"eq": 2}}]}, ["ENG-1", "OPS-3"]),
        ({"and": [{"priority": {"gte": 2}}, {"priority": {"lt": 3}}], "number": {"lt": 3}}, ["ENG-1", "OPS-1"]),
        ({"createdAt": {"gt": "-P1D"}}, []),
        ({"createdAt": {"gt": "-P2W", "lt": "2026"}}, []),
        ({"createdAt": {"gt": "2026-11-01", "lt": "-P3D"}, "number": {"eq": 4}}, ["ENG-4"]),
        ({"completedAt": {"null": False}}, ["ENG-4"]),
        ({"canceledAt": {"gt": "2020"}}, []),
    ],
)  # fmt: skip
async def test_issues_are_filtered(linear: Linear, wanted: dict[str, Any], found: list[str]) -> None:
    assert await issues(linear, **wanted) == found


async def test_a_filter_on_something_not_kept_is_refused_rather_than_ignored(linear: Linear) -> None:
    query = "query ($filter: IssueFilter) { issues(filter: $filter) { nodes { id } } }"
    wanted = {"customerCount": {"eq": 1}}
    error = await linear.refused(await linear.token(), query, filter=wanted)
    assert error["message"] == "The sandbox does not emulate filtering by IssueFilter.customerCount"


async def test_other_lists_are_filtered_as_well(linear: Linear) -> None:
    answer = await linear.ask(
        await linear.token(),
        '{ workflowStates(filter: {team: {key: {eq: "ENG"}}, type: {eq: "started"}}) { nodes { name team { key } } }'
        ' issueLabels(filter: {team: {null: true}, name: {startsWith: "B"}}) { nodes { name } }'
        ' comments(filter: {issue: {id: {eq: "ENG-1"}}, user: {isMe: {eq: true}}}) { nodes { body issueId } }'
        " users(filter: {app: {eq: false}, admin: {eq: true}}) { nodes { name } }"
        ' projects(filter: {accessibleTeams: {every: {key: {eq: "OPS"}}}}) { nodes { name } }'
        ' teams(filter: {issues: {title: {contains: "dark"}}}) { nodes { key } } }',
    )
    assert answer["workflowStates"]["nodes"] == [{"name": "In Progress", "team": {"key": "ENG"}}]
    assert answer["issueLabels"]["nodes"] == [{"name": "Bug"}]
    assert [each["body"] for each in answer["comments"]["nodes"]] == ["Thanks, the skeleton is drawn twice."]
    assert answer["users"]["nodes"] == [{"name": "Alice Archer"}]
    assert answer["projects"]["nodes"] == [{"name": "Move to the new cluster"}]
    assert answer["teams"]["nodes"] == [{"key": "ENG"}]


PAGE = """query ($first: Int, $after: String, $last: Int, $before: String) {
  issues(first: $first, after: $after, last: $last, before: $before) {
    nodes { identifier } edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""


async def test_pages_forward_and_backward_show_everything_once_newest_first(linear: Linear) -> None:
    token = await linear.token()
    whole = ["OPS-3", "OPS-2", "OPS-1", "ENG-4", "ENG-3", "ENG-2", "ENG-1"]
    seen: list[str] = []
    after, more = None, True
    while more:
        page = (await linear.ask(token, PAGE, first=3, after=after))["issues"]
        seen += [node["identifier"] for node in page["nodes"]]
        assert [edge["cursor"] for edge in page["edges"]][-1] == page["pageInfo"]["endCursor"]
        assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert seen == whole
    back = (await linear.ask(token, PAGE, last=2, before=after))["issues"]
    assert [node["identifier"] for node in back["nodes"]] == ["ENG-3", "ENG-2"]
    assert back["pageInfo"]["hasNextPage"] is True


@pytest.mark.parametrize("asked", [{"first": 0}, {"first": 251}, {"first": 1, "last": 1}, {"after": "nowhere"}])
async def test_a_page_that_cannot_be_is_invalid_input(linear: Linear, asked: dict[str, object]) -> None:
    assert (await linear.refused(await linear.token(), PAGE, **asked))["type"] == "invalid input"


async def test_fifty_come_unless_asked_otherwise(linear: Linear) -> None:
    world = linear.app.state.desk.world
    first = world.issue("ENG-1")
    for _ in range(60):
        number = world.next_number(first.team)
        world.new(Issue, team=first.team, number=number, title="more", state=first.state, creator=first.creator)
    page = (await linear.ask(await linear.token(), PAGE))["issues"]
    assert len(page["nodes"]) == 50
    assert page["pageInfo"]["hasNextPage"] is True


async def test_the_last_touched_comes_first_when_asked_so(linear: Linear) -> None:
    token = await linear.token()
    await linear.ask(token, 'mutation { issueUpdate(id: "ENG-2", input: {priority: 1}) { success } }')
    answer = await linear.ask(token, "{ issues(first: 1, orderBy: updatedAt) { nodes { identifier } } }")
    assert answer["issues"]["nodes"] == [{"identifier": "ENG-2"}]


async def search(linear: Linear, arguments: str) -> list[str]:
    answer = await linear.ask(
        await linear.token(), f"{{ searchIssues({arguments}) {{ totalCount nodes {{ identifier metadata }} }} }}"
    )
    nodes = answer["searchIssues"]["nodes"]
    assert answer["searchIssues"]["totalCount"] == len(nodes)
    return sorted(node["identifier"] for node in nodes)


async def test_searching_finds_words_in_issues_and_if_asked_in_comments(linear: Linear) -> None:
    assert await search(linear, 'term: "NIGHT disk"') == ["OPS-3"]
    assert await search(linear, 'term: "skeleton"') == []
    assert await search(linear, 'term: "skeleton", includeComments: true') == ["ENG-1"]
    assert await search(linear, 'term: "the", filter: {team: {key: {eq: "OPS"}}}') == ["OPS-1", "OPS-2"]


async def test_a_team_given_to_a_search_boosts_it_and_does_not_limit_to_it(linear: Linear) -> None:
    found = await search(linear, f'term: "the", teamId: "{TEAM_IDS["OPS"]}"')
    assert {"ENG-4", "OPS-1", "OPS-2"} <= set(found)
