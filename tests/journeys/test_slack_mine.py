"""What is mine in Slack, in one call; and what narrows a search, a reading and a list of channels."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from journeys.town import Town, error_of, text_of, town

ALICE, BOB = "U00ALICE01", "U00BOB0002"
ME = f"<@{ALICE}>"
Given = dict[str, Any]
RULES = """
@id("every") permit (principal, action, resource);
@id("no-random") forbid (principal, action, resource) when { resource.name == "#random" };
"""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("mine") / "home", tools={"toolsets": ("all",)}) as built:
        built.running.sandbox.switches.slack_tier_multiplier = 0
        mention(built)
        yield built


@pytest.fixture(scope="module")
async def agent(acme: Town) -> AsyncIterator[Client]:
    async with acme.agent() as connected:
        yield connected


def mention(acme: Town) -> None:
    """Bob writes to alice: in two channels, in one that she alone is in with him, and directly."""
    slack: Any = acme.running.sandbox.inside["slack"]
    state, now = slack.state, acme.running.sandbox.clock.now()
    state.post(state.channel_named("general"), BOB, f"{ME} can you look at the build?", at=now - timedelta(hours=2))
    state.post(state.channel_named("random"), BOB, f"Ask {ME} about mugs.", at=now - timedelta(hours=1))
    private = state.add_conversation("private_channel", "duo", BOB, [ALICE, BOB])
    state.post(private, BOB, f"{ME} between us", at=now - timedelta(minutes=50))
    direct = state.add_conversation("im", "", BOB, [ALICE, BOB])
    state.post(direct, BOB, "Do you have a minute?", at=now - timedelta(minutes=30))
    state.post(direct, ALICE, "In an hour.", at=now - timedelta(minutes=20))


async def said(acme: Town, agent: Client, tool: str, key: str, **given: Any) -> list[Given]:
    answer = await acme.call(agent, tool, given)
    assert not answer.is_error, text_of(answer)
    return list((answer.structured_content or {})[key])


async def texts(acme: Town, agent: Client, **given: Any) -> list[str]:
    return [one["text"] for one in await said(acme, agent, "slack_mine", "messages", **given)]


async def test_my_mentions_are_told_the_newest_first(acme: Town, agent: Client) -> None:
    assert await texts(acme, agent) == [f"Ask {ME} about mugs.", f"{ME} can you look at the build?"]
    both = {"channel_types": ["public_channel", "private_channel"]}
    assert await texts(acme, agent, **both, limit=1) == [f"{ME} between us"]


async def test_what_is_new_since_i_looked(acme: Town, agent: Client) -> None:
    hour = int((acme.running.sandbox.clock.now() - timedelta(minutes=90)).timestamp())
    assert await texts(acme, agent, after=hour) == [f"Ask {ME} about mugs."]


async def test_what_was_sent_to_me_directly_and_what_i_sent(acme: Town, agent: Client) -> None:
    assert await texts(acme, agent, what="direct") == ["Do you have a minute?"]
    mine = await said(acme, agent, "slack_mine", "messages", what="sent", channel_types=["public_channel", "im"])
    assert mine[0]["text"] == "In an hour."
    assert {one["user"] for one in mine} == {ALICE}


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        ({}, ["search:read.public"]),
        ({"what": "sent", "channel_types": ["im"]}, ["search:read.im"]),
        ({"what": "direct"}, ["search:read.im", "search:read.mpim"]),
        ({"what": "direct", "channel_types": ["private_channel"]}, ["search:read.im", "search:read.mpim"]),
    ],
)
async def test_each_kind_of_conversation_takes_its_own_scope(
    acme: Town, agent: Client, given: Given, needed: list[str]
) -> None:
    await texts(acme, agent, **given)
    assert (await acme.records(tool="slack_mine", outcome="ok"))[-1]["needed_permissions"] == needed


async def test_what_a_rule_forbids_is_left_out_of_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "policy").mkdir(parents=True)
    (home / "policy" / "team.cedar").write_text(RULES, encoding="utf-8")
    async with town(home, tools={"toolsets": ("all",)}, policy=home / "policy") as acme, acme.agent() as agent:
        mention(acme)
        assert await texts(acme, agent) == [f"{ME} can you look at the build?"]
        shown = await said(acme, agent, "slack_list_channels", "channels", name="r")
        assert [one["name"] for one in shown] == ["general", "releases"]
        counts = {}
        for name in ("rand", "nothing"):
            answer = await acme.call(agent, "slack_list_channels", {"name": name})
            counts[name] = (answer.structured_content or {})["left_out"]
        assert counts == {"rand": 1, "nothing": 1}, "whether a name is there is not told"


async def test_a_search_is_narrowed_to_a_time_and_sorted_either_way(acme: Town, agent: Client) -> None:
    async def found(**given: Any) -> list[str]:
        given |= {"query": ME, "sort": "timestamp"}
        return [one["channel_name"] for one in await said(acme, agent, "slack_search", "messages", **given)]

    moment = int((acme.running.sandbox.clock.now() - timedelta(minutes=90)).timestamp())
    assert await found() == ["random", "general"]
    assert await found(sort_dir="asc") == ["general", "random"]
    assert await found(after=moment) == ["random"]
    assert await found(before=moment) == ["general"]


async def test_a_reading_holds_its_ends_if_it_is_to(acme: Town, agent: Client) -> None:
    first, second, third = [
        one["ts"] for one in await said(acme, agent, "slack_read_channel", "messages", channel="#general", limit=3)
    ]
    window = {"channel": "#general", "oldest": third, "latest": first}
    between = await said(acme, agent, "slack_read_channel", "messages", **window)
    assert [one["ts"] for one in between] == [second]
    with_ends = await said(acme, agent, "slack_read_channel", "messages", **window, inclusive=True)
    assert [one["ts"] for one in with_ends] == [first, second, third]
    (parent,) = [
        one
        for one in await said(acme, agent, "slack_read_channel", "messages", channel="#releases")
        if one.get("reply_count")
    ]
    thread = {"channel": "#releases", "ts": parent["ts"], "latest": parent["ts"]}
    held = await said(acme, agent, "slack_read_thread", "messages", **thread, inclusive=True)
    assert [one["ts"] for one in held] == [parent["ts"]]


async def test_channels_are_found_by_a_part_of_their_name(acme: Town, agent: Client) -> None:
    (one,) = await said(acme, agent, "slack_list_channels", "channels", name="LEAS")
    assert (one["name"], one["purpose"], one["creator"]) == ("releases", "Release notes.", BOB)
    assert one["is_ext_shared"] is False
    assert await said(acme, agent, "slack_list_channels", "channels", name="nothing") == []


REFUSED: dict[str, tuple[str, Given, str]] = {
    "whose": ("slack_mine", {"what": "theirs"}, "what must be one of mentions, direct, sent"),
    "of another": ("slack_mine", {"user": BOB}, "user"),
    "with other words": ("slack_mine", {"query": "from:bob"}, "query"),
    "in every kind": ("slack_mine", {"channel_types": ["all"]}, "must be one of public_channel"),
    "in one channel": ("slack_mine", {"channel_types": "im"}, "channel_types must be a list"),
    "since never": ("slack_mine", {"after": 0}, "after must be 1"),
    "since a ts": ("slack_mine", {"after": "1700000000.000100"}, "after must be a whole number"),
    "too many": ("slack_mine", {"limit": 21}, "limit must be 1–20"),
    "a search after a date": ("slack_search", {"query": "x", "after": "2024-01-01"}, "after must be a whole number"),
    "a search before a truth": ("slack_search", {"query": "x", "before": True}, "before must be a whole number"),
    "a search upwards": ("slack_search", {"query": "x", "sort_dir": "up"}, "sort_dir must be one of desc, asc"),
    "a search of files": ("slack_search", {"query": "x", "content_types": ["files"]}, "content_types"),
    "ends in words": ("slack_read_channel", {"channel": "#general", "inclusive": "yes"}, "must be true or false"),
    "a thread's ends": (
        "slack_read_thread",
        {"channel": "#general", "ts": "1700000000.000100", "inclusive": 1},
        "inclusive must be true or false",
    ),
    "channels by a list": ("slack_list_channels", {"name": ["general"]}, "name must be a string"),
    "channels by a long name": ("slack_list_channels", {"name": "x" * 81}, "name must have"),
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


async def test_empty_is_as_if_it_were_left_out(acme: Town, agent: Client) -> None:
    whole = await said(acme, agent, "slack_list_channels", "channels")
    assert await said(acme, agent, "slack_list_channels", "channels", name="") == whole
    assert await texts(acme, agent, what="", channel_types=[]) == await texts(acme, agent)
