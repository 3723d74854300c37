"""Revoke: blocked first, then quiet, then ended at the provider and tried to be dead (MUST 36, 37)."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from journeys.town import Town, error_of
from loaner.blocks import blocks
from loaner.blocks.blocks import Block
from loaner.identity.caller import Agent, Caller, Subject
from loaner.lending.loan import Minted, MintRequest
from loaner.lending.styles.down_scoped import DownScoped
from loaner.store.tables import approvals, consents

ISSUE = {"owner": "acme", "repo": "web", "issue_number": 1}
TITLE = {"owner": "acme", "repo": "web", "title": "From a test"}
MESSAGE = {"channel": "#releases", "text": "v1.4.0 is out"}
OPERATOR = Caller(Subject("local", "olga"), Agent("loaner revoke", "loaner"), "development", "here", "olga")


@pytest.fixture
async def linked(acme: Town) -> Town:
    """A town where alice has connected GitHub."""
    async with acme.agent() as agent:
        assert not (await acme.call(agent, "github_get_me", {})).is_error
    await acme.settled()
    return acme


def alive(town: Town, user: str = "") -> list[str]:
    ledger = town.running.sandbox.ledger
    found = [entry for entry in ledger if entry.provider != "idp" and ledger.is_alive(entry)]
    return [f"{entry.provider} {entry.kind}" for entry in found if user in entry.subject]


async def refused(town: Town, user: str = "alice", name: str = "test-agent") -> dict[str, Any] | None:
    async with town.agent(user, name) as agent:
        answer = await agent.call_tool("github_issue_read", ISSUE)
    return error_of(answer) if answer.is_error else None


async def test_everything_is_dead_at_every_provider_and_each_was_tried(linked: Town) -> None:
    async with linked.agent() as agent:
        assert not (await linked.call(agent, "slack_send_message", MESSAGE)).is_error
        assert not (await linked.call(agent, "linear_list_teams", {})).is_error
    await linked.settled()
    stopped = await linked.loaner.stopper.stop("all", "", OPERATOR)
    assert [(one.grant.provider, one.confirmed) for one in stopped.grants] == [
        ("github", True),
        ("linear", True),
        ("slack", False),
    ]
    told = {one.grant.provider: one for one in stopped.grants}
    assert "has no request that ends its refresh token" in told["slack"].how
    assert (told["slack"].ends_at, stopped.confirmed) == (None, False), "no end of it is known"
    assert [one for one in alive(linked) if "refresh" not in one] == []


async def test_a_call_behind_a_block_is_told_the_rule_and_whom_to_ask(linked: Town) -> None:
    await linked.loaner.stopper.stop("user", "user-alice", OPERATOR)
    error = await refused(linked)
    assert error
    assert (error["code"], error["rule"]) == ("policy_denied", "block")
    assert "olga" in error["do"]
    assert "loaner resume --user user-alice" in error["do"]
    bobs = await refused(linked, "bob")
    assert bobs
    assert bobs["code"] == "consent_required", "another person is asked as ever"


async def test_resuming_lets_a_person_be_asked_again_and_no_more(linked: Town) -> None:
    stopper = linked.loaner.stopper
    await stopper.stop("user", "user-alice", OPERATOR)
    assert [block.kind for block in await stopper.standing()] == ["user"]
    assert await stopper.resume("user", "user-alice", OPERATOR)
    assert not await stopper.resume("user", "user-alice", OPERATOR)
    error = await refused(linked)
    assert error
    assert error["code"] == "consent_required", "a revoked grant does not come back"


async def test_stopping_an_agent_leaves_the_persons_other_agents_their_grant(linked: Town) -> None:
    stopped = await linked.loaner.stopper.stop("agent", "test-agent", OPERATOR)
    assert stopped.grants == []
    error = await refused(linked)
    assert error
    assert error["rule"] == "block"
    assert await refused(linked, name="another-agent") is None


@pytest.mark.parametrize("kind", ["connector", "environment"])
async def test_a_connector_and_an_environment_can_be_stopped(linked: Town, kind: Any) -> None:
    value = getattr((await linked.loaner.grants.everybodys())[0], kind)
    stopped = await linked.loaner.stopper.stop(kind, value, OPERATOR)
    assert stopped.confirmed
    assert len(stopped.grants) == 1
    error = await refused(linked)
    assert error
    assert error["rule"] == "block"


async def test_what_a_person_had_said_yes_to_or_was_asked_ends_too(linked: Town) -> None:
    async with linked.agent() as agent:
        approved = await agent.call_tool("github_issue_create", TITLE)
        assert (await linked.decide(approved)).state == "approved"
        asked = await agent.call_tool("github_issue_create", TITLE | {"title": "Another"})
        assert error_of(asked)["code"] == "consent_required"
        stopped = await linked.loaner.stopper.stop("user", "user-alice", OPERATOR)
        assert (stopped.approvals, stopped.questions) == (2, 1), "of the write, and of what was connected to be read"
        again = await agent.call_tool("github_issue_create", TITLE | {"title": "A third"})
        assert error_of(again)["rule"] == "block", "nobody is asked when blocked"
    rows = await linked.loaner.store.read(lambda c: c.execute(approvals.select()).all())
    assert all(row.ended_at for row in rows if "user-alice" in row.subject)
    rows = await linked.loaner.store.read(lambda c: c.execute(consents.select()).all())
    assert {row.state for row in rows} == {"approved", "failed"}


async def test_a_call_under_way_is_cancelled_and_its_key_given_back(linked: Town) -> None:
    """The agent is told; a read may be repeated, so it is only refused."""
    linked.fault("github", "hang", path="/api/repos/")
    told: list[dict[str, Any]] = []

    async def call() -> None:
        async with linked.agent() as agent:
            told.append(error_of(await agent.call_tool("github_issue_read", ISSUE)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await lent(linked)
        stopped = await linked.loaner.stopper.stop("user", "user-alice", OPERATOR)
    assert stopped.cancelled == 1
    assert stopped.took < 5
    assert [loan.confirmed for loan in stopped.loans] == [True]
    assert told[0]["rule"] == "block"
    assert alive(linked, "alice") == []
    assert await linked.open_loans() == []


async def test_a_key_that_was_minted_while_another_process_put_a_block_up_goes_back_unused(
    linked: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await refused(linked) is None
    mint = DownScoped.mint

    async def overtaken(style: DownScoped, ask: MintRequest) -> Minted:
        minted = await mint(style, ask)
        block = Block("user", "user-alice", "olga", linked.loaner.now())
        await linked.loaner.store.write(lambda c: blocks.put_block(c, block))
        return minted

    monkeypatch.setattr(DownScoped, "mint", overtaken)
    before = {entry["fingerprint"] for entry in linked.ledger(kind="scoped")}
    error = await refused(linked)
    assert error
    assert error["rule"] == "block"
    await linked.settled()
    [key] = [entry for entry in linked.ledger(kind="scoped") if entry["fingerprint"] not in before]
    assert key["uses"] == []
    assert key["revoked_at"]
    assert await linked.open_loans() == []


async def test_a_write_that_was_cancelled_is_not_said_to_have_failed(linked: Town) -> None:
    told: list[dict[str, Any]] = []
    async with linked.agent() as agent:
        asked = await agent.call_tool("github_issue_create", TITLE)
        assert (await linked.decide(asked)).state == "approved"
        linked.fault("github", "hang", path="/api/repos/")

        async def call() -> None:
            told.append(error_of(await agent.call_tool("github_issue_create", TITLE)))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await lent(linked)
            await linked.loaner.stopper.stop("all", "", OPERATOR)
    assert told[0]["code"] == "outcome_unknown"
    assert "may have been carried out" in told[0]["message"]


async def lent(town: Town) -> None:
    """Wait until a call waits for its provider."""
    with anyio.fail_after(10):
        while not [loan for loan in await town.open_loans() if loan.state == "lent"]:  # noqa: ASYNC110 - a row
            await anyio.sleep(0.01)


async def test_what_a_provider_does_not_confirm_is_said_kept_and_tried_again(linked: Town) -> None:
    linked.fault("github", "status:503", path="/api/applications/")
    stopped = await linked.loaner.stopper.stop("user", "user-alice", OPERATOR)
    (ended,) = stopped.grants
    assert not ended.confirmed
    assert "still accepts it" in ended.how
    assert alive(linked, "alice") != []
    linked.running.sandbox.faults.clear("github")
    assert await linked.loaner.stopper.finish() == [], "not at once"
    linked.advance(minutes=1)
    (ended,) = await linked.loaner.stopper.finish()
    assert ended.confirmed
    assert alive(linked, "alice") == []
    assert await linked.loaner.stopper.finish() == []


async def test_a_key_that_nobody_ever_saw_stays_listed_and_holds_no_stop_up(linked: Town) -> None:
    linked.fault("github", "half_close", path="/token/scoped", count=1)
    error = await refused(linked)
    assert error
    assert error["code"] == "provider_unavailable"
    stopped = await linked.loaner.stopper.stop("user", "user-alice", OPERATOR)
    assert [loan.confirmed for loan in stopped.loans] == [False]
    assert [loan.fingerprint for loan in await linked.open_loans()] == [None]
    assert stopped.quiet_in < 5


async def test_a_grant_whose_token_has_expired_is_renewed_to_be_ended(linked: Town) -> None:
    """A provider ends a grant for a live token only; the renewed one is lent to nobody."""
    async with linked.agent() as agent:
        assert not (await linked.call(agent, "slack_send_message", MESSAGE)).is_error
        assert not (await linked.call(agent, "linear_list_teams", {})).is_error
    await linked.settled()
    linked.advance(hours=25)
    stopped = await linked.loaner.stopper.stop("user", "user-alice", OPERATOR)
    assert [(one.grant.provider, one.confirmed) for one in stopped.grants] == [
        ("github", True),
        ("linear", True),
        ("slack", False),  # it ends no refresh token
    ], [one.how for one in stopped.grants]
    assert [one for one in alive(linked, "alice") if "slack refresh" not in one] == []
    assert await linked.open_loans() == []
    error = await refused(linked)
    assert error
    assert error["rule"] == "block"


async def test_a_grant_that_its_provider_had_ended_is_said_to_be(linked: Town) -> None:
    ledger = linked.running.sandbox.ledger
    for entry in [entry for entry in ledger if entry.provider == "github"]:
        ledger.revoke(entry)
    linked.advance(hours=25)
    stopped = await linked.loaner.stopper.stop("all", "", OPERATOR)
    assert [(one.confirmed, "had ended it already" in one.how) for one in stopped.grants] == [(True, True)]


async def test_each_step_is_recorded_with_the_state_it_describes(linked: Town) -> None:
    await linked.loaner.stopper.stop("user", "user-alice", OPERATOR)
    await linked.loaner.stopper.resume("user", "user-alice", OPERATOR)
    (block,) = await linked.records(kind="revoke")
    assert (block["sub"], block["resource"]) == ("olga", "block:user user-alice")
    ended = await linked.records(kind="grant_ended", sub="user-alice")
    assert [one["returned_confirmed"] for one in ended] == [True]
    assert len(await linked.records(kind="resume")) == 1
