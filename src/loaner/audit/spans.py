"""One OpenTelemetry span for each call, with what its record says and no more: no person, no resource, no digest.

Nothing is exported unless the host sets a tracer provider up. A ``traceparent`` in a request's ``_meta`` is taken up
by the MCP SDK, so the span stands under the agent's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.trace import Span, Status, StatusCode, get_tracer

from loaner.audit.record import FIELDS, Draft, cleaned

_tracer = get_tracer("loaner")


@contextmanager
def around(draft: Draft) -> Iterator[None]:
    """Span the block. What went wrong is told by the record's code; an exception's text may quote anything."""
    with _tracer.start_as_current_span("loaner call", record_exception=False, set_status_on_exception=False) as span:
        try:
            yield
        finally:
            if span.is_recording():
                _tell(span, draft)


def _tell(span: Span, draft: Draft) -> None:
    for name, sensitivity in FIELDS.items():
        value = getattr(draft, name)
        if name == "tool" and draft.effect is None:
            continue  # in no catalog: then it is whatever the client wrote there
        if sensitivity == "open" and value is not None:
            span.set_attribute(f"loaner.{name}", cleaned(value))
    if draft.outcome != "ok":
        span.set_status(Status(StatusCode.ERROR, draft.code))
