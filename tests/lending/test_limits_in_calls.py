"""What an agent, a person and the record see of a provider's limits, and what is tried again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from journeys.town import Town, error_of, text_of, town

WEB = {"owner": "acme", "repo": "web"}


async def test_the_ladder_as_agent_person_and_record_see_it(tmp_path: Path) -> None:
    limiter = {"factor": 5 / 900 * 2, "wait_seconds": 0}  # two credentials, then one every half minute
    async with town(tmp_path / "home", limiter=limiter) as acme, acme.agent() as agent:
        issue = WEB | {"issue_number": 1}
        assert not (await acme.call(agent, "github_issue_read", issue)).is_error
        assert not (await agent.call_tool("github_issue_read", issue)).is_error
        before = len(acme.ledger(kind="scoped"))
        told = error_of(refused := await agent.call_tool("github_issue_read", issue))
        assert (told["code"], told["retry"]) == ("rate_limited", "after_s")
        assert 1 <= told["retry_after"] <= 60
        assert "credentials" in text_of(refused)
        assert len(acme.ledger(kind="scoped")) == before, "the provider was not even asked"
        (record,) = await acme.records(code="rate_limited")
        assert (record["outcome"], record.get("fingerprint")) == ("failed", None)
        acme.advance(seconds=told["retry_after"])
        assert not (await agent.call_tool("github_issue_read", issue)).is_error


async def test_a_call_that_waited_for_its_turn_says_so_in_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = {"factor": 0.2 / 36, "wait_seconds": 20}  # one credential, and another when the clock was moved on
    async with town(tmp_path / "home", limiter=allowed) as acme, acme.agent() as agent:

        async def passes(seconds: float) -> None:
            acme.advance(seconds=seconds)

        stand_in = SimpleNamespace(sleep=passes, CancelScope=anyio.CancelScope)
        monkeypatch.setattr("loaner.limits.limiter.anyio", stand_in)
        issue = WEB | {"issue_number": 1}
        assert not (await acme.call(agent, "github_issue_read", issue)).is_error
        acme.advance(seconds=45)
        assert not (await agent.call_tool("github_issue_read", issue)).is_error
        first, second = await acme.records(outcome="ok")
        assert (first.get("rung"), second["rung"]) == (None, "waited")


class Door:
    """Counts what arrives at the sandbox, in front of its faults."""

    def __init__(self, built: Town, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths: list[str] = []
        faults = built.running.sandbox.faults
        take = faults.take

        def counted(provider: str, path: str, kinds: Any = None) -> Any:
            if kinds is None and path.startswith(("/github/api/repos", "/slack/api/chat", "/linear/api/graphql")):
                self.paths.append(path)
            return take(provider, path, kinds)

        monkeypatch.setattr(faults, "take", counted)


async def test_a_read_is_tried_three_times_under_one_key(acme: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """MUST 50."""
    issues = WEB
    monkeypatch.setattr("loaner.provider_call.retrying.WITHIN", 60)  # the last attempt may begin late on a busy machine
    async with acme.agent() as agent:
        await acme.call(agent, "github_list_issues", issues)
        await acme.settled()
        door, before, owed = Door(acme, monkeypatch), len(acme.ledger(kind="scoped")), list[dict[str, int]]()
        names = lambda _, spent: owed.append({rate_limit.name: amount for rate_limit, amount in spent})  # noqa: E731
        monkeypatch.setattr(acme.loaner.limiter, "owe", names)
        acme.fault("github", "status:503", path="/api/repos/", count=2)
        assert not (await agent.call_tool("github_list_issues", issues)).is_error
        assert len(door.paths) == 3
        assert len(acme.ledger(kind="scoped")) == before + 1
        (record,) = (await acme.records(tool="github_list_issues", outcome="ok"))[1:]
        assert record["used"] == 3
        assert owed == [{"requests": 1}, {"requests": 1}], "what was tried again counts as well"

        door.paths.clear()
        acme.fault("github", "status:503", path="/api/repos/")
        assert error_of(await agent.call_tool("github_list_issues", issues))["code"] == "provider_unavailable"
        assert len(door.paths) == 3


async def test_a_long_wait_is_the_agents_to_decide_and_holds_the_next_call(
    acme: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with acme.agent() as agent:
        await acme.call(agent, "github_list_issues", WEB)
        door = Door(acme, monkeypatch)
        acme.fault("github", "rate_limit", path="/api/repos/", count=1)
        assert error_of(await agent.call_tool("github_list_issues", WEB))["retry_after"] == 60
        assert len(door.paths) == 1
        held = await agent.call_tool("github_list_issues", WEB)
        assert error_of(held)["code"] == "rate_limited"
        assert "held back by loaner" in text_of(held)
        assert len(door.paths) == 1, "GitHub was not asked again"
        acme.advance(seconds=62)
        assert not (await agent.call_tool("github_list_issues", WEB)).is_error


@pytest.mark.parametrize(
    ("provider", "tool", "given", "path"),
    [
        ("github", "github_issue_create", WEB | {"title": "x"}, "/api/repos/"),
        ("slack", "slack_send_message", {"channel": "#releases", "text": "x"}, "/api/chat"),
        ("linear", "linear_create_comment", {"issueId": "ENG-1", "body": "x"}, "/api/graphql"),
    ],
)
@pytest.mark.parametrize("kind", ["status:503", "half_close", "rate_limit"])
async def test_a_write_is_sent_once_whatever_happens(
    acme: Town, monkeypatch: pytest.MonkeyPatch, provider: str, tool: str, given: dict[str, Any], path: str, kind: str
) -> None:
    """MUST 50."""
    async with acme.agent() as agent:
        asked = await agent.call_tool(tool, given)
        assert (await acme.decide(asked)).state == "approved"
        door = Door(acme, monkeypatch)
        acme.fault(provider, kind, path=path)
        failed = error_of(await agent.call_tool(tool, given))
    assert failed["code"] == {"rate_limit": "rate_limited"}.get(kind, "outcome_unknown")
    assert len(door.paths) == 1


async def test_not_even_the_reading_step_of_a_write_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    branch = WEB | {"branch": "topic", "from_branch": "main"}
    async with town(tmp_path / "home", tools={"toolsets": ("all",)}) as acme, acme.agent() as agent:
        asked = await agent.call_tool("github_create_branch", branch)
        assert (await acme.decide(asked)).state == "approved"
        door = Door(acme, monkeypatch)
        acme.fault("github", "status:503", path="/git/ref/")
        assert error_of(await agent.call_tool("github_create_branch", branch))["code"] == "provider_unavailable"
        assert len(door.paths) == 1
