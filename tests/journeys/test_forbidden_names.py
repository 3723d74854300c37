"""What a rule forbids by name is out of reach by every name: another spelling, a search, a list, a count."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town
from loaner.sandbox.linear.state import IssueRelation, Project, ProjectUpdate

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
    assert (found["total_count"], found["items"], found["left_out"]) == (0, [], 1)


async def test_a_count_that_goes_on_beyond_the_page_is_not_told(acme: Town) -> None:
    """It would count what is forbidden, word after word, without ever showing it."""
    whole = await said(acme, "github_search_issues", q="the")
    assert len(whole["items"]) > 1
    assert whole["total_count"] == len(whole["items"])
    one = await said(acme, "github_search_issues", q="the", limit=1)
    assert one["next_cursor"]
    assert "total_count" not in one


@pytest.mark.parametrize("most", [10, 1])
async def test_ones_own_work_leaves_out_what_is_forbidden_and_counts_none_of_it(acme: Town, most: int) -> None:
    github: Any = acme.running.sandbox.inside["github"]
    for repository in ("acme/web", "acme/secrets"):
        for number in (1, 2):
            github.world.find(repository).issues[number].assignees = [github.world.accounts["alice"]]
    found = await said(acme, "github_mine", most=most)
    assert "secrets" not in str(found)
    assert all(one["repository_url"].endswith("acme/web") for one in found["assigned"])
    assert len(found["assigned"]) + found.get("left_out", 0) == min(most, 4)
    assert found.get("total_assigned") == (2 if most > 1 else None), "a count beyond the list would tell of the rest"


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


@pytest.mark.parametrize("query", ["mug", "in:#random mug", "from:@carol mug"])
async def test_a_search_of_slack_leaves_out_the_forbidden_channel(acme: Town, query: str) -> None:
    found = await said(acme, "slack_search", query=query)
    assert all(one["channel_name"] != "random" for one in found["messages"])
    assert found["left_out"] == 1, "the provider itself would have shown it"


async def test_a_search_of_linear_leaves_out_the_forbidden_team(acme: Town) -> None:
    found = await said(acme, "linear_search_issues", term="the")
    assert all(one["identifier"].startswith("ENG-") for one in found["issues"])
    assert found["left_out"]


async def test_an_issue_tells_nothing_of_its_neighbours_in_the_forbidden_team(acme: Town) -> None:
    """MUST 32."""
    linear: Any = acme.running.sandbox.inside["linear"]
    one, child, other = (linear.world.issue(name) for name in ("ENG-1", "OPS-1", "OPS-3"))
    child.parent, one.parent = one, other
    linear.world.new(IssueRelation, type="blocks", issue=one, related_issue=other)
    linear.world.new(IssueRelation, type="blocks", issue=other, related_issue=one)
    found = await said(acme, "linear_get_issue", id="ENG-1")
    assert (found["children"], found["relations"], found["related_by"]) == ([], [], [])
    assert "parent" not in found
    assert found["left_out"] == 4
    child.parent = one.parent = None


async def test_what_holds_nothing_that_has_a_name_is_answered(acme: Town) -> None:
    assert (await said(acme, "github_get_me"))["login"] == "alice"
    assert (await said(acme, "linear_list_users"))["users"]


def otherwise_named(acme: Town) -> dict[str, tuple[str, dict[str, Any]]]:
    """Calls whose names only the provider can read."""
    slack: Any = acme.running.sandbox.inside["slack"]
    linear: Any = acme.running.sandbox.inside["linear"]
    random = next(one.id for one in slack.state.conversations.values() if one.name == "random")
    moved = linear.world.issue("OPS-2")
    moved.previous_identifiers = ["ENG-99"]
    return {
        "a channel's id": ("slack_read_channel", {"channel": random}),
        "the same, to be written to": ("slack_send_message", {"channel": random, "text": "hi"}),
        "an issue's id": ("linear_get_issue", {"id": moved.id}),
        "an old identifier": ("linear_get_issue", {"id": "eng-99"}),
        "the same, to be changed": ("linear_update_issue", {"id": "ENG-99", "title": "x"}),
        "a team's id": ("linear_list_issues", {"teamId": moved.team.id.upper()}),
        "a project of the team": (
            "linear_create_project_update",
            {"projectId": next(one.id for one in linear.world.every(Project) if one.name == "Move to the new cluster")},
        ),
        "a project of two teams": (
            "linear_create_project_update",
            {"projectId": next(one.id for one in linear.world.every(Project) if one.name == "Spring launch")},
        ),
        "a team's name": ("linear_list_issues", {"teamId": "operations"}),
    }


@pytest.mark.parametrize("which", [0, 1, 2, 3, 4, 5, 6, 7, 8])
async def test_no_id_and_no_old_identifier_passes_a_forbid(acme: Town, which: int) -> None:
    """MUST 32: what only the provider knows is asked for first, and the rules hold for the answer."""
    tool, arguments = list(otherwise_named(acme).values())[which]
    more = {"body": "x"} if "projectId" in arguments else {}
    answer = await asked(acme, tool, **arguments, **more)
    assert error_of(answer)["code"] == "policy_denied"
    linear: Any = acme.running.sandbox.inside["linear"]
    assert not list(linear.world.every(ProjectUpdate))
    assert linear.world.issue("OPS-2").title == "Write the runbook for failover"
    used = {use["path"].rpartition("/")[2] for one in acme.ledger(provider="slack") for use in one["uses"]}
    assert not used & {"chat.postMessage", "conversations.history"}
    kept = (await acme.records(tool=tool))[-1]["resource"]
    assert kept in {"channel:#random", "issue:OPS-2", "team:OPS"} or kept.startswith("project:")


async def test_what_no_rule_forbids_is_served_by_its_id(acme: Town) -> None:
    linear: Any = acme.running.sandbox.inside["linear"]
    issue = linear.world.issue("ENG-1")
    assert (await said(acme, "linear_get_issue", id=issue.id))["identifier"] == "ENG-1"
    assert (await said(acme, "linear_list_issues", teamId=issue.team.id))["issues"]
    slack: Any = acme.running.sandbox.inside["slack"]
    releases = next(one.id for one in slack.state.conversations.values() if one.name == "releases")
    assert (await said(acme, "slack_read_channel", channel=releases))["messages"]
    assert {record["resource"] for record in await acme.records(tool="slack_read_channel", outcome="ok")} == {
        "channel:#releases"
    }
