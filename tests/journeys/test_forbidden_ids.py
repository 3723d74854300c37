"""What a rule forbids by the provider's own id is out of reach by its name, for reads too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town
from loaner.sandbox.linear.seed import TEAM_IDS
from loaner.sandbox.linear.state import Project

RULES = """
@id("every") permit (principal, action, resource);
@id("no-such") forbid (principal, action, resource) when {{ resource has id && {ids}.contains(resource.id) }};
"""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


def ids_of(github: Any, slack: Any) -> dict[str, str]:
    channels = {one.name: one.id for one in slack.state.conversations.values()}
    secrets = next(one.id for one in github.world.repositories.values() if one.name == "secrets")
    return {"repository": str(secrets), "channel": channels["random"], "team": TEAM_IDS["OPS"]}


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    home = tmp_path_factory.mktemp("ids")
    (home / "policy").mkdir()
    async with town(tmp_path_factory.mktemp("other")) as other:
        inside: Any = other.running.sandbox.inside
        ids = list(ids_of(inside["github"], inside["slack"]).values())
    written = RULES.format(ids=str([*ids, "U00BOB0002"]).replace("'", '"'))
    (home / "policy" / "team.cedar").write_text(written, encoding="utf-8")
    async with town(home, tools={"toolsets": ("all",)}, policy=home / "policy") as built:
        yield built


async def asked(acme: Town, tool: str, **given: Any) -> Any:
    acme.advance(minutes=2)
    async with acme.agent() as agent:
        return await acme.call(agent, tool, given)


async def said(acme: Town, tool: str, **given: Any) -> dict[str, Any]:
    answer = await asked(acme, tool, **given)
    assert not answer.is_error, text_of(answer)
    return dict(answer.structured_content or {})


FORBIDDEN = {
    "a repository, read": ("github_list_issues", {"owner": "acme", "repo": "secrets"}, "/issues"),
    "a repository, written": ("github_issue_create", {"owner": "acme", "repo": "secrets", "title": "x"}, "/issues"),
    "a search of it": ("github_search_issues", {"owner": "acme", "repo": "secrets", "q": "token"}, "/search/issues"),
    "a channel, read": ("slack_read_channel", {"channel": "#random"}, "conversations.history"),
    "a channel that Slack takes by its name": (
        "slack_send_message",
        {"channel": "#random", "text": "hi"},
        "chat.postMessage",
    ),
    "a person by an id": ("slack_get_user", {"user": "U00BOB0002"}, "users.info"),
    "a person by another name": ("slack_find_user_by_email", {"email": "bob@acme.example"}, "users.lookupByEmail"),
    "a team by its key": ("linear_create_issue", {"teamId": "OPS", "title": "x"}, "none"),
    "a team by its id": ("linear_list_issues", {"teamId": TEAM_IDS["OPS"]}, "none"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
async def test_a_name_does_not_pass_a_forbid_by_id(acme: Town, what: str) -> None:
    """MUST 32."""
    tool, arguments, path = FORBIDDEN[what]
    answer = await asked(acme, tool, **arguments)
    assert error_of(answer)["code"] == "policy_denied", text_of(answer)
    uses = {use["path"] for one in acme.ledger() for use in one["uses"]}
    assert not any(use.endswith(path) for use in uses)


async def test_lists_leave_out_what_is_forbidden_by_id(acme: Town) -> None:
    """MUST 32."""
    repositories = await said(acme, "github_list_my_repositories")
    assert {one["full_name"] for one in repositories["repositories"]} == {"acme/web", "acme/api"}
    channels = {one["name"] for one in (await said(acme, "slack_list_channels"))["channels"]}
    assert "random" not in channels
    assert "releases" in channels
    assert {one["key"] for one in (await said(acme, "linear_list_teams"))["teams"]} == {"ENG"}


async def test_what_does_not_say_its_id_is_left_out(acme: Town) -> None:
    """MUST 32."""
    found = await said(acme, "github_search_issues", q="token")
    assert found["items"] == []
    assert found["left_out"]


async def test_what_no_rule_names_is_served(acme: Town) -> None:
    assert (await said(acme, "github_list_issues", owner="acme", repo="web"))["issues"]
    assert (await said(acme, "slack_read_channel", channel="#releases"))["messages"]
    assert not (await asked(acme, "slack_send_message", channel="#releases", text="hi")).is_error
    assert (await said(acme, "linear_list_issues", teamId="ENG"))["issues"]
    assert (await said(acme, "linear_get_issue", id="ENG-1"))["identifier"] == "ENG-1"
    linear: Any = acme.running.sandbox.inside["linear"]
    launch = next(one for one in linear.world.every(Project) if one.name == "Spring launch")
    update = await asked(acme, "linear_create_project_update", projectId=launch.id, body="Going well")
    assert not update.is_error
