"""A server whose clock falls behind, while it runs, what another server of its store noted: nobody gains time by it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import httpx2
from structlog.testing import capture_logs

from journeys.town import Town, error_of, town
from loaner.store import clock_seen

READ = ("slack_read_channel", {"channel": "#general"})
POST = ("slack_send_message", {"channel": "#general", "text": "hello"})


async def ready(here: Town) -> tuple[int, list[str]]:
    async with httpx2.AsyncClient(base_url=here.loaner.base_url, trust_env=False) as http:
        answer = await http.get("/readyz")
    return answer.status_code, answer.json().get("failing", [])


async def test_it_takes_no_call_and_no_yes_and_goes_on_once_it_is_right(tmp_path: Path) -> None:
    """MUST 27."""
    async with town(tmp_path) as here, here.agent() as agent:
        assert not (await here.call(agent, *READ)).is_error
        asked = await agent.call_tool(*POST)
        uses = sum(len(entry["uses"]) for entry in here.ledger(provider="slack"))
        theirs = here.loaner.now() + timedelta(minutes=3)
        with capture_logs() as logs:
            await here.loaner.store.write(lambda c: clock_seen.start_over(c, theirs))
            await here.loaner.consents.sweep()
        assert [one["log_level"] for one in logs if "clock is behind" in one["event"]] == ["error"]
        for call in (READ, POST):
            told = error_of(await agent.call_tool(*call))
            assert (told["code"], "Set the clock right" in str(told["do"])) == ("settings_invalid", True)
        assert (await here.decide(asked)).state != "approved"
        assert sum(len(entry["uses"]) for entry in here.ledger(provider="slack")) == uses
        assert await ready(here) == (503, ["clock"])

        with capture_logs() as logs:
            here.advance(minutes=2)  # it is set right
            await here.loaner.consents.sweep()
        assert [one["event"] for one in logs if "clock" in one["event"]] == ["the clock is right again"]
        assert not (await agent.call_tool(*READ)).is_error
        assert (await here.decide(asked)).state == "approved"
        assert not (await agent.call_tool(*POST)).is_error


async def test_no_task_is_agreed_to_by_a_clock_that_is_behind(tmp_path: Path) -> None:
    """MUST 27: its hour would be longer than was said."""
    task = {"purpose": "see what is new", "operations": [{"tool": READ[0], "count": 5}], "resources": ["#general"]}
    async with town(tmp_path) as here, here.agent() as agent:
        asked = await agent.call_tool("loaner_propose_task", task)
        theirs = here.loaner.now() + timedelta(minutes=3)
        await here.loaner.store.write(lambda c: clock_seen.start_over(c, theirs))
        await here.loaner.consents.sweep()
        assert (await here.decide(asked)).state != "approved"
        assert ((await agent.call_tool("loaner_status", {})).structured_content or {})["tasks"] == []
        here.advance(minutes=2)
        await here.loaner.consents.sweep()
        assert (await here.decide(asked)).state == "approved"
