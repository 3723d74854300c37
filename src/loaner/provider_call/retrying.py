"""Trying again, where that is safe: idempotent reads only, twice at most, within a few seconds.

A write is sent once, whatever happens to it. Everything happens inside the one loan of the call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import stamina

from loaner.catalog import BoundCall
from loaner.catalog.result import Admits
from loaner.errors import ProviderUnavailable, RateLimited
from loaner.provider_call.meeting import Meeting
from loaner.provider_call.replication import Young
from loaner.provider_call.sending import Reply, send
from loaner.provider_call.transport import Answer, ProviderTransport
from loaner.provider_call.workspace import Workspace
from loaner.secret import Secret

ATTEMPTS = 3
WITHIN = 5.0
"""Seconds in which the last attempt has to begin."""
SHORT = 2
"""Seconds that a provider may ask to wait for it to be worth holding the call."""


async def send_patiently(
    bound: BoundCall,
    credential: Secret,
    transport: ProviderTransport,
    *,
    within: tuple[str, ...] = (),
    known: Sequence[Secret | None] = (),
    admits: Admits | None = None,
    on_answer: Callable[[Answer], None] | None = None,
    on_attempt: Callable[[], object] | None = None,
    young: Young | None = None,
    meeting: Meeting | None = None,
    workspace: Workspace | None = None,
) -> Reply:
    """:func:`send`, and once or twice more where nothing can have changed. Raises what the last attempt raised."""
    reads = bound.operation.effect == "read" and bound.operation.idempotent
    attempts = stamina.retry_context(
        on=_worth_it, attempts=ATTEMPTS if reads else 1, timeout=WITHIN, wait_initial=0.2, wait_jitter=0.2
    )
    async for attempt in attempts:
        with attempt:
            if on_attempt:
                on_attempt()
            return await send(
                bound,
                credential,
                transport,
                within=within,
                known=known,
                admits=admits,
                on_answer=on_answer,
                young=young,
                meeting=meeting,
                workspace=workspace,
            )
    raise AssertionError("the last attempt either answers or raises")


def _worth_it(failure: Exception) -> bool | float:
    if isinstance(failure, RateLimited):
        return float(failure.retry_after) if failure.retry_after <= SHORT else False
    return isinstance(failure, ProviderUnavailable) and failure.retry == "now"
