"""What agents and people meet after a restore: nothing that was used, stopped or renewed since the backup counts."""

from __future__ import annotations

from typing import Any

import pytest

from journeys.test_host_tasks import COMMENT, HOST, WRITES, signed
from journeys.test_host_tasks import agent as hosted_agent
from journeys.town import Town, error_of
from maintenance.operator_parts import Operator, until
from test_task_tokens import pem

MESSAGE = {"channel": "#releases", "text": "v1.4.0 is out"}
OTHER = {"channel": "#releases", "text": "v1.4.1 is out"}
ISSUE = {"owner": "acme", "repo": "web", "issue_number": 1}


def alive(town: Town, provider: str) -> list[str]:
    """The kinds of tokens that the provider would still take."""
    ledger = town.running.sandbox.ledger
    return [entry.kind for entry in ledger if entry.provider == provider and ledger.is_alive(entry)]


def posts(town: Town) -> int:
    uses = [use for entry in town.ledger(provider="slack") for use in entry["uses"]]
    return sum("chat.postMessage" in use["path"] for use in uses)


async def test_a_one_time_approval_that_was_used_after_the_backup_serves_no_second_call(operator: Operator) -> None:
    async with operator.server() as town, town.agent() as agent:
        assert not (await town.call(agent, "slack_send_message", OTHER)).is_error  # connects the account
        asked = await agent.call_tool("slack_send_message", MESSAGE)
        await town.decide(asked)
        await operator.backs_up()
        assert not (await agent.call_tool("slack_send_message", MESSAGE)).is_error
    told = await operator.restores()
    assert told["voided"]["approvals"] == 1
    await operator.resumes()
    async with operator.server() as town, town.agent() as agent:
        again = await agent.call_tool("slack_send_message", MESSAGE)
        assert error_of(again)["code"] == "consent_required"
        assert posts(town) == 2, "each message once"


async def test_everything_is_blocked_until_a_person_resumes(operator: Operator) -> None:
    async with operator.server() as town, town.agent() as agent:
        assert not (await town.call(agent, "github_issue_read", ISSUE)).is_error
        await operator.backs_up()
    await operator.restores()
    async with operator.server() as town, town.agent() as agent:
        refused = error_of(await agent.call_tool("github_issue_read", ISSUE))
        assert (refused["code"], refused["rule"]) == ("policy_denied", "block")
        assert "loaner resume --all-tokens" in refused["do"]
        await operator.resumes()
        assert not (await town.call(agent, "github_issue_read", ISSUE)).is_error, "agreed to again, on the same grant"


async def test_a_block_that_was_set_after_the_backup_stands(operator: Operator) -> None:
    async with operator.server() as town, town.agent() as agent:
        assert not (await town.call(agent, "github_issue_read", ISSUE)).is_error
        await operator.backs_up()
    await operator.type("revoke", "--agent", "test-agent", "--yes")
    told = await operator.restores()
    assert told["blocks"] == [{"kind": "agent", "value": "test-agent"}]
    await operator.resumes()
    async with operator.server() as town, town.agent() as agent:
        refused = error_of(await agent.call_tool("github_issue_read", ISSUE))
        assert (refused["code"], refused["rule"]) == ("policy_denied", "block")


async def test_tokens_that_were_renewed_after_the_backup_are_taken_over(operator: Operator) -> None:
    async with operator.server() as town, town.agent() as agent:
        assert not (await town.call(agent, "github_issue_read", ISSUE)).is_error
        await operator.backs_up()
        town.advance(hours=9)
    async with operator.server() as town, town.agent() as agent:
        assert not (await town.call(agent, "github_issue_read", ISSUE)).is_error, "on a renewed token"
    told = await operator.restores()
    [moved] = told["grants"]
    assert (moved["provider"], "newer tokens were taken over" in moved["how"]) == ("github", True)
    await operator.resumes()
    async with operator.server() as town, town.agent() as agent:
        assert not (await town.call(agent, "github_issue_read", ISSUE)).is_error
        await town.settled()
        assert await town.open_loans() == []


async def test_where_the_replaced_store_is_lost_what_may_be_alive_is_listed(operator: Operator) -> None:
    async with operator.server() as town, town.agent() as agent:
        assert not (await town.call(agent, "github_issue_read", ISSUE)).is_error
        await town.settled()
        await operator.backs_up()
        town.advance(hours=9)
    async with operator.server() as town, town.agent() as agent:
        assert not (await town.call(agent, "github_issue_read", ISSUE)).is_error, "on a renewed token"
    operator.loses_the_store()
    told = await operator.restores()
    assert told["unread"] == ["blocks", "loans", "grants", "passkeys"]
    assert [one["provider"] for one in told["grants"]] == ["github"]
    assert {one["resource"] for one in told["loans"]} == {"account:alice"}
    await operator.resumes()
    async with operator.server() as town, town.agent() as agent:
        refused = error_of(await agent.call_tool("github_issue_read", ISSUE))
        assert refused["code"] in {"grant_broken", "consent_required"}, "the backup's refresh token was used since"
        assert any("refresh" in kind for kind in alive(town, "github"))
        assert {loan.style for loan in await town.open_loans()} >= {"pair"}, "so the newer pair stays listed"


async def test_a_renewal_that_works_closes_what_was_listed_in_case_it_had_moved_on(operator: Operator) -> None:
    async with operator.server() as town, town.agent() as agent:
        assert not (await town.call(agent, "github_issue_read", ISSUE)).is_error
        await operator.backs_up()
    operator.loses_the_store()
    await operator.restores()
    await operator.resumes()
    operator.running.sandbox.clock.advance(9 * 3600)
    async with operator.server() as town, town.agent() as agent:
        assert [loan.style for loan in await town.open_loans()].count("pair") == 1
        assert not (await town.call(agent, "github_issue_read", ISSUE)).is_error
        await town.settled()
        assert [loan.style for loan in await town.open_loans()].count("pair") == 0


async def test_an_account_that_was_connected_after_the_backup_is_ended(operator: Operator) -> None:
    async with operator.server() as town, town.agent() as agent:
        await operator.backs_up()
        assert not (await town.call(agent, "linear_list_teams", {})).is_error
        assert alive(town, "linear")
    told = await operator.restores()
    assert "connected after the backup" in told["grants"][0]["how"]
    async with operator.server() as town:

        async def ended() -> bool:
            return [kind for kind in alive(town, "linear") if "refresh" not in kind] == []

        await until(ended)


async def test_a_loan_that_was_not_returned_yet_is_carried_over_and_ended(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with operator.server() as town, town.agent() as agent:
        assert not (await town.call(agent, "github_issue_read", ISSUE)).is_error
        await town.settled()
        await operator.backs_up()
        store, write, minted = town.loaner.store, town.loaner.store.write, len(town.ledger(kind="scoped"))

        async def stored(work: Any) -> Any:
            if len(town.ledger(kind="scoped")) > minted:
                town.fault("github", "status:503", path="/api/applications/")
            return await write(work)

        monkeypatch.setattr(store, "write", stored)
        assert not (await town.call(agent, "github_issue_read", ISSUE)).is_error
        await town.settled()
        [open_loan] = await town.open_loans()
    told = await operator.restores()
    assert [loan["resource"] for loan in told["loans"]] == [open_loan.resource]
    operator.running.sandbox.faults.clear()
    async with operator.server() as town:
        town.advance(minutes=10)
        await town.loaner.revocations.sweep()
        await town.settled()
        assert await town.open_loans() == []
        [entry] = town.ledger(provider="github", fingerprint=open_loan.fingerprint)
        assert entry["revoked_at"] is not None


@pytest.mark.parametrize("times", [1, 2])
async def test_what_waited_for_a_person_is_over_however_often_it_is_restored(operator: Operator, times: int) -> None:
    async with operator.server() as town, town.agent() as agent:
        asked = await agent.call_tool("github_issue_read", ISSUE)
        await operator.backs_up()
    for _ in range(times):
        told = await operator.restores()
    assert told["voided"]["questions"] == 1
    await operator.resumes()
    async with operator.server() as town, town.agent() as agent:
        told_once = error_of(await agent.call_tool("github_issue_read", ISSUE))
        assert "stopped by loaner restore" in told_once["message"]
        again = await agent.call_tool("github_issue_read", ISSUE)
        assert error_of(again)["code"] == "consent_required"
        assert error_of(again)["url"].rpartition("/")[2] != error_of(asked)["url"].rpartition("/")[2], "asked anew"


async def test_a_task_that_a_host_signed_before_the_restore_is_not_begun_anew(operator: Operator) -> None:
    """How much of it was used after the backup is forgotten, and the token is still valid."""
    here = "https://loaner.example/tasks"
    issuers = [{"issuer": HOST, "public_key": pem("host"), "agrees": True, "audience": here}]
    async with operator.server(task_issuers=issuers) as town:
        async with town.agent() as person:
            assert not (await town.call(person, "github_issue_read", ISSUE)).is_error  # connects the account
        await operator.backs_up()
        task = signed(town, aud=here, authorization_details=[WRITES | {"locations": [here]}])
        async with hosted_agent(town, task) as agent:
            assert not (await agent.call_tool("github_add_issue_comment", COMMENT)).is_error
            over = error_of(await agent.call_tool("github_add_issue_comment", COMMENT))
            assert over["code"] == "policy_denied", "it allows one"
    await operator.restores()
    await operator.resumes()
    async with operator.server(task_issuers=issuers) as town:
        async with hosted_agent(town, task) as agent:
            refused = error_of(await agent.call_tool("github_add_issue_comment", COMMENT))
            assert (refused["code"], "before loaner's store was restored" in refused["message"]) == (
                "policy_denied",
                True,
            )
        task = signed(town, aud=here, authorization_details=[WRITES | {"locations": [here]}], iat=now_of(town) + 1)
        async with hosted_agent(town, task) as agent:
            assert not (await agent.call_tool("github_add_issue_comment", COMMENT)).is_error, "one that is new"


def now_of(town: Town) -> int:
    return int(town.loaner.now().timestamp())
