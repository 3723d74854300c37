"""What a Slack tool has to be given, another one gives: people by their names, messages that are to come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town

CAROL = "U0CAROL001"


async def said(acme: Town, tool: str, **arguments: Any) -> dict[str, Any]:
    async with acme.agent() as agent:
        answer = await acme.call(agent, tool, arguments)
    assert not answer.is_error, text_of(answer)
    return dict(answer.structured_content or {})


@pytest.mark.parametrize("flat", [False, True])
async def test_a_person_is_found_by_name_and_then_read_by_id(tmp_path: Path, flat: bool) -> None:
    async with town(tmp_path / "home", tools={"toolsets": ("all",)}) as acme:
        acme.running.sandbox.switches.slack_found_people_flat = flat
        (person,) = (await said(acme, "slack_find_user", name="Danvers"))["users"]
        assert (person["id"], person["name"]) == (CAROL, "Carol Danvers")
        assert (await said(acme, "slack_get_user", user=person["id"]))["real_name"] == "Carol Danvers"
        assert (await said(acme, "slack_find_user", name="Nobody"))["users"] == []


async def test_a_scheduled_message_is_listed_and_cancelled_and_never_posted(tmp_path: Path) -> None:
    async with town(tmp_path / "home", tools={"toolsets": ("all",)}) as acme:
        assert (await said(acme, "slack_list_scheduled_messages"))["scheduled_messages"] == []  # connects for it alone
        assert {tuple(entry["permissions"]) for entry in acme.ledger(provider="slack", kind="user")} == {("identify",)}
        soon = int(acme.running.sandbox.clock.now().timestamp()) + 3600
        await said(acme, "slack_schedule_message", channel="#general", text="Later", post_at=soon)
        (waiting,) = (await said(acme, "slack_list_scheduled_messages"))["scheduled_messages"]
        assert (waiting["text"], waiting["post_at"]) == ("Later", soon)
        which = {"channel": waiting["channel_id"], "scheduled_message_id": waiting["id"]}
        assert (await said(acme, "slack_cancel_scheduled_message", **which)) == {"cancelled": True}
        async with acme.agent() as agent:
            again = await acme.call(agent, "slack_cancel_scheduled_message", which)
        assert error_of(again)["code"] == "not_found"
        acme.advance(hours=2)
        assert "Later" not in str(await said(acme, "slack_read_channel", channel="#general"))
