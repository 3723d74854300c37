"""Trying again, where that is safe: idempotent reads only, twice at most, within a few seconds.

A write is sent once, whatever happens to it. Everything happens inside the one loan of the call.
"""

from __future__ import annotations

import stamina

from loaner.catalog import BoundCall
from loaner.errors import ProviderUnavailable, RateLimited
from loaner.provider_call.reply import Reply
from loaner.provider_call.sending import send
from loaner.provider_call.terms import Terms
from loaner.provider_call.transport import ProviderTransport
from loaner.secret import Secret

ATTEMPTS = 3
WITHIN = 5.0
"""Seconds in which the last attempt has to begin."""
SHORT = 2
"""Seconds that a provider may ask to wait for it to be worth holding the call."""


async def send_patiently(bound: BoundCall, credential: Secret, transport: ProviderTransport, terms: Terms) -> Reply:
    """:func:`send`, and once or twice more where nothing can have changed. Raises what the last attempt raised."""
    reads = bound.operation.effect == "read" and bound.operation.idempotent
    attempts = stamina.retry_context(
        on=_worth_it, attempts=ATTEMPTS if reads else 1, timeout=WITHIN, wait_initial=0.2, wait_jitter=0.2
    )
    async for attempt in attempts:
        with attempt:
            if terms.on_attempt:
                terms.on_attempt()
            return await send(bound, credential, transport, terms)
    raise AssertionError("the last attempt either answers or raises")


def _worth_it(failure: Exception) -> bool | float:
    if isinstance(failure, RateLimited):
        return float(failure.retry_after) if failure.retry_after <= SHORT else False
    return isinstance(failure, ProviderUnavailable) and failure.retry == "now"
