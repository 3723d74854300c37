"""Linear's tools as an agent calls them and its person agrees, and what the sandbox's Linear holds afterwards."""

from __future__ import annotations

from typing import Any

from journeys.town import Town, text_of

SOMEBODY = "0a0a0a0a-0000-4000-8000-00000000000a"
"""An id that nothing has."""


async def asked(acme: Town, tool: str, **given: Any) -> Any:
    """The answer, once whatever was asked is agreed to."""
    async with acme.agent() as agent:
        return await acme.call(agent, tool, given)


async def said(acme: Town, tool: str, **given: Any) -> dict[str, Any]:
    """What a call that has to succeed gives."""
    answer = await asked(acme, tool, **given)
    assert not answer.is_error, text_of(answer)
    return dict(answer.structured_content or {})


def world(acme: Town) -> Any:
    linear: Any = acme.running.sandbox.inside["linear"]
    return linear.world
