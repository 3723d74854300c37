"""A call's span says what its record says in the open, and nothing of a person, a resource or a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import anyio
import pytest
from audit_parts import ALICE, Call
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, get_current_span, use_span

from journeys.town import error_of, town
from loaner.audit import Audit, Draft, spans
from loaner.audit.record import FIELDS
from loaner.errors import PolicyDenied

PLANTED = "planted-and-not-to-be-seen"


@dataclass
class Span:
    parent: SpanContext
    attributes: dict[str, Any] = field(default_factory=dict)
    status: Status | None = None
    ended: bool = False

    def is_recording(self) -> bool:
        return True

    def set_attribute(self, key: str, value: Any) -> None:
        self.attributes[key] = value

    def set_status(self, status: Status) -> None:
        self.status = status

    def said(self) -> str:
        return json.dumps([self.attributes, self.status.description if self.status else None])


@dataclass
class Tracer:
    """Keeps spans in memory. It takes exceptions' texts in like the SDK's, unless it is told not to."""

    spans: list[Span] = field(default_factory=list)

    @contextmanager
    def start_as_current_span(
        self, name: str, *, record_exception: bool = True, set_status_on_exception: bool = True
    ) -> Iterator[Span]:
        parent = get_current_span().get_span_context()
        self.spans.append(span := Span(parent))
        with use_span(NonRecordingSpan(parent)):
            try:
                yield span
            except BaseException as failure:
                if record_exception or set_status_on_exception:
                    span.attributes["exception"] = repr(failure)
                raise
            finally:
                span.ended = True


@pytest.fixture
def tracer(monkeypatch: pytest.MonkeyPatch) -> Tracer:
    tracer = Tracer()
    monkeypatch.setattr(spans, "_tracer", tracer)
    return tracer


async def test_only_open_fields_become_attributes(audit: Audit, tracer: Tracer):
    async with audit.opened(Call(), ALICE) as draft:
        for one in fields(Draft):
            if one.name in FIELDS and getattr(draft, one.name) is None:
                setattr(draft, one.name, one.name if FIELDS[one.name] == "open" else PLANTED)
        draft.sub, draft.origin, draft.issuer = PLANTED, PLANTED, PLANTED
        draft.succeeded()
    [span] = tracer.spans
    said_at_all = {name for name, sensitivity in FIELDS.items() if sensitivity == "open"} - {
        "code",
        "word",
    }  # it went well
    assert span.attributes.keys() == {f"loaner.{name}" for name in said_at_all}
    assert PLANTED not in span.said()
    assert span.ended
    assert span.status is None


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (RuntimeError(PLANTED), "internal"),
        (PolicyDenied(f"no: {PLANTED}", rule="r", do=PLANTED, log=PLANTED), "policy_denied"),
    ],
)
async def test_what_went_wrong_is_a_code_and_no_text(audit: Audit, tracer: Tracer, failure: Exception, code: str):
    with pytest.raises(type(failure)):
        async with audit.opened(Call(tool=PLANTED), ALICE):  # a tool that no catalog has
            raise failure
    [span] = tracer.spans
    assert span.status
    assert (span.status.is_ok, span.status.description) == (False, code)
    assert span.attributes["loaner.code"] == code
    assert PLANTED not in span.said()


async def test_a_cancelled_call_has_its_span_too(audit: Audit, tracer: Tracer):
    with anyio.CancelScope() as scope:
        async with audit.opened(Call(), ALICE):
            scope.cancel()
            await anyio.sleep_forever()
    [span] = tracer.spans
    assert (span.ended, span.attributes["loaner.code"]) == (True, "cancelled")


async def test_a_whole_call_says_nothing_personal_and_stands_under_the_agents_span(tmp_path: Path, tracer: Tracer):
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    meta: Any = {"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
    asked = {"owner": "acme", "repo": "web", "issue_number": 1}
    async with town(tmp_path / "home") as acme, acme.agent() as agent:
        question = await agent.call_tool("github_issue_read", asked)
        code = error_of(question)["user_code"]
        assert (await acme.decide(question)).state == "approved"
        assert not (await agent.call_tool("github_issue_read", asked)).is_error
        assert not (await agent.call_tool("github_issue_read", asked, meta=meta)).is_error
        minted = [entry["fingerprint"] for entry in acme.ledger()]
        record = (await acme.records(outcome="ok"))[-1]
    said = "\n".join(span.said() for span in tracer.spans)
    assert said.count('"loaner.outcome": "ok"') == 2
    for personal in [code, "user-alice", "acme", "alice@", record["issuer"], record["origin"], *minted]:
        assert personal not in said, personal
    last = tracer.spans[-1]
    assert last.attributes["loaner.id"] == record["id"]
    assert f"{last.parent.trace_id:032x}" == trace_id
