"""What stands between a request and its answer: the token, the document, its cost, its scope."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from linear_steps import NOON, Linear

from loaner.sandbox.linear.seed import TEAM_IDS

CREATE_ISSUE = "mutation ($input: IssueCreateInput!) { issueCreate(input: $input) { success issue { identifier } } }"
NEW = {"teamId": TEAM_IDS["ENG"], "title": "New"}
VIEWER = "{ viewer { id } }"


@pytest.fixture
async def linear(anyio_backend: str) -> AsyncIterator[Linear]:
    it = Linear()
    async with it.http:
        yield it


@pytest.mark.parametrize("header", [None, "Bearer ", "Bearer lin_oauth_x", "lin_api_key", "Basic YTpi"])
async def test_no_token_or_a_strange_one_is_an_authentication_error(linear: Linear, header: str | None) -> None:
    headers = {"authorization": header} if header else {}
    answer = await linear.http.post(f"{linear.api}/graphql", json={"query": VIEWER}, headers=headers)
    assert answer.status_code == 401
    [error] = answer.json()["errors"]
    assert error["extensions"]["type"] == "authentication error"
    assert error["extensions"]["code"] == "AUTHENTICATION_ERROR"
    assert "data" not in answer.json()


async def test_every_use_of_a_token_is_in_the_ledger_the_refused_ones_too(linear: Linear) -> None:
    pair = await linear.tokens(scope="issues:create")
    token = pair["access_token"]
    await linear.ask(token, "query Mine { viewer { id } teams { nodes { key } } }")
    await linear.ask(token, CREATE_ISSUE, input=NEW)
    await linear.post(token, "{ nonsense")
    await linear.revoke(token=token)
    await linear.post(token, VIEWER)
    shown = [(use.method, use.path, use.operation, use.status) for use in linear.entry(token).uses]
    assert shown == [
        ("POST", "/graphql", "query viewer, teams", 200),
        ("POST", "/graphql", "mutation issueCreate", 200),
        ("POST", "/graphql", None, 400),
        ("POST", "/graphql", "query viewer", 401),
    ]
    assert linear.entry(pair["refresh_token"]).uses == []


WRITES: dict[str, tuple[str, dict[str, Any]]] = {
    "issueCreate": (CREATE_ISSUE, {"input": NEW}),
    "commentCreate": (
        "mutation ($input: CommentCreateInput!) { commentCreate(input: $input) { success } }",
        {"input": {"issueId": "ENG-1", "body": "hi"}},
    ),
    "attachmentLinkURL": (
        'mutation { attachmentLinkURL(issueId: "ENG-1", url: "https://example.com/a") { success } }',
        {},
    ),
    "issueUpdate": ('mutation { issueUpdate(id: "ENG-1", input: {title: "x"}) { success } }', {}),
    "issueArchive": ('mutation { issueArchive(id: "ENG-2") { success } }', {}),
    "issueDelete": ('mutation { issueDelete(id: "ENG-3") { success } }', {}),
    "webhookCreate": (
        "mutation ($input: WebhookCreateInput!) { webhookCreate(input: $input) { success } }",
        {"input": {"url": "https://example.com", "allPublicTeams": True, "resourceTypes": ["Issue"]}},
    ),
}
ALLOWED = {
    "issueCreate": {"write", "issues:create"},
    "commentCreate": {"write", "comments:create"},
    "attachmentLinkURL": {"write", "issues:create"},
    "issueUpdate": {"write"},
    "issueArchive": {"write"},
    "issueDelete": {"write"},
    "webhookCreate": {"admin"},
}


@pytest.mark.parametrize("scope", ["read", "write", "issues:create", "comments:create", "admin", "timeSchedule:write"])
async def test_each_mutation_needs_its_scope(linear: Linear, scope: str) -> None:
    token = await linear.token(scope=scope)
    for name, (query, variables) in WRITES.items():
        if scope in ALLOWED[name]:
            assert (await linear.ask(token, query, **variables))[name]["success"]
        else:
            error = await linear.refused(token, query, **variables)
            assert (error["type"], error["code"], error["userError"]) == ("forbidden", "FORBIDDEN", True), name
            assert error["userPresentableMessage"].startswith("Invalid scope: `")
            assert error["data"] is None


async def test_a_refused_mutation_changes_nothing(linear: Linear) -> None:
    token = await linear.token(scope="read")
    before = await linear.ask(token, "{ issues { nodes { id title updatedAt } } }")
    assert (await linear.refused(token, WRITES["issueUpdate"][0]))["message"] == "Invalid scope: `write` required"
    # One field that is allowed does not carry another that is not, and neither does a fragment.
    creator = await linear.token(scope="issues:create")
    both = (
        "mutation ($input: IssueCreateInput!) { issueCreate(input: $input) { success } ...More }"
        ' fragment More on Mutation { issueDelete(id: "ENG-1") { success } }'
    )
    assert (await linear.refused(creator, both, input=NEW))["code"] == "FORBIDDEN"
    assert await linear.ask(token, "{ issues { nodes { id title updatedAt } } }") == before


async def test_a_missing_scope_may_be_told_by_status_too(linear: Linear) -> None:
    linear.sandbox.switches.linear_forbidden_status = 403
    token = await linear.token(scope="read")
    assert (await linear.post(token, CREATE_ISSUE, input=NEW)).status_code == 403


async def test_creating_may_be_enough_for_updating(linear: Linear) -> None:
    linear.sandbox.switches.linear_issues_create_updates = True
    token = await linear.token(scope="issues:create")
    assert (await linear.ask(token, WRITES["issueUpdate"][0]))["issueUpdate"]["success"]
    assert (await linear.refused(token, WRITES["issueArchive"][0]))["code"] == "FORBIDDEN"


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("{ viewer {", {}, "GRAPHQL_PARSE_FAILED"),
        ("{ viewer { nonsense } }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("{ viewer }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("query ($id: String!) { issue(id: $id) { id } }", {}, "BAD_USER_INPUT"),
        ("query ($id: String!) { issue(id: $id) { id } }", {"id": 7}, "BAD_USER_INPUT"),
        (CREATE_ISSUE, {"input": NEW | {"colour": "red"}}, "BAD_USER_INPUT"),
        (CREATE_ISSUE, {"input": NEW | {"dueDate": "soon"}}, "BAD_USER_INPUT"),
        ("subscription { x }", {}, "BAD_REQUEST"),
        ("query A { viewer { id } } query B { viewer { id } }", {}, "BAD_REQUEST"),
    ],
)
async def test_a_bad_document_or_bad_variables_are_a_bad_request(
    linear: Linear, query: str, variables: dict[str, Any], code: str
) -> None:
    answer = await linear.post(await linear.token(), query, **variables)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"]["code"] == code


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"query": 1}', b'{"query": "{a}", "variables": []}', b"\xff"])
async def test_a_body_that_is_no_request_is_refused(linear: Linear, body: bytes) -> None:
    headers = {"authorization": f"Bearer {await linear.token()}"}
    answer = await linear.http.post(f"{linear.api}/graphql", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"]["code"] in {"BAD_REQUEST", "GRAPHQL_VALIDATION_FAILED"}


async def test_what_is_not_found_is_said_in_linears_words(linear: Linear) -> None:
    error = await linear.refused(await linear.token(), '{ issue(id: "ENG-999") { id } }')
    assert error["message"] == "Entity not found: Issue"
    assert (error["type"], error["code"]) == ("invalid input", "INPUT_ERROR")
    assert error["userPresentableMessage"] == "Could not find referenced Issue."
    linear.sandbox.switches.linear_input_error_status = 400
    assert (await linear.post(await linear.token(), '{ issue(id: "ENG-999") { id } }')).status_code == 400


async def complexity(linear: Linear, token: str, query: str, **variables: object) -> int:
    return int((await linear.post(token, query, **variables)).headers["x-complexity"])


async def test_complexity_is_counted_as_documented(linear: Linear) -> None:
    token = await linear.token()
    assert await complexity(linear, token, "{ viewer { id } }") == 2  # 1 + 0.1, rounded up
    assert await complexity(linear, token, "{ viewer { id name email organization { id } } }") == 3  # 1 + 0.3 + 1.1
    # A connection: itself and its content, 50 times unless it says how many.
    assert await complexity(linear, token, "{ teams { nodes { id } } }") == 56  # 1 + 50 × 1.1
    assert await complexity(linear, token, "{ teams(first: 10) { nodes { id } } }") == 12
    sized = "query ($n: Int) { teams(first: $n) { nodes { ...T } } } fragment T on Team { id }"
    assert await complexity(linear, token, sized, n=10) == 12
    assert await complexity(linear, token, sized) == 56
    nested = "{ teams(first: 2) { nodes { issues(first: 3) { nodes { id } } } } }"
    assert await complexity(linear, token, nested) == 12  # 1 + 2 × (1 + (1 + 3 × 1.1)), rounded up


async def test_a_query_may_not_cost_more_than_ten_thousand(linear: Linear) -> None:
    token = await linear.token()
    error = await linear.refused(token, "{ issues(first: 250) { nodes { comments { nodes { id } } } } }")
    assert error["message"] == "Query too complex"


async def test_the_headers_tell_what_is_left_with_the_reset_in_milliseconds(linear: Linear) -> None:
    token = await linear.token()
    await linear.post(token, VIEWER)
    headers = (await linear.post(token, VIEWER)).headers
    assert headers["x-ratelimit-requests-limit"] == "5000"
    assert headers["x-ratelimit-requests-remaining"] == "4998"
    assert headers["x-ratelimit-complexity-limit"] == "2000000"
    assert headers["x-ratelimit-complexity-remaining"] == "1999996"
    # Two of 5000 an hour are back after 1.44 seconds.
    assert int(headers["x-ratelimit-requests-reset"]) == NOON.timestamp() * 1000 + 1440


@pytest.mark.parametrize("status", [400, 200])
async def test_too_many_requests_of_one_user_are_refused_until_some_flow_back(linear: Linear, status: int) -> None:
    linear.sandbox.switches.linear_requests_per_hour = 2
    linear.sandbox.switches.linear_ratelimit_status = status
    one, other, of_bob = await linear.token(), await linear.token(), await linear.token("bob")
    await linear.ask(one, VIEWER)
    await linear.ask(other, VIEWER)
    over = await linear.post(one, VIEWER)
    assert over.status_code == status
    assert over.json()["errors"][0]["extensions"]["code"] == "RATELIMITED"
    assert over.headers["x-ratelimit-requests-remaining"] == "0"
    await linear.ask(of_bob, VIEWER)
    linear.sandbox.clock.advance(1801)
    await linear.ask(one, VIEWER)


async def test_complexity_runs_out_as_well(linear: Linear) -> None:
    linear.sandbox.switches.linear_complexity_per_hour = 60
    token = await linear.token()
    await linear.ask(token, "{ teams { nodes { id } } }")
    assert (await linear.refused(token, "{ teams { nodes { id } } }"))["code"] == "RATELIMITED"
    await linear.ask(token, VIEWER)


async def test_searching_has_a_limit_of_its_own(linear: Linear) -> None:
    token = await linear.token()
    search = '{ searchIssues(term: "disk") { totalCount } }'
    for _ in range(30):
        answer = await linear.post(token, search)
    assert answer.status_code == 200
    assert answer.headers["x-ratelimit-endpoint-name"] == "searchIssues"
    assert (await linear.refused(token, search))["code"] == "RATELIMITED"
    await linear.ask(token, VIEWER)


async def test_a_client_may_give_its_own_id_once(linear: Linear) -> None:
    token = await linear.token()
    mine = str(uuid.uuid4())
    create = "mutation ($input: IssueCreateInput!) { issueCreate(input: $input) { issue { id } } }"
    made = await linear.ask(token, create, input=NEW | {"id": mine})
    assert made["issueCreate"]["issue"]["id"] == mine
    again = await linear.refused(token, create, input=NEW | {"id": mine})
    assert again["type"] == "invalid input"
    for bad in ("not-a-uuid", str(uuid.uuid1())):
        assert (await linear.refused(token, create, input=NEW | {"id": bad}))["type"] == "invalid input"
    found = await linear.ask(token, '{ issues(filter: {title: {eq: "New"}}) { nodes { id } } }')
    assert found["issues"]["nodes"] == [{"id": mine}]
