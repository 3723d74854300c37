"""What the emulated Slack's methods do to its workspace, and how they refuse."""

from __future__ import annotations

import json

import pytest
from slack_app import Json, browser, call, channel_id, token

from loaner.sandbox.run import RunningSandbox
from loaner.sandbox.slack.seed import CAROL
from loaner.sandbox.world import PEOPLE

ALICE, BOB = PEOPLE["alice"].slack_id, PEOPLE["bob"].slack_id
HISTORY = "channels:history groups:history im:history mpim:history"
READ = "channels:read groups:read im:read mpim:read"


def texts(answer: Json) -> list[str]:
    return [message["text"] for message in answer["messages"]]


async def test_listing_shows_the_kinds_asked_for_and_what_the_person_may_see(sandbox: RunningSandbox) -> None:
    both = {"types": "public_channel,private_channel"}

    async def names(login: str, **args: str) -> list[str]:
        answer = await call(sandbox, await token(sandbox, READ, login=login), "conversations.list", **args)
        return [channel["name"] for channel in answer["channels"]]

    assert await names("alice") == ["general", "releases", "random"]
    assert await names("alice", **both) == ["general", "releases", "random", "board"]
    assert await names("bob", **both) == ["general", "releases", "random"]
    assert await names("alice", types="private_channel") == ["board"]


async def test_a_page_is_followed_by_its_cursor(sandbox: RunningSandbox) -> None:
    key = await token(sandbox, READ)
    first = await call(sandbox, key, "conversations.list", limit=2)
    cursor = first["response_metadata"]["next_cursor"]
    second = await call(sandbox, key, "conversations.list", limit=2, cursor=cursor)
    assert [len(first["channels"]), len(second["channels"])] == [2, 1]
    assert second["response_metadata"]["next_cursor"] == ""
    assert (await call(sandbox, key, "conversations.list", cursor="????"))["error"] == "invalid_cursor"
    assert (await call(sandbox, key, "conversations.list", limit=1000))["error"] == "invalid_limit"
    assert (await call(sandbox, key, "conversations.list", types="all"))["error"] == "invalid_types"


async def test_a_posted_message_is_in_the_history_and_a_reply_is_in_its_thread(sandbox: RunningSandbox) -> None:
    key = await token(sandbox, f"{HISTORY} chat:write")
    general = await channel_id(sandbox, "general")
    posted = await call(sandbox, key, "chat.postMessage", channel="#general", text="hello")
    assert posted["channel"] == general
    assert posted["message"]["user"] == ALICE
    reply = await call(sandbox, key, "chat.postMessage", channel=general, text="again", thread_ts=posted["ts"])
    history = await call(sandbox, key, "conversations.history", channel=general)
    assert texts(history)[0] == "hello"
    assert history["messages"][0]["reply_count"] == 1
    thread = await call(sandbox, key, "conversations.replies", channel=general, ts=posted["ts"])
    assert texts(thread) == ["hello", "again"]
    window = {"oldest": posted["ts"], "latest": reply["ts"]}
    assert texts(await call(sandbox, key, "conversations.history", channel=general, **window)) == []
    inclusive = await call(sandbox, key, "conversations.history", channel=general, inclusive="true", **window)
    assert texts(inclusive) == ["hello"]


async def test_only_an_author_changes_or_deletes_a_message(sandbox: RunningSandbox) -> None:
    alice = await token(sandbox, f"{HISTORY} chat:write")
    bob = await token(sandbox, "chat:write", login="bob")
    posted = await call(sandbox, alice, "chat.postMessage", channel="random", text="draft")
    where = {"channel": posted["channel"], "ts": posted["ts"]}
    assert (await call(sandbox, bob, "chat.update", **where, text="mine"))["error"] == "cant_update_message"
    assert (await call(sandbox, bob, "chat.delete", **where))["error"] == "cant_delete_message"
    assert (await call(sandbox, alice, "chat.update", **where, text="final"))["text"] == "final"
    latest = await call(sandbox, alice, "conversations.history", channel=posted["channel"], limit=1)
    assert texts(latest) == ["final"]
    assert "edited" in latest["messages"][0]
    assert (await call(sandbox, alice, "chat.delete", **where))["ok"]
    assert (await call(sandbox, alice, "chat.delete", **where))["error"] == "message_not_found"


async def test_what_a_person_cannot_see_is_not_found_whatever_the_scopes(sandbox: RunningSandbox) -> None:
    board = await channel_id(sandbox, "board")
    bob = await token(sandbox, f"{READ} {HISTORY} chat:write reactions:write", login="bob")
    for method, args in {
        "conversations.info": {},
        "conversations.history": {},
        "conversations.members": {},
        "chat.postMessage": {"text": "hello"},
        "reactions.add": {"name": "eyes", "timestamp": "1.000000"},
    }.items():
        assert (await call(sandbox, bob, method, channel=board, **args))["error"] == "channel_not_found"
    assert (await call(sandbox, bob, "chat.postMessage", channel="#board", text="hi"))["error"] == "channel_not_found"


async def test_only_posting_takes_a_channels_name(sandbox: RunningSandbox) -> None:
    key = await token(sandbox, f"{HISTORY} chat:write reactions:write")
    assert (await call(sandbox, key, "chat.postMessage", channel="general", text="hello"))["ok"]
    for name in ("general", "#general"):
        assert (await call(sandbox, key, "conversations.history", channel=name))["error"] == "channel_not_found"


async def test_a_made_channel_is_listed_and_others_join_by_invitation(sandbox: RunningSandbox) -> None:
    alice = await token(sandbox, f"{READ} channels:write channels:write.invites channels:write.topic")
    bob = await token(sandbox, "chat:write channels:write", login="bob")
    made = (await call(sandbox, alice, "conversations.create", name="launch"))["channel"]
    assert made["is_member"]
    assert (await call(sandbox, alice, "conversations.create", name="launch"))["error"] == "name_taken"
    assert (await call(sandbox, alice, "conversations.create", name="Bad Name"))["error"] == "invalid_name_specials"
    assert (await call(sandbox, alice, "conversations.create"))["error"] == "invalid_name_required"
    assert (await call(sandbox, bob, "chat.postMessage", channel="#launch", text="hi"))["error"] == "not_in_channel"
    assert (await call(sandbox, bob, "conversations.invite", channel=made["id"], users=BOB))[
        "error"
    ] == "not_in_channel"
    invited = await call(sandbox, alice, "conversations.invite", channel=made["id"], users=f"{BOB},{CAROL.id}")
    assert invited["channel"]["num_members"] == 3
    again = await call(sandbox, alice, "conversations.invite", channel=made["id"], users=BOB)
    assert again["error"] == "already_in_channel"
    members = await call(sandbox, alice, "conversations.members", channel=made["id"])
    assert members["members"] == [ALICE, BOB, CAROL.id]
    assert (await call(sandbox, bob, "chat.postMessage", channel="#launch", text="hi"))["ok"]
    topic = await call(sandbox, alice, "conversations.setTopic", channel=made["id"], topic="Friday")
    assert topic["channel"]["topic"]["value"] == "Friday"


async def test_the_same_people_share_one_direct_conversation(sandbox: RunningSandbox) -> None:
    alice = await token(sandbox, "im:write mpim:write chat:write")
    bob = await token(sandbox, "im:write im:history im:read", login="bob")
    opened = await call(sandbox, alice, "conversations.open", users=BOB)
    assert opened["channel"]["id"].startswith("D")
    same = await call(sandbox, bob, "conversations.open", users=ALICE, return_im="true")
    assert (same["already_open"], same["channel"]["id"]) == (True, opened["channel"]["id"])
    await call(sandbox, alice, "chat.postMessage", channel=opened["channel"]["id"], text="psst")
    assert texts(await call(sandbox, bob, "conversations.history", channel=opened["channel"]["id"])) == ["psst"]
    group = await call(sandbox, alice, "conversations.open", users=f"{BOB},{CAROL.id}")
    assert group["channel"]["id"].startswith("G")
    assert (await call(sandbox, alice, "conversations.open", users="U0"))["error"] == "user_not_found"


async def test_a_scheduled_message_is_posted_when_its_time_has_come(sandbox: RunningSandbox) -> None:
    key = await token(sandbox, f"{HISTORY} chat:write")
    general = await channel_id(sandbox, "general")
    now = int(sandbox.sandbox.clock().timestamp())

    async def schedule(post_at: int) -> Json:
        return await call(sandbox, key, "chat.scheduleMessage", channel=general, text="later", post_at=post_at)

    assert (await schedule(now - 5))["error"] == "time_in_past"
    assert (await schedule(now + 121 * 86_400))["error"] == "time_too_far"
    assert (await schedule(now + 600))["scheduled_message_id"].startswith("Q")
    assert "later" not in texts(await call(sandbox, key, "conversations.history", channel=general))
    sandbox.sandbox.clock.advance(601)
    assert texts(await call(sandbox, key, "conversations.history", channel=general))[0] == "later"


async def test_a_reaction_is_added_once_by_each_person(sandbox: RunningSandbox) -> None:
    alice = await token(sandbox, "channels:history reactions:write reactions:read")
    bob = await token(sandbox, "reactions:write", login="bob")
    general = await channel_id(sandbox, "general")
    newest = (await call(sandbox, alice, "conversations.history", channel=general))["messages"][0]["ts"]
    item = {"channel": general, "timestamp": newest}
    assert (await call(sandbox, alice, "reactions.add", **item, name="eyes"))["ok"]
    assert (await call(sandbox, alice, "reactions.add", **item, name="eyes"))["error"] == "already_reacted"
    assert (await call(sandbox, bob, "reactions.add", **item, name="eyes"))["ok"]
    got = await call(sandbox, alice, "reactions.get", **item)
    assert got["message"]["reactions"] == [{"name": "eyes", "users": [ALICE, BOB], "count": 2}]
    wrong = [("name", ":eyes:", "invalid_name"), ("timestamp", "soon", "bad_timestamp")]
    wrong += [("timestamp", "1.000000", "message_not_found"), ("channel", "", "no_item_specified")]
    for field, value, error in wrong:
        assert (await call(sandbox, alice, "reactions.add", **{**item, "name": "wave", field: value}))["error"] == error


async def test_people_are_found_and_an_address_needs_its_own_scope(sandbox: RunningSandbox) -> None:
    plain = await token(sandbox, "users:read")
    address = await token(sandbox, "users:read users:read.email")
    assert "email" not in (await call(sandbox, plain, "users.info", user=BOB))["user"]["profile"]
    assert (await call(sandbox, address, "users.info", user=BOB))["user"]["profile"]["email"] == PEOPLE["bob"].email
    found = await call(sandbox, address, "users.lookupByEmail", email=PEOPLE["bob"].email.upper())
    assert found["user"]["id"] == BOB
    assert (await call(sandbox, address, "users.lookupByEmail", email="x@y.z"))["error"] == "users_not_found"
    assert (await call(sandbox, plain, "users.info", user="U0"))["error"] == "user_not_found"


async def test_a_search_stays_within_the_kinds_and_the_person(sandbox: RunningSandbox) -> None:
    alice = await token(sandbox, "search:read.public search:read.private search:read.users")
    bob = await token(sandbox, "search:read.public search:read.private", login="bob")
    everywhere = {"query": "quarterly numbers", "channel_types": "public_channel,private_channel"}
    found = (await call(sandbox, alice, "assistant.search.context", **everywhere))["results"]["messages"]
    assert [hit["content"] for hit in found] == ["Draft of the quarterly numbers is ready."]
    public = await call(sandbox, alice, "assistant.search.context", query="quarterly")
    assert public["results"]["messages"] == []
    hidden = await call(sandbox, bob, "assistant.search.context", **everywhere)
    assert hidden["results"]["messages"] == []
    people = await call(sandbox, alice, "assistant.search.context", query="carol", content_types="users")
    assert [person["id"] for person in people["results"]["users"]] == [CAROL.id]
    assert (await call(sandbox, alice, "assistant.search.context", query=" "))["error"] == "missing_query"


def paths_of(sandbox: RunningSandbox, key: str, part: str) -> list[str]:
    """What the token was sent with, by the ledger."""
    entry = sandbox.sandbox.ledger.find(key)
    assert entry
    return [use.path for use in entry.uses if part in use.path]


async def test_an_upload_goes_to_its_address_once_and_the_ledger_tells_of_a_token(
    sandbox: RunningSandbox,
) -> None:
    key = await token(sandbox, "files:write channels:history")
    general = await channel_id(sandbox, "general")
    ticket = await call(sandbox, key, "files.getUploadURLExternal", filename="notes.txt", length=5)
    done = {"files": json.dumps([{"id": ticket["file_id"], "title": "Notes"}]), "channel_id": general}
    assert (await call(sandbox, key, "files.completeUploadExternal", **done))["error"] == "file_not_found"
    async with browser() as http:
        url = ticket["upload_url"]
        assert (await http.post(url, content=b"too long")).status_code == 400
        assert not paths_of(sandbox, key, "/upload/")
        assert (await http.post(url, content=b"hello", headers={"authorization": f"Bearer {key}"})).text == "OK - 5"
        assert len(paths_of(sandbox, key, "/upload/")) == 1
        assert (await http.post(url, content=b"again")).status_code == 404
    finished = await call(sandbox, key, "files.completeUploadExternal", **done, initial_comment="see here")
    assert (finished["files"][0]["title"], finished["files"][0]["size"]) == ("Notes", 5)
    newest = (await call(sandbox, key, "conversations.history", channel=general, limit=1))["messages"][0]
    assert (newest["text"], newest["files"][0]["id"]) == ("see here", ticket["file_id"])


async def test_a_canvas_is_made(sandbox: RunningSandbox) -> None:
    key = await token(sandbox, "canvases:write")
    content = json.dumps({"type": "markdown", "markdown": "# Plan"})
    made = await call(sandbox, key, "canvases.create", title="Plan", document_content=content)
    assert made["canvas_id"].startswith("F")
    wrong = await call(sandbox, key, "canvases.create", document_content='{"type": "html"}')
    assert wrong["error"] == "canvas_creation_failed"


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ({"channel": "general"}, "no_text"),
        ({"text": "x"}, "invalid_arguments"),
        ({"channel": "general", "text": "x", "thread_ts": "1.000001"}, "cannot_reply_to_message"),
        ({"channel": "general", "text": "x" * 40_001}, "msg_too_long"),
        ({"channel": "general", "markdown_text": "x" * 12_001}, "msg_too_long"),
        ({"channel": "general", "blocks": "{}"}, "invalid_blocks_format"),
        ({"channel": "general", "blocks": "["}, "invalid_arguments"),
    ],
)
async def test_a_message_without_what_it_needs_is_refused(
    sandbox: RunningSandbox, args: dict[str, str], error: str
) -> None:
    assert (await call(sandbox, await token(sandbox, "chat:write"), "chat.postMessage", **args))["error"] == error
