"""Pins, bookmarks, files, links, people, joining and archiving, as Slack's own client asks for them."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import pytest
from slack_app import channel_id, token
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from loaner.sandbox.run import RunningSandbox
from loaner.sandbox.slack.seed import CAROL

SCOPES = "channels:read channels:history channels:write chat:write pins:read pins:write bookmarks:read files:read"


class Sdk:
    """Blocks, and the sandbox serves in this very loop: so each call has a thread."""

    def __init__(self, running: RunningSandbox, key: str) -> None:
        self._client = WebClient(token=key, base_url=f"{running.urls['slack_api']}/")

    async def ask(self, method: str, **args: Any) -> Any:
        return await anyio.to_thread.run_sync(partial(getattr(self._client, method), **args))

    async def error(self, method: str, **args: Any) -> str:
        with pytest.raises(SlackApiError) as refused:
            await self.ask(method, **args)
        return str(refused.value.response["error"])


async def test_its_client_pins_reads_bookmarks_and_links(sandbox: RunningSandbox) -> None:
    sdk = Sdk(sandbox, await token(sandbox, SCOPES))
    channel = await channel_id(sandbox, "releases")
    first, second = (await sdk.ask("pins_list", channel=channel))["items"], "1.000001"
    assert [item["message"]["text"] for item in first] == ["web 1.4.0 is out."]
    ts = first[0]["message"]["ts"]
    assert await sdk.error("pins_add", channel=channel, timestamp=ts) == "already_pinned"
    assert await sdk.error("pins_add", channel=channel, timestamp=second) == "message_not_found"
    assert await sdk.error("pins_add", channel=channel) == "no_item_specified"
    link = (await sdk.ask("chat_getPermalink", channel=channel, message_ts=ts))["permalink"]
    assert link == first[0]["message"]["permalink"]
    (bookmark,) = (await sdk.ask("bookmarks_list", channel_id=channel))["bookmarks"]
    assert bookmark["type"] == "link"


async def test_its_client_joins_archives_and_unarchives(sandbox: RunningSandbox) -> None:
    bob = Sdk(sandbox, await token(sandbox, SCOPES, login="bob"))
    alice = Sdk(sandbox, await token(sandbox, SCOPES))
    made = (await bob.ask("conversations_create", name="shut"))["channel"]["id"]
    assert (await alice.ask("conversations_join", channel=made))["channel"]["is_member"]
    assert (await alice.ask("conversations_join", channel=made))["warning"] == "already_in_channel"
    assert (await alice.ask("conversations_archive", channel=made))["ok"]
    assert await alice.error("conversations_archive", channel=made) == "already_archived"
    assert await alice.error("conversations_join", channel=made) == "is_archived"
    assert await alice.error("chat_postMessage", channel=made, text="hi") == "is_archived"
    listed = (await alice.ask("conversations_list", exclude_archived=True))["channels"]
    assert made not in {one["id"] for one in listed}
    assert (await alice.ask("conversations_unarchive", channel=made))["ok"]
    assert await alice.error("conversations_unarchive", channel=made) == "not_archived"
    general = await channel_id(sandbox, "general")
    assert await alice.error("conversations_archive", channel=general) == "cant_archive_general"


async def test_its_client_lists_files_and_people(sandbox: RunningSandbox) -> None:
    sdk = Sdk(sandbox, await token(sandbox, f"{SCOPES} users:read"))
    random = await channel_id(sandbox, "random")
    answer = await sdk.ask("files_list", channel=random, types="snippets")
    assert [file["name"] for file in answer["files"]] == ["pump.txt"]
    assert answer["paging"] == {"count": 100, "total": 1, "page": 1, "pages": 1}
    assert (await sdk.ask("files_list", channel=random, page=2))["files"] == []
    assert await sdk.error("files_list", types="films") == "unknown_type"
    assert await sdk.error("files_list", user="U0NOBODY00") == "user_not_found"
    people = (await sdk.ask("users_list", limit=2))["members"]
    assert [one["name"] for one in people] == ["alice", "bob"]
    everybody = (await sdk.ask("users_list"))["members"]
    assert everybody[-1]["profile"]["status_text"] == CAROL.status_text


async def test_each_needs_its_own_scope(sandbox: RunningSandbox) -> None:
    sdk = Sdk(sandbox, await token(sandbox, "chat:write"))
    channel = await channel_id(sandbox, "releases")
    for method, args in {
        "pins_list": {"channel": channel},
        "pins_add": {"channel": channel, "timestamp": "1.000001"},
        "bookmarks_list": {"channel_id": channel},
        "files_list": {"channel": channel},
        "users_list": {},
        "conversations_join": {"channel": channel},
        "conversations_archive": {"channel": channel},
        "reactions_remove": {"channel": channel, "timestamp": "1.000001", "name": "tada"},
    }.items():
        assert await sdk.error(method, **args) == "missing_scope", method
