"""When credentials run low, identical reads of one task share a loan for a few seconds; and nobody else does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from journeys.town import Town, error_of, text_of, town
from loaner.identity.caller import Agent, Caller, Subject

ISSUE: dict[str, Any] = {"owner": "acme", "repo": "web", "issue_number": 1}
TRIAGE: dict[str, Any] = {
    "purpose": "triage issues",
    "operations": [
        {"tool": "github_issue_read", "count": 50},
        {"tool": "github_list_issues", "count": 50},
        {"tool": "github_add_issue_comment", "count": 50},
    ],
    "resources": ["acme/web", "acme/api"],
}
LOW = {"share_below": 1}
"""However much is left is little."""
OPERATOR = Caller(Subject("local", "olga"), Agent("loaner revoke", "loaner"), "sandbox", "here", "olga")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def short(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """A town where credentials are always short, and a shared one lives for longer than a test. Agents differ."""
    async with town(tmp_path_factory.mktemp("short"), limiter=LOW | {"share_seconds": 15}) as acme:
        yield acme


async def agreed(acme: Town, agent: Client, proposal: dict[str, Any] = TRIAGE) -> str:
    """A task that alice agreed to, and her account connected; which task."""
    asked = await agent.call_tool("loaner_propose_task", proposal)
    assert (await acme.decide(asked)).state == "approved"
    told = await agent.call_tool("loaner_propose_task", proposal)
    assert not (await acme.call(agent, "github_list_issues", {"owner": "acme", "repo": "web"})).is_error
    assert told.structured_content
    return str(told.structured_content["task"])


async def read(agent: Client, times: int = 1, tool: str = "github_issue_read", **other: Any) -> None:
    """So many identical calls at once."""
    given = {name: value for name, value in (ISSUE | other).items() if value is not None}

    async def one() -> None:
        answer = await agent.call_tool(tool, given)
        assert not answer.is_error, text_of(answer)

    async with anyio.create_task_group() as calls:
        for _ in range(times):
            calls.start_soon(one)


async def returned(acme: Town) -> None:
    with anyio.fail_after(20):
        while await acme.open_loans():  # noqa: ASYNC110 - a return rings no bell
            await anyio.sleep(0.02)
    await acme.settled()


def minted(acme: Town, permissions: str = "issues", **wanted: Any) -> list[dict[str, Any]]:
    return [one for one in acme.ledger(kind="scoped", **wanted) if permissions in one["permissions"]]


async def test_identical_reads_of_a_task_share_one_key_that_dies_by_itself(tmp_path: Path) -> None:
    async with town(tmp_path / "home", limiter=LOW | {"share_seconds": 8}) as acme, acme.agent() as agent:
        await agreed(acme, agent)
        await returned(acme)
        before = len(minted(acme))
        await read(agent, 8)
        await read(agent, 2, issue_number=2)  # another argument, and the same scope
        (key,) = minted(acme)[before:]
        assert (len(key["uses"]), key["revoked_at"]) == (20, None)  # an issue and its comments, each time
        await returned(acme)  # nobody comes any more
        assert (await acme.replay(key["fingerprint"]))["status"] == 401
        records = await acme.records(tool="github_issue_read", outcome="ok")
        assert len(records) == 10
        assert {(one["rung"], one["loan_id"], one["fingerprint"], one["returned_confirmed"]) for one in records} == {
            ("shared", records[0]["loan_id"], key["fingerprint"], True)
        }
        assert {limit["value"] for one in records for limit in one["limits"] if limit["what"] == "call"} == {
            "such reads of one task, for some seconds"
        }
        await read(agent)
        assert len(minted(acme)) == before + 2, "what is over is not taken up again"


async def test_sharing_begins_when_little_is_left(tmp_path: Path) -> None:
    eight = {"factor": 8 * 5 / 900, "share_seconds": 15}  # eight credentials; one flows back in seven seconds
    async with town(tmp_path / "home", limiter=eight) as acme, acme.agent() as agent:
        await agreed(acme, agent)
        await returned(acme)
        before = len(minted(acme))
        for _ in range(12):
            await read(agent)
        assert 3 <= len(minted(acme)) - before <= 8
        assert not (await agent.call_tool("loaner_end_task", {})).is_error
        await returned(acme)
        rungs = [record.get("rung") for record in await acme.records(tool="github_issue_read", outcome="ok")]
        own = rungs.count(None)
        assert own >= 2
        assert rungs == [None] * own + ["shared"] * (12 - own)


async def test_nothing_is_shared_outside_a_task(short: Town) -> None:
    """MUST 33: one call, one credential."""
    async with short.agent(name="free") as agent:
        assert not (await short.call(agent, "github_issue_read", ISSUE)).is_error
        before = len(minted(short))
        await read(agent, 3)
        assert len(minted(short)) == before + 3


async def test_nothing_is_shared_with_another_agent_or_person(short: Town) -> None:
    """MUST 33."""
    async with short.agent(name="one") as one, short.agent(name="two") as two, short.agent("bob", "one") as bobs:
        await agreed(short, one)
        await agreed(short, two)
        asked = await bobs.call_tool("loaner_propose_task", TRIAGE)
        assert (await short.decide(asked, user="bob")).state == "approved"
        assert not (await short.call(bobs, "github_issue_read", ISSUE, user="bob")).is_error
        before = len(minted(short))
        await read(bobs)
        assert len(minted(short)) == before, "his own is still out"
        await read(one)
        await read(two)
        assert len(minted(short)) == before + 2
        assert len({key["subject"] for key in minted(short)}) == 2


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"repo": "api"}, id="another resource"),
        pytest.param({"tool": "github_list_issues", "issue_number": None, "repo": "api"}, id="another tool"),
    ],
)
async def test_nothing_is_shared_across_resources_or_tools(short: Town, other: dict[str, Any]) -> None:
    async with short.agent(name="-".join(map(str, other.values()))) as agent:
        await agreed(short, agent)
        await read(agent)
        before = len(minted(short))
        await read(agent, **other)
        assert len(minted(short)) == before + 1


SEARCHING: dict[str, Any] = {
    "purpose": "find an outage",
    "operations": [{"tool": "github_search_issues", "count": 20}],
    "resources": ["repositories"],
}


async def test_nothing_is_shared_across_the_accounts_that_calls_name(short: Town) -> None:
    """MUST 33: a key is of one account, and a call about another gets another."""
    short.running.sandbox.switches.github_installations = "acme,bigcorp"
    async with short.agent(name="accounts") as agent:
        await agreed(short, agent, SEARCHING)
        for account in ("acme", "bigcorp", "acme"):
            given = {"q": "outage", "account": account}
            answer = await agent.call_tool("github_search_issues", given)
            assert not answer.is_error, text_of(answer)
            assert (answer.structured_content or {})["account"] == account
    short.running.sandbox.switches.github_installations = "acme"


async def test_a_write_has_a_key_of_its_own(short: Town) -> None:
    async with short.agent(name="writer") as agent:
        await agreed(short, agent)
        before = len(minted(short))
        await read(agent, 2, tool="github_add_issue_comment", body="Same.")
        assert len(minted(short)) == before + 2
        records = await short.records(tool="github_add_issue_comment", outcome="ok", agent="writer")
        assert [record.get("rung") for record in records] == [None, None]


async def test_the_end_of_the_task_is_the_end_of_its_key(short: Town) -> None:
    async with short.agent(name="ender") as agent:
        await agreed(short, agent)
        await read(agent, 2)
        key = minted(short)[-1]
        assert key["revoked_at"] is None
        assert not (await agent.call_tool("loaner_end_task", {})).is_error
        with anyio.fail_after(30):
            while (await short.replay(key["fingerprint"]))["status"] != 401:  # noqa: ASYNC110 - a return rings no bell
                await anyio.sleep(0.02)
        assert (await short.replay(key["fingerprint"]))["status"] == 401
        asked = await agent.call_tool("github_issue_create", {"owner": "acme", "repo": "web", "title": "x"})
        assert error_of(asked)["code"] == "consent_required"


async def test_a_block_ends_it_like_everything_else(short: Town) -> None:
    async with short.agent(name="blocked") as agent:
        await agreed(short, agent)
        await read(agent, 2)
        key = minted(short)[-1]
        stopped = await short.loaner.stopper.stop("agent", "blocked", OPERATOR)
        assert stopped.confirmed
        assert (await short.replay(key["fingerprint"]))["status"] == 401, "once stop has returned"
        assert [loan.confirmed for loan in stopped.loans] == [True] * len(stopped.loans)
        assert stopped.took < 3
        assert error_of(await agent.call_tool("github_issue_read", ISSUE))["rule"] == "block"
        assert {one["outcome"] for one in await short.records(tool="github_issue_read", agent="blocked")} == {
            "ok",
            "refused",
        }


async def test_a_key_of_an_earlier_grant_is_not_taken(short: Town) -> None:
    async with short.agent(name="renewed") as agent:
        await agreed(short, agent)
        await read(agent)
        before = len(minted(short))
        (grant,) = [one for one in await short.loaner.grants.everybodys() if one.subject.endswith("alice")]
        provider, connector = short.loaner.catalog.providers["github"], short.loaner.connectors.named("github")
        await short.loaner.lender.refresher.renewed(grant, provider, connector)
        await read(agent)
        assert len(minted(short)) == before + 1


async def test_a_call_that_fails_ends_the_sharing(short: Town) -> None:
    async with short.agent(name="failing") as agent:
        await agreed(short, agent)
        await read(agent)
        missing = await agent.call_tool("github_issue_read", ISSUE | {"issue_number": 404})
        assert error_of(missing)["code"] == "not_found"
        before = len(minted(short))
        await read(agent)
        assert len(minted(short)) == before + 1


async def test_a_server_that_stops_gives_it_back(tmp_path: Path) -> None:
    async with town(tmp_path / "home", limiter=LOW | {"share_seconds": 15}) as acme:
        async with acme.agent() as agent:
            await agreed(acme, agent)
            await read(agent, 2)
        key = minted(acme)[-1]
        assert key["revoked_at"] is None
        ledger = acme.running.sandbox.ledger
    assert all(entry.revoked_at for entry in ledger if entry.kind == "scoped")
