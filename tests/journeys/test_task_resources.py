"""What a task may be bound to: narrower than a credential can be, and as wide as a team of issues."""

from __future__ import annotations

from typing import Any

import pytest

from journeys.test_whole_tasks import agreed
from journeys.town import Town, error_of, text_of

COMMENT = {"owner": "acme", "repo": "web", "issue_number": 1, "body": "Looked at it."}
README = {"owner": "acme", "repo": "web", "path": "README.md"}
ENG = {"issueId": "ENG-1", "body": "On it."}


def task(resources: list[str], *operations: dict[str, Any]) -> dict[str, Any]:
    return {"purpose": "do what was asked", "operations": list(operations), "resources": resources, "minutes": 30}


async def told_outside(agent: Any, tool: str, arguments: dict[str, Any]) -> str:
    answer = await agent.call_tool(tool, arguments)
    assert error_of(answer)["code"] == "consent_required"
    return text_of(answer)


@pytest.mark.parametrize("name", ["acme/web#1", "issue:acme/web#1"])
async def test_a_task_for_one_issue_ends_at_the_next(acme: Town, name: str) -> None:
    """The credential covers the repository; the task does not."""
    repository = acme.running.sandbox.inside["github"].world.find("acme/web")
    before = [len(repository.issues[number].comments) for number in (1, 2)]
    async with acme.agent() as agent:
        await agreed(acme, agent, task([name], {"tool": "github_add_issue_comment"}))
        assert not (await acme.call(agent, "github_add_issue_comment", COMMENT)).is_error
        other = await told_outside(agent, "github_add_issue_comment", COMMENT | {"issue_number": 2})
        assert "acme/web#2 is none of its resources" in other
    assert [len(repository.issues[number].comments) for number in (1, 2)] == [before[0] + 1, before[1]]


async def test_a_task_for_one_file_ends_at_the_next(acme: Town) -> None:
    async with acme.agent() as agent:
        await agreed(acme, agent, task(["acme/web/README.md"], {"tool": "github_get_file_contents"}))
        assert not (await acme.call(agent, "github_get_file_contents", README)).is_error
        other = await told_outside(agent, "github_get_file_contents", README | {"path": "SECRETS.md"})
        assert "acme/web/SECRETS.md is none of its resources" in other


async def test_a_task_for_a_thread_ends_in_the_channel(acme: Town) -> None:
    (first, *_) = acme.running.sandbox.inside["slack"].state.channel_named("releases").messages
    post = {"channel": "#releases", "text": "Yes."}
    async with acme.agent() as agent:
        await agreed(acme, agent, task([f"#releases/{first.ts}"], {"tool": "slack_send_message"}))
        assert not (await acme.call(agent, "slack_send_message", post | {"thread_ts": first.ts})).is_error
        assert "#releases is none of its resources" in await told_outside(agent, "slack_send_message", post)


async def test_a_task_for_a_team_covers_the_issues_that_carry_its_key(acme: Town) -> None:
    """An issue that is named by its id does not say whose it is, and so is asked for."""
    async with acme.agent() as agent:
        await agreed(acme, agent, task(["ENG"], {"tool": "linear_create_comment"}))
        assert not (await acme.call(agent, "linear_create_comment", ENG)).is_error
        assert not (await acme.call(agent, "linear_create_comment", ENG | {"issueId": "eng-1"})).is_error
        for outside in ("OPS-1", "00000000-0000-0000-0000-000000000000"):
            told = await told_outside(agent, "linear_create_comment", ENG | {"issueId": outside})
            assert f"{outside} is none of its resources" in told


async def test_each_tool_may_be_for_some_of_the_resources_alone(acme: Town) -> None:
    """Listing needs the whole repository; that alone does not let the agent write anywhere in it."""
    both = [
        {"tool": "github_list_issues"},
        {"tool": "github_add_issue_comment", "resources": ["acme/web#1"]},
    ]
    async with acme.agent() as agent:
        told = await agreed(acme, agent, task(["acme/web", "acme/web#1"], *both))
        assert told["resources"] == ["acme/web", "acme/web#1"]
        assert [one.get("resources") for one in told["operations"]] == [None, ["acme/web#1"]]
        assert not (await acme.call(agent, "github_list_issues", {"owner": "acme", "repo": "web"})).is_error
        assert not (await acme.call(agent, "github_add_issue_comment", COMMENT)).is_error
        other = await told_outside(agent, "github_add_issue_comment", COMMENT | {"issue_number": 2})
        assert "acme/web#2 is none of its resources" in other


async def test_a_tool_is_for_no_resource_that_the_task_does_not_name(acme: Town) -> None:
    wrong = task(["acme/web"], {"tool": "github_list_issues", "resources": ["acme/api"]})
    async with acme.agent() as agent:
        refused = await agent.call_tool("loaner_propose_task", wrong)
    assert error_of(refused)["code"] == "invalid_arguments"
    assert "acme/api is none of the task's resources" in text_of(refused)
