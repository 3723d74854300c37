"""What is there can be taken away, what is left out is left alone, and nobody is asked about a change of nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town

ISSUE = {"owner": "acme", "repo": "web", "issue_number": 1}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("clearing"), tools={"toolsets": ("all",)}) as built:
        yield built


def inside(acme: Town, provider: str) -> Any:
    return acme.running.sandbox.inside[provider]


async def done(acme: Town, tool: str, arguments: dict[str, Any]) -> None:
    async with acme.agent() as agent:
        answer = await acme.call(agent, tool, arguments)
    assert not answer.is_error, text_of(answer)


@pytest.mark.parametrize("empty", [[], None])
async def test_labels_and_assignees_of_a_github_issue_are_cleared(acme: Town, empty: Any) -> None:
    web = next(one for one in inside(acme, "github").world.repositories.values() if one.name == "web")
    await done(acme, "github_issue_update", ISSUE | {"labels": ["bug"], "assignees": ["bob"], "body": "Seen on 3G."})
    issue = web.issues[1]
    assert (len(issue.labels), len(issue.assignees), issue.body) == (1, 1, "Seen on 3G.")
    await done(acme, "github_issue_update", ISSUE | {"labels": empty, "assignees": empty})
    assert (issue.labels, issue.assignees, issue.body) == ([], [], "Seen on 3G.")
    await done(acme, "github_issue_update", ISSUE | {"body": "" if empty is not None else None})
    assert not issue.body


@pytest.mark.parametrize("empty", ["", None])
async def test_assignee_and_labels_of_a_linear_issue_are_cleared(acme: Town, empty: Any) -> None:
    issue = inside(acme, "linear").world.issue("ENG-1" if empty is None else "OPS-3")
    assert issue.assignee
    assert issue.labels
    await done(acme, "linear_update_issue", {"id": issue.identifier, "assigneeId": empty})
    assert issue.assignee is None
    assert issue.labels
    await done(acme, "linear_update_issue", {"id": issue.identifier, "labelIds": [], "description": empty})
    assert issue.labels == []
    assert issue.description is None, "Linear takes null for it"


async def test_the_topic_of_a_slack_channel_is_cleared(acme: Town) -> None:
    await done(acme, "slack_set_topic", {"channel": "#releases", "topic": "v1.4"})
    channel = next(one for one in inside(acme, "slack").state.conversations.values() if one.name == "releases")
    assert channel.topic == "v1.4"
    await done(acme, "slack_set_topic", {"channel": "#releases", "topic": ""})
    assert channel.topic == ""


NOTHING = {
    "nothing said": ("github_issue_update", ISSUE),
    "what cannot be cleared": ("github_issue_update", ISSUE | {"title": None, "state": ""}),
    "a pull request": ("github_update_pull_request", {"owner": "acme", "repo": "web", "pull_number": 2, "title": ""}),
    "at Linear": ("linear_update_issue", {"id": "ENG-1", "title": "", "stateId": None}),
}


@pytest.mark.parametrize("what", NOTHING)
async def test_nobody_is_asked_about_a_change_of_nothing(acme: Town, what: str) -> None:
    tool, arguments = NOTHING[what]
    async with acme.agent() as agent:
        answer = await agent.call_tool(tool, arguments)
    assert error_of(answer)["code"] == "invalid_arguments"
    assert "at least one of title" in text_of(answer)


FILLED = {
    "a list of issues": (
        "github_list_issues",
        {"owner": "acme", "repo": "web", "state": "", "labels": [], "assignee": "", "cursor": "", "limit": None},
    ),
    "a file": ("github_get_file_contents", {"owner": "acme", "repo": "web", "path": "README.md", "ref": ""}),
    "a search": ("linear_search_issues", {"term": "the", "teamId": "", "cursor": ""}),
    "a new issue": ("linear_create_issue", {"teamId": "ENG", "title": "x", "description": "", "labelIds": []}),
}


@pytest.mark.parametrize("what", FILLED)
async def test_an_optional_argument_that_is_empty_is_none(acme: Town, what: str) -> None:
    """Models that have to fill every argument give this."""
    await done(acme, *FILLED[what])
