"""The server as a real client sees it, in both eras, in memory."""

from __future__ import annotations

import json
import logging
import re
from typing import Any, Literal

import anyio
import pytest
from mcp import Client, MCPError
from mcp_types import Implementation, PaginatedRequestParams
from opentelemetry import trace
from structlog.testing import capture_logs

from loaner.errors import InvalidArguments, LoanerError, PolicyDenied, RateLimited
from loaner.mcp_server.instructions import instructions
from loaner.mcp_server.own_tools import END, OWN, PROPOSE
from loaner.mcp_server.replies import ERROR_META
from loaner.mcp_server.server import build
from loaner.mcp_server.stdio import local_caller
from loaner.reference import LENGTH
from mcp_server.fakes import FakeLoaner

CANARY = "ghu_canary0123456789"
ERAS: list[Literal["legacy", "auto"]] = ["legacy", "auto"]
eras = pytest.mark.parametrize("era", ERAS)


def client(served: FakeLoaner, era: str = "auto", **more: Any) -> Client:
    return Client(build(served, local_caller("testing")), mode=era, **more)


@eras
async def test_tools_are_listed_in_order_with_every_hint_and_a_private_cache(served: FakeLoaner, era: str) -> None:
    """MUST 11: no cache between shows one principal's list to another."""
    async with client(served, era) as agent:
        listed = await agent.list_tools()
        assert [tool.name for tool in listed.tools] == [
            *("github_get_me", "slack_send_message"),
            *(tool.tool for tool in OWN),
        ]
        for tool in listed.tools:
            hints = tool.annotations
            assert hints is not None
            assert None not in (
                *(hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint),
            ), tool.name
        if era == "auto":
            assert (listed.cache_scope, listed.ttl_ms) == ("private", 300_000)
        assert agent.server_info.name == "loaner"


def test_instructions_put_consent_first_and_survive_the_cut_at_2048_characters() -> None:
    told = instructions(["GitHub", "Slack", "Linear"])
    assert told.startswith("loaner lends each tool call its own key for GitHub, Slack or Linear.")
    assert len(told) < 2048
    assert told.index("consent_required") < 300


def test_instructions_are_ten_lines_and_say_what_the_errors_say() -> None:
    """What must never be retried is what each such error says of itself."""
    lines = instructions(["GitHub"]).splitlines()
    assert len(lines) == 10
    never = [name for line in lines if line.startswith("Never retry") for name in re.findall("`([a-z_]+)`", line)]
    kinds = {one.code: one.retry for one in every_error()}
    assert {name: kinds[name] for name in never} == dict.fromkeys(never, "never")
    named = set(re.findall("`([a-z_]+)`", " ".join(lines))) - {"consent_pending", PROPOSE.tool, END.tool}
    assert named <= set(kinds)
    assert kinds["rate_limited"] == "after_s"


def every_error(kind: type[LoanerError] = LoanerError) -> list[type[LoanerError]]:
    return [kind, *(one for below in kind.__subclasses__() for one in every_error(below))]


@eras
async def test_a_result_is_the_payload_and_its_text_says_the_same(served: FakeLoaner, era: str) -> None:
    served.journey.script = [{"n": 3, "title": "grüß"}]
    async with client(served, era) as agent:
        result = await agent.call_tool("github_get_me", {"text": "x"})
    assert result.structured_content == {"n": 3, "title": "grüß"}
    assert result.content[0].text == '{"n":3,"title":"grüß"}'
    assert not result.is_error


@eras
@pytest.mark.parametrize(
    "error",
    [
        InvalidArguments("limit must be 1-50 (got 500)."),
        PolicyDenied("deletes are blocked.", rule="no-deletes", do="Read tools still work."),
        RateLimited("GitHub asks to wait.", retry_after=37),
    ],
    ids=lambda error: error.code,
)
async def test_an_error_is_words_and_meta_and_never_structured_content(
    served: FakeLoaner, era: str, error: Any
) -> None:
    served.journey.script = [error]
    async with client(served, era) as agent:
        result = await agent.call_tool("github_get_me", {})
    assert result.is_error
    assert result.structured_content is None
    assert result.content[0].text == error.told()
    assert (result.meta or {})[ERROR_META] == error.facts()


@eras
async def test_an_unknown_tool_is_a_protocol_error_and_still_goes_through_the_journey(
    served: FakeLoaner, era: str
) -> None:
    async with client(served, era) as agent:
        with pytest.raises(MCPError, match="no tool 'github_nope'") as refused:
            await agent.call_tool("github_nope", {})
    assert refused.value.code == -32602
    assert [call.tool for call, _ in served.journey.calls] == ["github_nope"]


@eras
async def test_a_fault_of_ours_shows_a_reference_and_nothing_of_itself(
    served: FakeLoaner, era: str, caplog: pytest.LogCaptureFixture, spans: list[Any]
) -> None:
    """MUST 42 and 60: not on the wire, not in a span, not in the log."""
    served.journey.script = [ValueError(f"could not use {CANARY}")]
    with caplog.at_level(logging.DEBUG), capture_logs() as logs:
        async with client(served, era) as agent:
            result = await agent.call_tool("github_get_me", {})
    assert result.is_error
    reference = result.content[0].text.split("ref ")[1][:LENGTH]
    assert [line["ref"] for line in logs if "ref" in line] == [reference]
    seen = result.model_dump_json() + caplog.text + str(logs) + json.dumps(spans)
    assert "tools/call" in seen
    assert CANARY not in seen


@eras
async def test_a_fault_outside_a_call_is_hidden_as_well(
    served: FakeLoaner, era: str, caplog: pytest.LogCaptureFixture, spans: list[Any]
) -> None:
    server = build(served, local_caller("testing"))

    async def broken(*_: Any) -> Any:
        raise ValueError(f"could not use {CANARY}")

    server.add_request_handler("tools/list", PaginatedRequestParams, broken)
    with caplog.at_level(logging.DEBUG), capture_logs() as logs:
        async with Client(server, mode=era) as agent:
            with pytest.raises(MCPError) as refused:
                await agent.list_tools()
    assert refused.value.code == -32603
    assert CANARY not in str(refused.value) + caplog.text + str(logs) + json.dumps(spans)


@eras
async def test_the_caller_is_the_local_person_and_what_the_client_reports(served: FakeLoaner, era: str) -> None:
    async with client(served, era, client_info=Implementation(name=" Claude Code", version="2.1")) as agent:
        await agent.call_tool("github_get_me", {})
    caller = served.journey.calls[0][1]
    assert caller.subject.issuer == "local"
    assert not caller.agent.verified
    assert caller.agent.name == "Claude Code"
    assert (caller.agent.version, caller.environment) == ("2.1", "testing")
    assert caller.origin.startswith("this computer (stdio, pid ")


@pytest.mark.parametrize("name", ["Claude\u202eCode", "Claude Code\n", "x" * 81, "loaner"])
async def test_a_client_whose_name_could_be_taken_for_another_is_refused(served: FakeLoaner, name: str) -> None:
    """Cleaned or cut, two names would be one on the page where a person reads them."""
    async with client(served, client_info=Implementation(name=name, version="2.1")) as agent:
        result = await agent.call_tool("github_get_me", {})
    assert result.is_error
    assert served.journey.calls == []


@eras
async def test_a_call_that_the_client_gives_up_is_cancelled_in_the_journey(served: FakeLoaner, era: str) -> None:
    """MUST 16: nothing of the door swallows a cancellation."""
    started, stopped = anyio.Event(), anyio.Event()

    async def forever() -> dict[str, Any]:
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            stopped.set()
        return {}

    served.journey.script = [forever]  # type: ignore[list-item]
    with anyio.fail_after(30):
        async with client(served, era) as agent, anyio.create_task_group() as group:
            group.start_soon(agent.call_tool, "github_get_me", {})
            await started.wait()
            group.cancel_scope.cancel()
        await stopped.wait()
    assert stopped.is_set(), "the call had begun, and was cancelled where it stood"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Everything that the SDK's tracing would export."""
    seen: list[Any] = []

    class Span(trace.NonRecordingSpan):
        def set_attribute(self, key: str, value: Any) -> None:
            seen.append([key, value])

        def set_attributes(self, attributes: Any) -> None:
            seen.append(dict(attributes))

        def record_exception(self, exception: BaseException, *_: Any, **__: Any) -> None:
            seen.append(str(exception))

        def set_status(self, status: Any, description: str | None = None) -> None:
            seen.append([str(status), description])

    class Tracer(trace.NoOpTracer):
        def start_span(self, name: str, *_: Any, **more: Any) -> Any:
            seen.append([name, dict(more.get("attributes") or {})])
            return Span(trace.INVALID_SPAN_CONTEXT)

        def start_as_current_span(self, name: str, *_: Any, **more: Any) -> Any:
            seen.append([name, dict(more.get("attributes") or {})])
            return trace.use_span(Span(trace.INVALID_SPAN_CONTEXT), record_exception=False)

    monkeypatch.setattr("mcp.shared._otel._tracer", Tracer(), raising=False)
    return seen
