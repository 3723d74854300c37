"""A provider's error word reaches the agent, the record and the log; and each has the advice that cures it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from journeys.town import Town, error_of, text_of, town
from loaner.sandbox.linear.state import IssueLabel

POST = ("slack_send_message", {"channel": "#general", "text": "hello"})
READ = ("slack_read_channel", {"channel": "#general"})
ISSUES = ("linear_list_issues", {"teamId": "ENG"})
CREATE = ("linear_create_issue", {"teamId": "ENG", "title": "New"})
Call = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def street(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """A town where alice has connected Slack and Linear."""
    async with town(tmp_path_factory.mktemp("words")) as built:
        async with built.agent() as agent:
            for call in (READ, ISSUES):
                assert not (await built.call(agent, *call)).is_error
        yield built


@pytest.fixture
async def linked(street: Town) -> AsyncIterator[Town]:
    yield street
    street.running.sandbox.faults.clear()
    street.advance(seconds=61)


async def refused(town: Town, call: Call, name: str) -> tuple[dict[str, Any], str, list[Any]]:
    """The facts of the error, what the agent is told, and what the log says."""
    tool, arguments = call
    content = {POST[0]: "text", CREATE[0]: "title"}.get(tool)
    arguments = arguments | ({content: name} if content else {})  # each its own: a yes that was not used up is kept
    async with town.agent() as agent:
        if content:
            asked = await agent.call_tool(tool, arguments)
            assert error_of(asked)["code"] == "consent_required"
            assert (await town.decide(asked)).state == "approved"
        town.fault(tool.partition("_")[0], f"refused:{name}", count=1, path="chat." if call is POST else "")
        with capture_logs() as logs:
            answer = await agent.call_tool(tool, arguments)
    assert answer.is_error
    return error_of(answer), text_of(answer), [one for one in logs if one["event"] == "call_failed"]


@pytest.mark.parametrize(
    ("call", "name", "code", "word", "advice"),
    [
        (POST, "not_in_channel", "provider_forbidden", "not_in_channel", "Join it with slack_join_channel"),
        (POST, "is_archived", "provider_forbidden", "is_archived", "unarchive"),
        (POST, "restricted_action_read_only_channel", "provider_forbidden", None, "only some of its members may post"),
        (POST, "message_limit_exceeded", "provider_forbidden", "message_limit_exceeded", "the workspace's plan"),
        (POST, "team_not_found", "provider_rejected", "team_not_found", "connectors.NAME.team"),
        (POST, "word_of_next_year", "provider_rejected", "word_of_next_year", "https://docs.slack.dev/"),
        (READ, "invalid_form_data", "connector_outdated", "invalid_form_data", "has to be updated"),
        (ISSUES, "document", "connector_outdated", "GRAPHQL_VALIDATION_FAILED", "has to be updated"),
        (ISSUES, "complex", "provider_rejected", "INPUT_ERROR", "a lower limit"),
        (CREATE, "plan", "provider_forbidden", "USAGE_LIMIT_EXCEEDED", "limit of the workspace's plan"),
        (CREATE, "uuid", "provider_rejected", "INVALID_INPUT", "not a Linear id"),
        (ISSUES, "new", "provider_rejected", "WORD_OF_NEXT_YEAR", "https://"),
    ],
)  # fmt: skip
async def test_the_word_is_told_recorded_and_logged_with_its_advice(
    linked: Town, call: Call, name: str, code: str, word: str | None, advice: str
) -> None:
    """MUST 42: a word is an identifier; what a provider wrote for people is told to nobody."""
    word = word or name
    facts, told, logs = await refused(linked, call, name)
    assert facts["code"] == code
    assert word in told
    assert advice in told
    assert "Cannot query field" not in told
    assert "organisation may need to approve" not in told
    record = (await linked.records(tool=call[0]))[-1]
    assert (record["word"], record["code"]) == (word, code)
    assert record["status"] == (400 if call[0].startswith("linear") else 200)
    (line,) = logs
    assert (line["tool"], line["code"], line["call"]) == (call[0], code, record["id"])
    assert word in line["reason"]
    assert "status" in line["reason"]
    assert line["log_level"] == ("error" if code == "connector_outdated" else "info")


async def test_a_request_that_is_taken_no_more_is_listed_for_the_operator(linked: Town) -> None:
    await refused(linked, ISSUES, "document")
    await linked.loaner.drifts.settled()
    (found,) = [one for one in await linked.loaner.drifts.all() if one.tool == ISSUES[0]]
    assert (found.kind, found.named) == ("request", "GRAPHQL_VALIDATION_FAILED")
    assert "issues" in found.ours


async def test_a_label_of_another_team_is_told_as_that(linked: Town) -> None:
    """The workspace's own refusal, not an injected one: ENG's issue with a label of OPS."""
    linear: Any = linked.running.sandbox.inside["linear"]
    label = next(one for one in linear.world.every(IssueLabel) if one.team and one.team.key != "ENG")
    async with linked.agent() as agent:
        answer = await linked.call(agent, CREATE[0], {**CREATE[1], "labelIds": [label.id]})
    assert "belongs to another team" in text_of(answer)
    assert "linear_list_labels" in text_of(answer)
