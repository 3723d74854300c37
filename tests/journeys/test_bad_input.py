"""Bad input at the door: one clear error each, nothing sent, no secret repeated, and a record of what was refused.

MUST 13: unknown names, wrong kinds and sizes are refused before anything happens.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from journeys.town import ERROR, Town, error_of, text_of, town

KEY = "ghp_" + "A1b2C3d4E5" * 3 + "F6g7H8"
"""As long as the provider's own: what somebody may paste into the wrong place."""
WEB = {"owner": "acme", "repo": "web"}
FILE = WEB | {"path": "README.md"}
ISSUE = WEB | {"issue_number": 1}
MESSAGE = {"channel": "#releases", "text": "hello"}

BAD_ARGUMENTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown": ("github_issue_read", ISSUE | {"isue_number": 1}, "unknown field “isue_number”, did you mean"),
    "a key as a name": ("github_get_me", {KEY: 1}, "takes no arguments"),
    "missing": ("github_issue_read", WEB, "issue_number is required"),
    "a text for a number": ("github_issue_read", WEB | {"issue_number": "1"}, "issue_number must be a whole number"),
    "a truth for a number": ("github_issue_read", WEB | {"issue_number": True}, "issue_number must be a whole number"),
    "a key for a number": ("github_issue_read", WEB | {"issue_number": KEY}, "issue_number must be a whole number"),
    "a list for a text": ("slack_send_message", MESSAGE | {"text": ["a"]}, "text must be a string"),
    "an object for a text": ("linear_get_issue", {"id": {"eq": "ENG-1"}}, "id must be a string"),
    "a key for an account": ("github_get_repository", WEB | {"owner": KEY}, "owner must be an account name"),
    "too large": ("slack_read_channel", {"channel": "#releases", "limit": 500}, "limit must be 1–50 (got 500)"),
    "too long": ("github_issue_create", WEB | {"title": KEY * 10}, "title must have 1–256 characters"),
    "no such choice": ("github_list_issues", WEB | {"state": "opened"}, "state must be one of open, closed, all"),
    "dots": ("github_get_file_contents", FILE | {"path": "../../../user"}, "path must be a relative path"),
    "hidden dots": ("github_get_file_contents", FILE | {"path": "a/%2e%2e/b"}, "path must be a relative path"),
    "from the root": ("github_get_file_contents", FILE | {"path": "/etc/passwd"}, "path must be a relative path"),
    "an address": ("github_get_file_contents", FILE | {"path": "https://evil.example/x"}, "path must be a relative"),
    "a host": ("github_get_repository", WEB | {"owner": "https://evil.example"}, "owner must be an account name"),
    "a line break": ("github_get_file_contents", FILE | {"path": "a\r\nX-Evil: 1"}, "must not hold control characters"),
    "a break in an id": ("linear_get_issue", {"id": "ENG-1\r\n"}, "must not hold control characters"),
    "two at once": ("github_issue_read", WEB | {"issue_number": 0, "tail": 1}, "; issue_number must be 1–"),
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("bad-input")) as built:
        yield built


@pytest.fixture(scope="module")
async def agent(acme: Town) -> AsyncIterator[Client]:
    async with acme.agent() as connected:
        for tool, given in (("github_issue_read", ISSUE), ("linear_get_issue", {"id": "ENG-1"})):
            assert not (await acme.call(connected, tool, given)).is_error
        yield connected


async def the_record(acme: Town) -> dict[str, Any]:
    return (await acme.records())[-1]


def is_plain(said: str) -> None:
    assert KEY not in said
    assert "Traceback" not in said
    assert "pydantic" not in said


@pytest.mark.parametrize(("tool", "given", "told"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
async def test_arguments_that_do_not_fit_are_refused_by_name(
    acme: Town, agent: Client, tool: str, given: dict[str, Any], told: str
) -> None:
    known, minted = len(await acme.records()), len(acme.ledger())

    answer = await agent.call_tool(tool, given)

    assert error_of(answer)["code"] == "invalid_arguments"
    assert text_of(answer).startswith("invalid_arguments: ")
    assert told in text_of(answer)
    is_plain(answer.model_dump_json())
    records = await acme.records()
    assert len(records) == known + 1
    assert (records[-1]["tool"], records[-1]["outcome"], records[-1]["code"]) == (tool, "refused", "invalid_arguments")
    is_plain(str(records[-1]))
    assert len(acme.ledger()) == minted, "nothing was minted"


@pytest.mark.parametrize("era", ["auto", "legacy"])
@pytest.mark.parametrize(
    ("tool", "told"), [("github_isue_read", "Did you mean “github_issue_read”?"), (KEY, "no tool")]
)
async def test_an_unknown_tool_is_an_error_of_the_protocol(acme: Town, era: str, tool: str, told: str) -> None:
    async with acme.agent(mode=era) as agent:
        with pytest.raises(MCPError) as refused:
            await agent.call_tool(tool, {})
    assert refused.value.error.code == -32602
    assert refused.value.error.data[ERROR]["code"] == "unknown_tool"
    assert told in refused.value.error.message
    is_plain(refused.value.error.model_dump_json())
    record = await the_record(acme)
    assert (record["outcome"], record["code"]) == ("refused", "unknown_tool")
    is_plain(str(record))


@pytest.mark.parametrize(
    "wrong",
    [
        {"expires_in": -5},
        {"signed_by": "stranger"},
        {"audience": "https://other.example/mcp"},
        {"claims": {"iss": "https://other.example"}},
        {"claims": {"exp": None}},
        {"header": {"typ": "JWT"}},
        {"header": {"alg": "none"}},
    ],
    ids=["expired", "stranger", "audience", "issuer", "endless", "type", "unsigned"],
)
async def test_a_token_that_is_not_for_us_opens_nothing(acme: Town, wrong: dict[str, Any]) -> None:
    token, known = await acme.token(**wrong), len(await acme.records())
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.post(acme.mcp_url, json=call, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_token"
    assert "resource_metadata=" in answer.headers["www-authenticate"]
    assert token not in answer.text
    assert len(await acme.records()) == known


async def test_no_token_is_asked_for_one(acme: Town) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.post(acme.mcp_url, json={})
        assert answer.status_code == 401
        assert "error=" not in answer.headers["www-authenticate"]
        metadata = answer.headers["www-authenticate"].partition('resource_metadata="')[2].partition('"')[0]
        assert (await client.get(metadata)).json()["resource"] == acme.mcp_url


OUTAGES: dict[str, tuple[str, str, str, dict[str, Any], str, str]] = {
    "github answers 503": ("github", "status:503", "/repos", ISSUE, "github_issue_read", "provider_unavailable"),
    "github breaks off": ("github", "half_close", "/repos", ISSUE, "github_issue_read", "provider_unavailable"),
    "github lends nothing": ("github", "status:503", "/scoped", ISSUE, "github_issue_read", "provider_unavailable"),
    "linear answers 502": ("linear", "status:502", "/graphql", {"id": "ENG-1"}, "linear_get_issue", "provider_unav"),
}


@pytest.mark.parametrize(("provider", "fault", "path", "given", "tool", "code"), OUTAGES.values(), ids=OUTAGES)
async def test_a_provider_that_is_down_is_said_to_be(
    acme: Town, agent: Client, provider: str, fault: str, path: str, given: dict[str, Any], tool: str, code: str
) -> None:
    acme.running.sandbox.faults.add(provider, fault, path=path)
    try:
        answer = await agent.call_tool(tool, given)
    finally:
        acme.running.sandbox.faults.clear()
    assert error_of(answer)["code"].startswith(code)
    assert "injected by the sandbox" not in text_of(answer), "a provider's prose is not passed on"
    is_plain(answer.model_dump_json())
    record = await the_record(acme)
    assert record["tool"] == tool
    assert record["outcome"] == "failed"
    assert record["code"].startswith(code)
    assert not (await agent.call_tool(tool, given)).is_error, "and it works again when the provider does"


@pytest.mark.parametrize(
    ("provider", "tool", "given"),
    [("github", "github_issue_read", ISSUE), ("linear", "linear_get_issue", {"id": "ENG-1"})],
)
async def test_a_provider_that_is_too_busy_is_left_alone_for_as_long_as_it_says(
    acme: Town, agent: Client, provider: str, tool: str, given: dict[str, Any]
) -> None:
    acme.fault(provider, "rate_limit", path="/repos" if provider == "github" else "/graphql", count=1)
    answer = await agent.call_tool(tool, given)
    assert error_of(answer)["code"] == "rate_limited"
    assert error_of(answer)["retry_after"] >= 60
    is_plain(answer.model_dump_json())
    assert [(await the_record(acme))[key] for key in ("outcome", "code")] == ["failed", "rate_limited"]

    uses = [entry["uses"] for entry in acme.ledger()]
    assert error_of(await agent.call_tool(tool, given))["code"] == "rate_limited"
    assert [entry["uses"] for entry in acme.ledger()] == uses, "nothing was sent or minted"
    acme.advance(seconds=error_of(answer)["retry_after"] + 1)
    assert not (await agent.call_tool(tool, given)).is_error


async def test_a_write_that_may_have_happened_is_never_called_a_failure(acme: Town, agent: Client) -> None:
    asked = await agent.call_tool("slack_send_message", MESSAGE)
    assert (await acme.decide(asked)).state == "approved"
    acme.running.sandbox.faults.add("slack", "half_close", path="chat.postMessage")
    try:
        answer = await agent.call_tool("slack_send_message", MESSAGE)
    finally:
        acme.running.sandbox.faults.clear()
    assert error_of(answer)["code"] == "outcome_unknown"
    assert "slack_read_channel" in text_of(answer), "it says how to find out"
    assert [(await the_record(acme))[key] for key in ("outcome", "code")] == ["unknown", "outcome_unknown"]
    again = await agent.call_tool("slack_send_message", MESSAGE)
    assert error_of(again)["code"] == "consent_required", "the yes was used by what may have happened"


async def test_a_refusal_reaches_the_agent_and_the_record(acme: Town, agent: Client) -> None:
    given = WEB | {"title": "Never"}
    asked = await agent.call_tool("github_issue_create", given)
    assert (await acme.decide(asked, deny=True)).state == "denied"
    refused = await agent.call_tool("github_issue_create", given)
    assert error_of(refused)["code"] == "consent_denied"
    assert "Do not repeat it" in text_of(refused)
    assert [(await the_record(acme))[key] for key in ("outcome", "code")] == ["denied", "consent_denied"]


async def test_a_grant_that_ended_at_the_provider_leads_to_the_person_again(acme: Town, agent: Client) -> None:
    for entry in acme.running.sandbox.ledger:
        if entry.provider == "linear":
            acme.running.sandbox.ledger.revoke(entry, "the person took it back there")
    broken = await agent.call_tool("linear_get_issue", {"id": "ENG-1"})
    assert error_of(broken)["code"] == "grant_broken", text_of(broken)
    assert (await the_record(acme))["code"] == "grant_broken"
    assert error_of(await agent.call_tool("linear_get_issue", {"id": "ENG-1"}))["code"] == "consent_required"
