"""What a rule forbids by name is out of reach by every name: another spelling, a search, a list, a count."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town

RULES = """
@id("every") permit (principal, action, resource);
@id("no-secrets") forbid (principal, action, resource) when { resource.name == "acme/secrets" };
@id("no-random") forbid (principal, action, resource) when { resource.name == "#random" };
@id("no-operations") forbid (principal, action, resource in Resource::"team:OPS");
"""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    home = tmp_path_factory.mktemp("forbidden")
    (home / "policy").mkdir()
    (home / "policy" / "team.cedar").write_text(RULES, encoding="utf-8")
    async with town(home, tools={"toolsets": ("all",)}, policy=home / "policy") as built:
        yield built


async def asked(acme: Town, tool: str, **given: Any) -> Any:
    acme.advance(minutes=2)  # searching has the smallest of GitHub's limits
    async with acme.agent() as agent:
        return await acme.call(agent, tool, given)


async def said(acme: Town, tool: str, **given: Any) -> dict[str, Any]:
    answer = await asked(acme, tool, **given)
    assert not answer.is_error, text_of(answer)
    return dict(answer.structured_content or {})


SPELLINGS = {
    "as it is": ("github_list_issues", {"owner": "acme", "repo": "secrets"}),
    "the account in capitals": ("github_list_issues", {"owner": "Acme", "repo": "secrets"}),
    "the repository in capitals": ("github_list_issues", {"owner": "acme", "repo": "SECRETS"}),
    "another tool": ("github_get_repository_tree", {"owner": "acme", "repo": "SECRETS", "tree_sha": "main"}),
    "a search of it alone": ("github_search_issues", {"q": "token", "owner": "ACME", "repo": "Secrets"}),
    "a file of it": ("github_get_file_contents", {"owner": "ACME", "repo": "Secrets", "path": "README.md"}),
    "a channel": ("slack_send_message", {"channel": "#Random", "text": "hi"}),
    "a team": ("linear_list_issues", {"teamId": "ops"}),
    "an issue of the team": ("linear_get_issue", {"id": "ops-1"}),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_no_spelling_passes_a_forbid_and_nothing_is_lent_for_it(acme: Town, spelling: str) -> None:
    """MUST 32: a name is ruled on in its one canonical spelling."""
    tool, arguments = SPELLINGS[spelling]
    before = len(acme.ledger())
    async with acme.agent() as agent:
        answer = await agent.call_tool(tool, arguments)
    assert error_of(answer)["code"] == "policy_denied"
    assert len(acme.ledger()) == before


@pytest.mark.parametrize(
    ("spelling", "resource"), [("as it is", "repository:acme/secrets"), ("a file of it", "repository:acme/secrets")]
)
async def test_a_refused_call_is_recorded_by_the_canonical_name(acme: Town, spelling: str, resource: str) -> None:
    tool, arguments = SPELLINGS[spelling]
    async with acme.agent() as agent:
        await agent.call_tool(tool, arguments)
    assert (await acme.records(tool=tool))[-1]["resource"] == resource


SEARCHES = {
    "its own words": "token",
    "its repository": "repo:acme/secrets token",
    "its repository in capitals": "repo:ACME/Secrets token",
    "its account": "org:acme token",
    "or": "nothing-has-this OR repo:acme/secrets token",
}


@pytest.mark.parametrize("words", SEARCHES)
async def test_a_search_of_everything_leaves_out_what_is_forbidden_and_counts_none_of_it(
    acme: Town, words: str
) -> None:
    found = await said(acme, "github_search_issues", q=SEARCHES[words])
    assert all("secrets" not in one["repository_url"] for one in found["items"])
    assert found.get("total_count", 0) <= len(found["items"])
    assert "secrets" not in str(found)


async def test_what_is_left_out_is_told_by_its_number_alone(acme: Town) -> None:
    found = await said(acme, "github_search_issues", q="deploy token")
    assert found == {"total_count": 0, "items": [], "left_out": 1}


async def test_a_count_that_goes_on_beyond_the_page_is_not_told(acme: Town) -> None:
    """It would count what is forbidden, word after word, without ever showing it."""
    whole = await said(acme, "github_search_issues", q="the")
    assert len(whole["items"]) > 1
    assert whole["total_count"] == len(whole["items"])
    one = await said(acme, "github_search_issues", q="the", limit=1)
    assert one["next_cursor"]
    assert "total_count" not in one


async def test_lists_of_everything_leave_out_what_is_forbidden(acme: Town) -> None:
    repositories = await said(acme, "github_list_my_repositories")
    assert {one["full_name"] for one in repositories["repositories"]} == {"acme/web", "acme/api"}
    channels = await said(acme, "slack_list_channels")
    names = {one["name"] for one in channels["channels"]}
    assert "random" not in names
    assert "releases" in names
    teams = await said(acme, "linear_list_teams")
    assert {one["key"] for one in teams["teams"]} == {"ENG"}
    projects = await said(acme, "linear_list_projects")
    assert projects["projects"] == [], "one is of OPS, the other of both"
    labels = await said(acme, "linear_list_labels")
    assert {one.get("team") for one in labels["labels"]} == {None, "ENG"}
    assert {repositories["left_out"], channels["left_out"], teams["left_out"]} == {1}


@pytest.mark.parametrize("query", ["mug", "in:#random mug", "from:@bob mug"])
async def test_a_search_of_slack_leaves_out_the_forbidden_channel(acme: Town, query: str) -> None:
    found = await said(acme, "slack_search", query=query)
    assert all(one["channel_name"] != "random" for one in found["messages"])
    assert found["left_out"] == 1, "the provider itself would have shown it"


async def test_a_search_of_linear_leaves_out_the_forbidden_team(acme: Town) -> None:
    found = await said(acme, "linear_search_issues", term="the")
    assert all(one["identifier"].startswith("ENG-") for one in found["issues"])
    assert found["left_out"]


async def test_what_holds_nothing_that_has_a_name_is_answered(acme: Town) -> None:
    assert (await said(acme, "github_get_me"))["login"] == "alice"
    assert (await said(acme, "linear_list_users"))["users"]
