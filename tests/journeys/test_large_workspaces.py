"""A workspace of thousands of channels, and an organisation of several: names are found, or it is said how far."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town
from loaner.connectors import from_settings
from loaner.settings import ConnectorSettings

BOB = "U00BOB0002"


@pytest.fixture
async def acme(tmp_path: Any) -> AsyncIterator[Town]:
    async with town(tmp_path / "home", tools={"toolsets": ("all",)}) as built:
        yield built


def workspace(acme: Town) -> Any:
    return acme.running.sandbox.inside["slack"]


def slack(acme: Town) -> Any:
    return workspace(acme).state


def crowd(acme: Town, count: int, last: str) -> None:
    """``count`` channels that alice is not in, and one more at the very end."""
    for number in range(count):
        slack(acme).add_conversation("public_channel", f"team-{number}", BOB, [BOB])
    slack(acme).add_conversation("public_channel", last, BOB, [BOB])


async def call(acme: Town, tool: str, **arguments: Any) -> tuple[Any, list[str]]:
    """The answer, and the methods that were used for it."""
    before = len(used(acme))
    async with acme.agent() as agent:
        answer = await acme.call(agent, tool, arguments)
    return answer, used(acme)[before:]


def used(acme: Town) -> list[str]:
    uses = [use for entry in acme.ledger(provider="slack") for use in entry["uses"]]
    return [use["path"].rpartition("/")[2] for use in sorted(uses, key=lambda use: use["at"])]


async def test_a_channel_of_ones_own_takes_one_short_list(acme: Town) -> None:
    crowd(acme, 1500, "far-away")
    await call(acme, "slack_get_channel", channel="C0SBX000001")  # connects
    answer, methods = await call(acme, "slack_get_channel", channel="#general")
    assert not answer.is_error, text_of(answer)
    assert methods == ["users.conversations", "conversations.info"]


async def test_a_name_that_was_found_is_asked_about_and_not_looked_for_again(acme: Town) -> None:
    """An id that was found lately is used while it is still called so; another's name is looked for anew."""
    crowd(acme, 1200, "far-away")
    await call(acme, "slack_get_channel", channel="C0SBX000001")
    first, searched = await call(acme, "slack_get_channel", channel="#far-away")
    assert not first.is_error, text_of(first)
    assert searched == ["users.conversations", *["conversations.list"] * 2, "conversations.info"]
    second, asked = await call(acme, "slack_get_channel", channel="#far-away")
    assert second.structured_content == first.structured_content
    assert asked == ["conversations.info"] * 2
    old, new = slack(acme).channel_named("far-away"), slack(acme).channel_named("team-3")
    old.name, new.name = "moved", "far-away"
    third, again = await call(acme, "slack_get_channel", channel="#far-away")
    assert third.structured_content["id"] == new.id
    assert again == ["conversations.info", "users.conversations", "conversations.list", "conversations.info"]
    acme.advance(minutes=11)
    _, later = await call(acme, "slack_get_channel", channel="#far-away")
    assert later[0] == "users.conversations"


async def test_another_person_gains_nothing_by_what_was_found_for_one(acme: Town) -> None:
    hidden = {"channel": "#board", "channel_type": "private_channel"}
    answer, _ = await call(acme, "slack_get_channel", **hidden)
    assert not answer.is_error, text_of(answer)
    async with acme.agent("bob") as agent:
        refused = await acme.call(agent, "slack_get_channel", hidden, user="bob")
    assert error_of(refused)["code"] == "not_found"


async def test_a_channel_beyond_what_is_looked_at_is_told_as_that(acme: Town) -> None:
    crowd(acme, 2100, "far-away")
    await call(acme, "slack_get_channel", channel="C0SBX000001")
    answer, methods = await call(acme, "slack_get_channel", channel="#far-away")
    assert error_of(answer)["code"] == "not_found"
    assert "among the first 1,998 that Slack lists" in text_of(answer)
    assert "Give the id" in text_of(answer)
    assert methods == ["users.conversations", *["conversations.list"] * 2]


async def test_no_list_is_asked_for_where_the_method_takes_a_name(acme: Town) -> None:
    crowd(acme, 1200, "far-away")
    _, methods = await call(acme, "slack_send_message", channel="#general", text="hello")
    assert not {"conversations.list", "users.conversations"} & set(methods)
    assert methods[-1] == "chat.postMessage"


async def test_the_workspace_is_named_wherever_slack_asks_for_it(acme: Town) -> None:
    for wants in (False, True):  # the account is connected before Slack wants a team_id, and is of the workspace
        workspace(acme).organisation = wants
        for tool, given in (
            ("slack_list_channels", {}),
            ("slack_get_channel", {"channel": "#general"}),
            ("slack_create_channel", {"name": f"fresh-{wants}".lower()}),
            ("slack_list_scheduled_messages", {}),
        ):
            answer, _ = await call(acme, tool, **given)
            assert not answer.is_error, (tool, text_of(answer))


async def test_an_organisation_without_a_workspace_in_the_settings_says_which_setting(tmp_path: Any) -> None:
    async with town(tmp_path / "home") as acme:
        workspace(acme).organisation = True
        for tool, given in (("slack_list_channels", {}), ("slack_send_message", {"channel": "#general", "text": "x"})):
            answer, _ = await call(acme, tool, **given)
            assert "connectors.NAME.team" in text_of(answer), tool


async def test_an_organisation_with_a_workspace_in_the_settings_works(tmp_path: Any) -> None:
    async with town(tmp_path / "home") as acme:
        workspace(acme).organisation = True
        apps: Any = acme.loaner.connectors
        apps._by_name["slack"] = replace(apps.named("slack"), team="T0ACME0001")
        answer, _ = await call(acme, "slack_list_channels")
        assert not answer.is_error, text_of(answer)


def test_the_workspace_is_a_setting_of_the_connector() -> None:
    given = {"provider": "slack", "client_id": "1.2", "team": "T0ACME0001"}
    (connector,) = from_settings({"slack": ConnectorSettings.model_validate(given)}, ["slack"])
    assert connector.team == "T0ACME0001"
    with pytest.raises(ValueError, match="team"):
        ConnectorSettings.model_validate(given | {"team": "acme"})
