"""Where the providers' documents leave a behaviour open, the life of a call holds whichever way it is.

One town for all; each life begins with nothing connected and ends with everything revoked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import fields
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town
from loaner.identity.caller import Subject
from loaner.sandbox.switches import Switches

READS: dict[str, tuple[str, dict[str, Any]]] = {
    "github": ("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1}),
    "slack": ("slack_read_channel", {"channel": "C0SBX000002"}),
    "linear": ("linear_get_issue", {"id": "ENG-1"}),
}
WRITES: dict[str, tuple[str, dict[str, Any]]] = {
    "github": ("github_add_issue_comment", {"owner": "acme", "repo": "web", "issue_number": 1, "body": "Text"}),
    "slack": ("slack_send_message", {"channel": "#releases", "text": "Text"}),
    "linear": ("linear_update_issue", {"id": "ENG-1", "title": "Other"}),
}

WAYS: dict[str, tuple[Any, ...]] = {
    "github_token_ceiling": (False, True),
    "github_device_interval": (1, 2),
    "github_expired_token_word": ("expired_token", "token_expired"),
    "github_hourly_limit": (5000, 15000),
    "github_stateless_installation_tokens": (True, False),
    "github_unknown_target_status": (422, 404),
    "github_first_use_status": (0, 401, 403),
    "github_former_names_mint": (False, True),
    "github_installations": ("acme", "alice,bigcorp,acme"),
    "github_suspended": ("", "bigcorp"),
    "github_not_accepted": ("", "acme:checks,bigcorp:issues"),
    "github_sso_left_out": (False, True),
    "github_inline_bytes": (1_000_000, 100),
    "github_largest_blob": (100_000_000, 10_000_000),
    "github_incomplete_search": (False, True),
    "slack_rotation": (True, False),
    "slack_scopes_accumulate": (False, True),
    "slack_granted_wider": (False, True),
    "slack_user_access_shape": ("both", "flat", "nested"),
    "slack_refresh_grace_seconds": (0, 60),
    "slack_public_app": (False, True),
    "slack_reads_accept_json": (False, True),
    "slack_found_people_flat": (False, True),
    "slack_tier_multiplier": (20, 1),
    "slack_posting_limit": (False, True),
    "linear_refresh_ends_access": (True, False),
    "linear_revoke_ends_authorization": (False, True),
    "linear_remembers_consent": (False, True),
    "linear_code_seconds": (600, 60),
    "linear_issues_create_updates": (False, True),
    "linear_forbidden_status": (200, 403),
    "linear_input_error_status": (200, 400),
    "linear_ratelimit_status": (400, 200),
    "linear_requests_per_hour": (5000, 1200),
    "linear_complexity_per_hour": (2_000_000, 200_000),
}


def alice(acme: Town) -> str:
    identity = acme.loaner.settings.identity
    assert identity
    return Subject(identity.issuer, "user-alice").key


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("switches"), tools={"toolsets": ("all",)}) as built:
        yield built


@pytest.fixture
async def switches(acme: Town) -> AsyncIterator[Switches]:
    """The town's switches, put back afterwards; and nothing connected, nothing asked and no limit spent."""
    before = acme.running.sandbox.switches.as_json()
    yield acme.running.sandbox.switches
    acme.running.sandbox.switches.update(before)
    for grant in await acme.loaner.grants.all_of(alice(acme)):
        await acme.loaner.stopper.end_grant(grant.id)
    acme.advance(hours=2)


def test_no_switch_is_left_out() -> None:
    # The sandbox's issuer is no provider: tests/sandbox/test_idp_clients.py has its switch both ways.
    assert set(WAYS) == {each.name for each in fields(Switches)} - {"idp_https_redirects"}
    assert all(len(ways) > 1 for ways in WAYS.values())
    usual = Switches(github_device_interval=1).as_json()  # the town does not wait five seconds
    assert usual == {switch: ways[0] for switch, ways in WAYS.items()} | {"idp_https_redirects": False}


# The first way of every switch is how the sandbox is when nobody turns any: one life for each provider shows them all.
LIVES = [("github_device_interval", 1), ("slack_rotation", True), ("linear_refresh_ends_access", True)]
LIVES += [(switch, way) for switch, ways in WAYS.items() for way in ways[1:]]


@pytest.mark.parametrize(("switch", "way"), LIVES)
async def test_the_life_of_a_call_holds_either_way(acme: Town, switches: Switches, switch: str, way: Any) -> None:
    provider = switch.partition("_")[0]
    before = {entry["fingerprint"] for entry in acme.ledger(provider=provider)}
    switches.update({switch: way})
    read, write = READS[provider], WRITES[provider]

    name = f"{switch}-{way}"  # another agent each time, so that no question of one life is open in the next

    async with acme.agent(name=name) as agent:  # consent, call
        asked = await agent.call_tool(*read)
        assert error_of(asked)["code"] == "consent_required"
        assert (await acme.decide(asked)).state == "approved"
        for tool, given in (read, write, read):
            answer = await acme.call(agent, tool, given)
            assert not answer.is_error, text_of(answer)
    acme.advance(hours=25)  # every access token is past its time: the next call refreshes
    async with acme.agent(name=name) as agent:
        for tool, given in (read, write):  # each on its own grant, where the provider cannot narrow
            answer = await acme.call(agent, tool, given)
            assert not answer.is_error, text_of(answer)
    await acme.settled()
    assert await acme.open_loans() == []  # return
    if provider == "github":
        alive = [
            e for e in acme.running.sandbox.ledger if e.kind == "scoped" and acme.running.sandbox.ledger.is_alive(e)
        ]
        assert alive == []

    subject = alice(acme)
    grants = await acme.loaner.grants.all_of(subject)  # revoke
    assert {grant.provider for grant in grants} == {provider}
    for grant in grants:
        ended = await acme.loaner.stopper.end_grant(grant.id)
        # Slack ends no refresh token, so that one of a rotating app stays listed.
        sure = provider != "slack" or not acme.running.sandbox.switches.slack_rotation
        assert ended.confirmed is sure, (
            ended.how
        )  # also where the access token was past its time and had to be renewed first
    assert await acme.loaner.grants.all_of(subject) == []
    for entry in acme.ledger(provider=provider):
        if entry["fingerprint"] not in before and entry["kind"] in {"user", "scoped"}:
            assert (await acme.replay(entry["fingerprint"]))["refused"], entry
    async with acme.agent(name=name) as agent:
        assert error_of(await agent.call_tool(*read))["code"] == "consent_required"


@pytest.mark.parametrize("way", WAYS["linear_ratelimit_status"])
async def test_linears_limit_is_understood_with_either_status(acme: Town, switches: Switches, way: int) -> None:
    async with acme.agent(name=f"limited-{way}") as agent:
        answer = await acme.call(agent, *READS["linear"])
        assert not answer.is_error, text_of(answer)
        switches.update({"linear_ratelimit_status": way, "linear_requests_per_hour": 1})
        codes = {
            error_of(answer)["code"] for _ in range(2) if (answer := await agent.call_tool(*READS["linear"])).is_error
        }
    assert codes == {"rate_limited"}
    acme.advance(hours=26)  # longer than any provider is believed to ask for
