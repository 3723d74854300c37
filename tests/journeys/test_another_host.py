"""A grant is of the host that issued it: whoever puts a provider elsewhere neither uses it nor ends it."""

from __future__ import annotations

from pathlib import Path

from journeys.town import Town, error_of, providers, standing
from loaner.grants.grants import Grant

READ = ("slack_list_channels", {})
ISSUE = ("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1})


async def grants(town: Town) -> dict[str, Grant]:
    return {grant.provider: grant for grant in await town.loaner.grants.everybodys()}


async def test_nothing_of_one_host_is_sent_to_another(tmp_path: Path) -> None:
    """MUST 44."""
    async with providers(tmp_path / "one") as one, providers(tmp_path / "other") as other:
        async with standing(tmp_path, one) as town, town.agent() as agent:
            for call in (READ, ISSUE):
                assert not (await town.call(agent, *call)).is_error
            issued = await grants(town)

        async with standing(tmp_path, other) as town:
            async with town.agent() as agent:
                for call in (READ, ISSUE):
                    assert error_of(await agent.call_tool(*call))["code"] == "consent_required"
            assert await grants(town) == issued
            town.advance(days=100)
            assert await town.loaner.idle.block() == 0, "it is not that host's to say that nobody uses it"
            assert town.ledger() == []

        async with standing(tmp_path, one) as town, town.agent() as agent:
            for call in (READ, ISSUE):
                assert not (await agent.call_tool(*call)).is_error, "nobody is asked again"


async def test_a_revoke_before_another_host_waits_for_its_own(tmp_path: Path) -> None:
    """MUST 44."""
    async with providers(tmp_path / "one") as one, providers(tmp_path / "other") as other:
        async with standing(tmp_path, one) as town, town.agent() as agent:
            assert not (await town.call(agent, *ISSUE)).is_error
            (grant,) = (await grants(town)).values()

        async with standing(tmp_path, other) as town:
            ended = await town.loaner.stopper.end_grant(grant.id)
            assert not ended.confirmed
            assert f"the grant is of {grant.place}" in ended.how
            assert "Start loaner with hosts.github as it was" in ended.how
            assert town.ledger() == []
        assert [token.kind for token in one.sandbox.ledger if not token.revoked_at] != []

        async with standing(tmp_path, one) as town:
            town.advance(minutes=1)
            assert [done.confirmed for done in await town.loaner.stopper.finish()] == [True]
            assert town.ledger(revoked_at=None) == []


async def test_the_same_account_number_elsewhere_is_another_account(tmp_path: Path) -> None:
    async with providers(tmp_path / "one") as one, providers(tmp_path / "other") as other:
        async with standing(tmp_path, one) as town, town.agent("alice") as agent:
            assert not (await town.call(agent, *ISSUE)).is_error
        async with standing(tmp_path, other) as town, town.agent("bob") as agent:
            asked = await agent.call_tool(*ISSUE)
            assert (await town.decide(asked, user="alice")).state != "approved", "bob's question is bob's"
            assert (await town.decide(asked, user="bob")).state == "approved"
