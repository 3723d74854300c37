"""What people and apps post in Slack is read whole, wherever its text is, and with who wrote it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, text_of, town
from loaner.catalog.pieces import Pieces
from loaner.catalog.result import Fields, KeptField
from loaner.catalog.shape import Shaper

PLACEHOLDER = "This content can't be displayed."
PIECES = Pieces(
    under=("attachments", "blocks"),
    keys=frozenset({"title", "text", "value", "user_id"}),
    otherwise="fallback",
    blank=r"This content can't be displayed\.?",
)
KEEP: Fields = {
    "text": KeptField(type="text", pieces=PIECES),
    "attached": KeptField(type="text", rest_of="text"),
    "author": KeptField(at="user", or_at=("username", "bot_profile.name", "bot_id")),
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """One town for all: nothing here stays behind."""
    async with town(tmp_path_factory.mktemp("town") / "home", tools={"toolsets": ("all",)}) as built:
        yield built


async def read(acme: Town, tool: str, key: str, **arguments: Any) -> list[dict[str, Any]]:
    async with acme.agent() as agent:
        answer = await acme.call(agent, tool, arguments)
    assert not answer.is_error, text_of(answer)
    assert answer.structured_content is not None
    return list(answer.structured_content[key])


async def test_a_message_without_text_of_its_own_is_read_with_its_author(acme: Town) -> None:
    seen, repaired, alert, *people = await read(acme, "slack_read_channel", "messages", channel="#random")
    assert alert["text"] == "Dishwasher Water on the floor Floor 2"
    assert repaired["text"] == "Dishwasher repaired\nThe *pump* was replaced."
    assert [one["author"] for one in (alert, repaired)] == ["Alerts", "Alerts"]
    assert "user" not in alert
    assert "attached" not in alert
    assert (seen["text"], seen["files"][0]["name"]) == ("see file", "pump.txt")
    assert seen["reactions"] == [{"name": "eyes", "count": 2}]
    assert seen["edited"]
    assert all(one.keys() <= {"ts", "user", "text"} for one in people), "a plain message costs what it did"


async def test_a_thread_says_how_long_it_is_and_is_read_from_a_moment_on(acme: Town) -> None:
    (parent,) = [
        one for one in await read(acme, "slack_read_channel", "messages", channel="#releases") if "reply_count" in one
    ]
    thread = {"channel": "#releases", "ts": parent["ts"]}
    first, second, third = await read(acme, "slack_read_thread", "messages", **thread)
    assert first["reply_count"] == 2
    later = await read(acme, "slack_read_thread", "messages", **thread, oldest=second["ts"])
    assert [one["ts"] for one in later] == [third["ts"]]
    earlier = await read(acme, "slack_read_thread", "messages", **thread, latest=second["ts"])
    assert [one["ts"] for one in earlier] == [first["ts"]]


async def test_a_search_finds_what_apps_wrote_unless_it_is_not_to(acme: Town) -> None:
    slack: Any = acme.running.sandbox.inside["slack"]
    slack.state.channel_named("random").messages[-2].text = "Dishwasher repaired"
    (found,) = await read(acme, "slack_search", "messages", query="repaired")
    assert (found["author_name"], found["is_author_bot"]) == ("Alerts", True)
    assert (found["text"], found["attached"]) == ("Dishwasher repaired", "The *pump* was replaced.")
    assert await read(acme, "slack_search", "messages", query="repaired", include_bots=False) == []


@pytest.mark.parametrize(
    ("message", "text", "attached"),
    [
        ({"text": "hi"}, "hi", None),
        ({"text": "", "attachments": [{"fallback": "CPU high"}]}, "CPU high", None),
        ({"attachments": [{"fallback": "no", "text": "CPU"}, {"fallback": "Disk"}]}, "CPU\nDisk", None),
        ({"text": PLACEHOLDER, "blocks": [{"text": {"text": "Deployed"}}]}, "Deployed", None),
        ({"text": "Summary", "blocks": [{"text": {"text": "All of it"}}]}, "Summary", "All of it"),
        ({"text": "Summary", "attachments": [{"blocks": [{"text": {"text": "Inner"}}]}]}, "Summary", "Inner"),
        (
            {"text": "a &lt;b> *c* <@U1>", "blocks": [{"of": [{"text": "a <b>"}, {"text": "c"}, {"user_id": "U1"}]}]},
            "a &lt;b> *c* <@U1>",
            None,
        ),
        ({"text": "3 errors", "attachments": [{"title": "Web", "value": "3"}]}, "3 errors", "Web 3"),
        ({"text": 7, "blocks": "no list", "attachments": [None, 3, {"text": 5}]}, None, None),
        ({}, None, None),
    ],
)  # fmt: skip
def test_pieces_stand_in_for_a_text_or_beside_it(
    message: dict[str, Any], text: str | None, attached: str | None
) -> None:
    shaped = Shaper().fields(message, KEEP)
    assert (shaped.get("text"), shaped.get("attached")) == (text, attached)


@pytest.mark.parametrize(
    ("message", "author"),
    [
        ({"user": "U1", "username": "x"}, "U1"),
        ({"user": "", "username": "Alerts", "bot_id": "B1"}, "Alerts"),
        ({"bot_profile": {"name": "Deploys"}, "bot_id": "B1"}, "Deploys"),
        ({"bot_id": "B1"}, "B1"),
        ({}, None),
    ],
)
def test_an_author_is_the_first_that_is_named(message: dict[str, Any], author: str | None) -> None:
    assert Shaper().fields(message, KEEP).get("author") == author


def test_deep_nesting_is_not_followed_for_ever() -> None:
    deep: dict[str, Any] = {"text": "bottom"}
    for _ in range(500):
        deep = {"elements": [deep]}
    assert Shaper().fields({"blocks": [deep]}, KEEP) == {}


async def test_a_file_goes_to_the_address_that_slack_names_without_the_credential(acme: Town) -> None:
    """Whoever has the address may write there once, and it may be on any host of Slack's."""
    file = {"channel": "#general", "filename": "a.txt", "content": "täxt"}
    async with acme.agent() as agent:
        answer = await acme.call(agent, "slack_upload_file", file)
    assert not answer.is_error, text_of(answer)
    used = [use["path"] for entry in acme.ledger(provider="slack") for use in entry["uses"]]
    assert "/api/files.completeUploadExternal" in used
    assert not [path for path in used if "upload/" in path]
