"""When blocked, nothing is asked of a provider any more: no refresh before the mint, and no second mint after it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from journeys.town import Town, error_of
from loaner.blocks import blocks
from loaner.blocks.blocks import Block
from loaner.identity.caller import Agent, Caller, Subject
from loaner.lending.loan import Minted, MintRequest
from loaner.lending.styles.down_scoped import DownScoped
from loaner.provider_call import Answer
from loaner.store.tables import grants

COMMENT = {"owner": "acme", "repo": "web", "issue_number": 1, "body": "From a test"}
ISSUE = {"owner": "acme", "repo": "web", "issue_number": 1}
OPERATOR = Caller(Subject("local", "olga"), Agent("loaner revoke", "loaner"), "sandbox", "here", "olga")


async def stopped(town: Town) -> None:
    """Another process stops the agent."""
    block = Block("agent", "test-agent", "olga", town.loaner.now())
    await town.loaner.store.write(lambda c: blocks.put_block(c, block))


def mints(town: Town, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How the provider answers each mint from now on; meanwhile the agent is stopped."""
    exchange, statuses = town.loaner.transport.exchange, list[int]()

    async def overtaken(method: str, url: str, **named: Any) -> Answer:
        answer = await exchange(method, url, **named)
        if url.endswith("/token/scoped"):
            statuses.append(answer.status)
            await stopped(town)
        return answer

    monkeypatch.setattr(town.loaner.transport, "exchange", overtaken)
    return statuses


@pytest.mark.parametrize("tool", ["github_get_me", "linear_list_teams"])
async def test_no_grant_is_refreshed_for_an_agent_that_is_stopped(linked: Town, tool: str) -> None:
    past = update(grants).values(expires_at=linked.loaner.now())
    await linked.loaner.store.write(lambda c: c.execute(past) and None)
    before = linked.ledger()
    await linked.loaner.stopper.stop("agent", "test-agent", OPERATOR)
    async with linked.agent() as agent:
        assert error_of(await agent.call_tool(tool, {}))["rule"] == "block"
    assert [one for one in linked.ledger() if one["provider"] != "idp"] == [
        one for one in before if one["provider"] != "idp"
    ]
    async with linked.agent(name="another-agent") as agent:
        assert not (await agent.call_tool(tool, {})).is_error


async def test_a_mint_that_is_not_honoured_is_not_repeated_behind_a_block(
    linked: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked.fault("github", "status:404", path="/token", count=2)  # the mint, and the check of the grant
    users, statuses = len(linked.ledger(provider="github", kind="user")), mints(linked, monkeypatch)
    async with linked.agent() as agent:
        assert error_of(await agent.call_tool("github_issue_read", ISSUE))["rule"] == "block"
    assert statuses == [404]
    assert len(linked.ledger(provider="github", kind="user")) == users, "nor is the grant renewed for it"
    assert await linked.open_loans() == []


async def test_a_grant_that_was_renewed_meanwhile_mints_nothing_behind_a_block(
    linked: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked.fault("github", "status:404", path="/token", count=2)  # the mint, and the check of the grant
    refresher, asked = linked.loaner.lender.refresher, list[MintRequest]()
    renewed, mint = refresher.renewed, DownScoped.mint

    async def overtaken(*about: Any) -> Any:
        done = await renewed(*about)
        await stopped(linked)
        return done

    async def counted(style: DownScoped, ask: MintRequest) -> Minted:
        asked.append(ask)
        return await mint(style, ask)

    monkeypatch.setattr(refresher, "renewed", overtaken)
    monkeypatch.setattr(DownScoped, "mint", counted)
    async with linked.agent() as agent:
        assert error_of(await agent.call_tool("github_issue_read", ISSUE))["rule"] == "block"
    assert len(asked) == 1
    assert await linked.open_loans() == []


async def test_no_other_permission_is_tried_behind_a_block(linked: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    async with linked.agent() as agent:
        asked = await agent.call_tool("github_add_issue_comment", COMMENT)
        assert (await linked.decide(asked)).state == "approved"
        linked.fault("github", "status:422", path="/token/scoped", count=1)
        statuses = mints(linked, monkeypatch)
        assert error_of(await agent.call_tool("github_add_issue_comment", COMMENT))["rule"] == "block"
    assert statuses == [422]
    assert await linked.open_loans() == []
