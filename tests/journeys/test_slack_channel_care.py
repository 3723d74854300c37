"""Pins, bookmarks, files, links, people, and being in a channel: what Slack saw, and what each tool refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client

from journeys.town import Town, error_of, text_of, town
from loaner.sandbox.slack.state import Conversation, File

ALICE, BOB, CAROL = "U00ALICE01", "U00BOB0002", "U0CAROL001"
TS = "1700000000.000100"
HERE = {"channel": "#releases"}
Given = dict[str, Any]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """One town for all, in which every test has a channel of its own to change."""
    async with town(tmp_path_factory.mktemp("care") / "home", tools={"toolsets": ("all",)}) as built:
        built.running.sandbox.switches.slack_tier_multiplier = 0
        yield built


@pytest.fixture(scope="module")
async def agent(acme: Town) -> AsyncIterator[Client]:
    async with acme.agent() as connected:
        yield connected


def channel(acme: Town, name: str, members: list[str] | None = None) -> Conversation:
    state: Any = acme.running.sandbox.inside["slack"]
    found = state.state.channel_named(name)
    if found is None:
        found = state.state.add_conversation("public_channel", name, BOB, members or [ALICE, BOB])
        state.state.post(found, BOB, f"Welcome to {name}.")
    assert isinstance(found, Conversation)
    return found


async def said(acme: Town, agent: Client, tool: str, **given: Any) -> Given:
    answer = await acme.call(agent, tool, given)
    assert not answer.is_error, text_of(answer)
    return dict(answer.structured_content or {})


def seen(acme: Town, method: str) -> int:
    """How often Slack was asked for this method."""
    uses = [use["path"] for entry in acme.ledger(provider="slack") for use in entry["uses"]]
    return uses.count(f"/api/{method}")


async def test_people_are_listed_and_chosen_by_any_of_their_names(acme: Town, agent: Client) -> None:
    everybody = (await said(acme, agent, "slack_list_users"))["users"]
    assert [one["id"] for one in everybody] == [ALICE, BOB, CAROL]
    for name in ("danv", "CAROL", "captain"):
        assert [one["id"] for one in (await said(acme, agent, "slack_list_users", name=name))["users"]] == [CAROL]
    assert (await said(acme, agent, "slack_list_users", name="nobody"))["users"] == []
    first = await said(acme, agent, "slack_list_users", limit=2)
    rest = await said(acme, agent, "slack_list_users", limit=2, cursor=first["next_cursor"])
    assert [one["name"] for one in first["users"] + rest["users"]] == ["alice", "bob", "carol"]
    assert not any("email" in one for one in everybody), "that takes another scope"


async def test_a_profile_says_how_somebody_is_called_and_where_they_are(acme: Town, agent: Client) -> None:
    carol = await said(acme, agent, "slack_get_user", user=CAROL)
    assert carol["display_name"] == "Captain"
    assert (carol["status_text"], carol["status_emoji"]) == ("On leave until Monday", ":palm_tree:")


async def test_a_message_is_pinned_once_and_is_listed_with_its_link(acme: Town, agent: Client) -> None:
    place = channel(acme, "pinned")
    which = {"channel": "#pinned", "timestamp": place.messages[0].ts}
    assert await said(acme, agent, "slack_add_pin", **which) == {"done": True}
    assert await said(acme, agent, "slack_add_pin", **which) == {"done": True, "already": True}
    assert [pin.ts for pin in place.pins] == [which["timestamp"]]
    (item,) = (await said(acme, agent, "slack_list_pins", channel="#pinned"))["items"]
    assert (item["ts"], item["text"], item["created_by"]) == (which["timestamp"], "Welcome to pinned.", ALICE)
    link = await said(acme, agent, "slack_get_permalink", channel="#pinned", ts=which["timestamp"])
    assert link["permalink"] == item["permalink"]


async def test_ones_own_reaction_is_taken_back_and_nobody_elses(acme: Town, agent: Client) -> None:
    message = channel(acme, "cheers").messages[0]
    message.reactions["tada"] = [ALICE, BOB]
    which = {"channel": "#cheers", "timestamp": message.ts, "name": "tada"}
    assert await said(acme, agent, "slack_remove_reaction", **which) == {"done": True}
    assert await said(acme, agent, "slack_remove_reaction", **which) == {"done": True, "already": True}
    assert message.reactions == {"tada": [BOB]}


async def test_a_channels_files_come_by_pages_the_newest_first(acme: Town, agent: Client) -> None:
    place = channel(acme, "filed")
    state: Any = acme.running.sandbox.inside["slack"].state
    for number, (name, owner) in enumerate([("a.txt", ALICE), ("b.png", BOB), ("c.pdf", BOB)]):
        state.files[f"F0FILED{number}"] = File(
            f"F0FILED{number}", "", owner, name, 1, 1000 + number, content=b"x", shared_in=[place.id]
        )
    where = {"channel": "#filed"}

    async def names(**given: Any) -> list[str]:
        return [one["name"] for one in (await said(acme, agent, "slack_list_files", **where, **given))["files"]]

    first = await said(acme, agent, "slack_list_files", **where, limit=2)
    assert [one["name"] for one in first["files"]] == ["c.pdf", "b.png"]
    assert first["files"][0]["filetype"] == "pdf"
    last = await said(acme, agent, "slack_list_files", **where, limit=2, cursor=first["next_cursor"])
    assert [one["name"] for one in last["files"]] == ["a.txt"]
    assert "next_cursor" not in last
    assert await names(user=BOB) == ["c.pdf", "b.png"]
    assert await names(kinds=["images"]) == ["b.png"]
    assert await names(since=1001, until=1001) == ["b.png"]
    assert "pump.txt" not in await names(), "it is of another channel"


async def test_the_bookmarks_of_a_channel_are_its_links(acme: Town, agent: Client) -> None:
    (one,) = (await said(acme, agent, "slack_list_bookmarks", **HERE))["bookmarks"]
    assert (one["title"], one["link"]) == ("Release plan", "https://example.com/plan")


async def test_a_channel_is_joined_closed_and_opened_again(acme: Town, agent: Client) -> None:
    place = channel(acme, "project", [BOB])
    where = {"channel": "#project"}
    refused = error_of(await acme.call(agent, "slack_send_message", where | {"text": "hi"}))
    assert refused["code"] == "provider_forbidden"
    assert (await said(acme, agent, "slack_join_channel", **where))["is_member"] is True
    assert place.members == [BOB, ALICE]
    assert (await said(acme, agent, "slack_join_channel", **where))["is_member"] is True
    assert place.members == [BOB, ALICE]
    assert await said(acme, agent, "slack_archive_channel", **where) == {"archived": True}
    assert await said(acme, agent, "slack_archive_channel", channel=place.id) == {"archived": True, "already": True}
    closed = await acme.call(agent, "slack_send_message", {"channel": place.id, "text": "hi"})
    assert "slack_unarchive_channel" in text_of(closed)
    open_ones = (await said(acme, agent, "slack_list_channels"))["channels"]
    assert place.id not in {one["id"] for one in open_ones}
    every = (await said(acme, agent, "slack_list_channels", exclude_archived=False))["channels"]
    (found,) = [one for one in every if one["name"] == "project"]
    assert await said(acme, agent, "slack_unarchive_channel", channel=found["id"]) == {"open": True}
    assert await said(acme, agent, "slack_unarchive_channel", channel=found["id"]) == {"open": True, "already": True}
    assert not place.archived


async def test_the_general_channel_stays_open(acme: Town, agent: Client) -> None:
    told = await acme.call(agent, "slack_archive_channel", {"channel": "#general"})
    assert error_of(told)["code"] == "provider_forbidden"
    assert "cant_archive_general" in text_of(told)
    assert "required one" in text_of(told)


REFUSED: dict[str, tuple[str, Given, str]] = {
    "pins of a repository": ("slack_list_pins", {"channel": "acme/web"}, "channel must be a channel's id"),
    "pins of nothing": ("slack_list_pins", {"channel": ""}, "channel must have 1"),
    "pins of everything": ("slack_list_pins", {}, "channel is required"),
    "pins of two": ("slack_list_pins", {"channel": "C0SBX000001,C0SBX000002"}, "channel must be a channel's id"),
    "a pin of an issue": ("slack_add_pin", HERE | {"timestamp": "ENG-1"}, "timestamp must be a message's ts"),
    "a pin of nothing": ("slack_add_pin", HERE | {"timestamp": ""}, "timestamp must have 1"),
    "a pin of a file": ("slack_add_pin", HERE | {"timestamp": TS, "file": "F1"}, "file"),
    "no emoji": ("slack_remove_reaction", HERE | {"timestamp": TS, "name": ":tada:"}, "name must be an emoji's name"),
    "an empty emoji": ("slack_remove_reaction", HERE | {"timestamp": TS, "name": ""}, "name must have 1"),
    "a reaction of a file": ("slack_remove_reaction", HERE | {"timestamp": TS, "name": "a", "file": "F1"}, "file"),
    "a link to a number": ("slack_get_permalink", HERE | {"ts": 17}, "ts must be a string"),
    "a link to a link": ("slack_get_permalink", HERE | {"ts": "https://x.example"}, "ts must be a message's ts"),
    "files of everybody": ("slack_list_files", {"user": BOB}, "channel is required"),
    "files of a workspace": ("slack_list_files", HERE | {"team_id": "T1"}, "team_id"),
    "files of a login": ("slack_list_files", HERE | {"user": "bob"}, "user must be a member's id"),
    "files of every kind": ("slack_list_files", HERE | {"kinds": ["all"]}, "must be one of spaces"),
    "files since never": ("slack_list_files", HERE | {"since": 0}, "since must be 1"),
    "files since a date": ("slack_list_files", HERE | {"since": "2024-01-01"}, "since must be a whole number"),
    "files until a truth": ("slack_list_files", HERE | {"until": True}, "until must be a whole number"),
    "bookmarks of a person": ("slack_list_bookmarks", {"channel": BOB}, "channel must be a channel's id"),
    "bookmarks of nothing": ("slack_list_bookmarks", {"channel": ""}, "channel must have 1"),
    "people by a list": ("slack_list_users", {"name": ["bob"]}, "name must be a string"),
    "people by a long name": ("slack_list_users", {"name": "x" * 81}, "name must have"),
    "people elsewhere": ("slack_list_users", {"team_id": "T1"}, "team_id"),
    "joining a private one": ("slack_join_channel", HERE | {"channel_type": "private_channel"}, "must be one of"),
    "joining a team": ("slack_join_channel", {"channel": "Engineering"}, "channel must be a channel's id"),
    "bringing others": ("slack_join_channel", HERE | {"users": [BOB]}, "users"),
    "archiving a talk": ("slack_archive_channel", HERE | {"channel_type": "im"}, "channel_type must be one of"),
    "archiving nothing": ("slack_archive_channel", {"channel": ""}, "channel must have 1"),
    "archiving several": ("slack_archive_channel", {"channel": ["#a", "#b"]}, "channel must be a string"),
    "opening by a name": ("slack_unarchive_channel", {"channel": "#releases"}, "channel must be a channel's id"),
    "opening a talk": ("slack_unarchive_channel", {"channel": "D0SBX000001"}, "channel must be a channel's id"),
    "opening nothing": ("slack_unarchive_channel", {"channel": ""}, "channel must have"),
}


@pytest.mark.parametrize(("tool", "given", "told"), REFUSED.values(), ids=REFUSED)
async def test_what_does_not_fit_or_would_reach_further_is_refused_and_nothing_is_sent(
    acme: Town, agent: Client, tool: str, given: Given, told: str
) -> None:
    before = sum(len(entry["uses"]) for entry in acme.ledger(provider="slack"))
    answer = await agent.call_tool(tool, given)
    assert error_of(answer)["code"] == "invalid_arguments", text_of(answer)
    assert told in text_of(answer)
    assert sum(len(entry["uses"]) for entry in acme.ledger(provider="slack")) == before


MISSING: dict[str, tuple[str, Given, str]] = {
    "a pin": ("slack_add_pin", HERE | {"timestamp": TS}, "pins.add"),
    "a reaction": ("slack_remove_reaction", HERE | {"timestamp": TS, "name": "tada"}, "reactions.remove"),
    "a link": ("slack_get_permalink", HERE | {"ts": TS}, "chat.getPermalink"),
    "files of a stranger": ("slack_list_files", HERE | {"user": "U0NOBODY00"}, "files.list"),
    "pins": ("slack_list_pins", {"channel": "C0NOBODY000"}, "pins.list"),
    "bookmarks": ("slack_list_bookmarks", {"channel": "C0NOBODY000"}, "bookmarks.list"),
    "a closed channel": ("slack_unarchive_channel", {"channel": "C0NOBODY000"}, "conversations.unarchive"),
}


@pytest.mark.parametrize(("tool", "given", "method"), MISSING.values(), ids=MISSING)
async def test_what_is_not_there_is_said_not_to_be_there(
    acme: Town, agent: Client, tool: str, given: Given, method: str
) -> None:
    before = seen(acme, method)
    answer = await acme.call(agent, tool, given)
    assert error_of(answer)["code"] == "not_found", text_of(answer)
    assert seen(acme, method) == before + 1
