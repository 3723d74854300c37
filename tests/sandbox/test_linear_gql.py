"""The emulated Linear as ``gql``, a GraphQL client that knows nothing of it, sees it over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from gql import Client, gql
from gql.transport.exceptions import TransportQueryError, TransportServerError
from gql.transport.httpx import HTTPXAsyncTransport
from linear_steps import Linear

from loaner.sandbox.linear.seed import TEAM_IDS
from loaner.sandbox.run import RunningSandbox


@pytest.fixture
async def linear(sandbox: RunningSandbox) -> AsyncIterator[Linear]:
    it = Linear.over_http(sandbox.sandbox)
    async with it.http:
        yield it


@asynccontextmanager
async def session(linear: Linear, token: str, *, fetch: bool = False) -> AsyncIterator[object]:
    transport = HTTPXAsyncTransport(url=f"{linear.api}/graphql", headers={"Authorization": f"Bearer {token}"})
    async with Client(transport=transport, fetch_schema_from_transport=fetch) as connected:
        yield connected


async def test_gql_reads_the_schema_and_checks_its_queries_against_it(linear: Linear) -> None:
    async with session(linear, await linear.token(), fetch=True) as connected:
        assert connected.client.schema.query_type.fields["issues"]
        answer = await connected.execute(gql('{ issues(filter: {team: {key: {eq: "OPS"}}}) { nodes { identifier } } }'))
        assert {node["identifier"] for node in answer["issues"]["nodes"]} == {"OPS-1", "OPS-2", "OPS-3"}


async def test_gql_creates_and_reads_back(linear: Linear) -> None:
    create = gql("mutation ($input: IssueCreateInput!) { issueCreate(input: $input) { issue { id identifier } } }")
    create.variable_values = {"input": {"teamId": TEAM_IDS["ENG"], "title": "From gql"}}
    async with session(linear, await linear.token(scope="issues:create")) as connected:
        made = (await connected.execute(create))["issueCreate"]["issue"]
        read = gql("query ($id: String!) { issue(id: $id) { title } }")
        read.variable_values = {"id": made["identifier"]}
        assert (await connected.execute(read))["issue"]["title"] == "From gql"


async def test_gql_sees_refusals_as_such(linear: Linear) -> None:
    token = await linear.token(scope="read")
    async with session(linear, token) as connected:
        with pytest.raises(TransportQueryError) as refused:
            await connected.execute(gql('mutation { issueArchive(id: "ENG-1") { success } }'))
        assert refused.value.errors is not None
        assert refused.value.errors[0]["extensions"]["code"] == "FORBIDDEN"
        await linear.revoke(token=token)
        with pytest.raises((TransportServerError, TransportQueryError)) as dead:
            await connected.execute(gql("{ viewer { id } }"))
        assert "401" in str(dead.value) or "AUTHENTICATION_ERROR" in str(dead.value)
