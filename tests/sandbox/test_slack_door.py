"""The emulated Web API's front door: tokens, scopes, bodies and limits."""

from __future__ import annotations

from typing import Any, cast

import httpx2
import pytest
from slack_app import Json, browser, call, channel_id, token

from catalog.slack_pages import slack
from loaner.sandbox.run import RunningSandbox
from loaner.sandbox.slack.api import HANDLERS
from loaner.sandbox.slack.methods import METHODS, PER_MINUTE


@pytest.fixture
def documented() -> dict[str, Json]:
    return cast("dict[str, Json]", slack())


def test_every_method_has_a_handler() -> None:
    assert set(HANDLERS) == set(METHODS)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_the_table_names_only_scopes_and_tiers_that_the_documentation_lists(
    documented: dict[str, Json], name: str
) -> None:
    method = METHODS[name]
    assert set(method.accepted) <= set(documented[name]["scopes"].get("user") or [])
    assert bool(method.accepted) == bool(documented[name]["scopes"].get("user"))
    stated = documented[name]["rate_limit"]
    assert stated.startswith("Special") or f"{PER_MINUTE[method.tier]}+" in stated


SCOPED = [
    ("conversations.list", {}, "channels:read"),
    ("conversations.list", {"types": "private_channel"}, "groups:read"),
    ("conversations.list", {"types": "im"}, "im:read"),
    ("conversations.list", {"types": "mpim"}, "mpim:read"),
    ("users.conversations", {}, "channels:read"),
    ("conversations.info", {"channel": "general"}, "channels:read"),
    ("conversations.info", {"channel": "board"}, "groups:read"),
    ("conversations.members", {"channel": "general"}, "channels:read"),
    ("conversations.history", {"channel": "general"}, "channels:history"),
    ("conversations.history", {"channel": "board"}, "groups:history"),
    ("conversations.replies", {"channel": "board", "ts": "1.0"}, "groups:history"),
    ("conversations.create", {"name": "one"}, "channels:write"),
    ("conversations.create", {"name": "one", "is_private": "true"}, "groups:write"),
    ("conversations.invite", {"channel": "releases", "users": "U0CAROL001"}, "channels:write.invites"),
    ("conversations.invite", {"channel": "board", "users": "U0CAROL001"}, "groups:write.invites"),
    ("conversations.setTopic", {"channel": "general", "topic": "t"}, "channels:write.topic"),
    ("conversations.setTopic", {"channel": "board", "topic": "t"}, "groups:write.topic"),
    ("conversations.open", {"users": "U00BOB0002"}, "im:write"),
    ("conversations.open", {"users": "U00BOB0002,U0CAROL001"}, "mpim:write"),
    ("chat.postMessage", {"channel": "general", "text": "t"}, "chat:write"),
    ("chat.scheduleMessage", {"channel": "general", "text": "t", "post_at": "1"}, "chat:write"),
    ("chat.update", {"channel": "general", "ts": "1.0", "text": "t"}, "chat:write"),
    ("chat.delete", {"channel": "general", "ts": "1.0"}, "chat:write"),
    ("reactions.add", {"channel": "general", "timestamp": "1.000000", "name": "eyes"}, "reactions:write"),
    ("reactions.get", {"channel": "general", "timestamp": "1.000000"}, "reactions:read"),
    ("users.info", {"user": "U00BOB0002"}, "users:read"),
    ("users.lookupByEmail", {"email": "bob@acme.example"}, "users:read.email"),
    ("assistant.search.context", {"query": "web"}, "search:read.public"),
    ("assistant.search.context", {"query": "web", "channel_types": "private_channel"}, "search:read.private"),
    ("assistant.search.context", {"query": "web", "channel_types": "im"}, "search:read.im"),
    ("assistant.search.context", {"query": "web", "channel_types": "mpim"}, "search:read.mpim"),
    ("assistant.search.context", {"query": "web", "content_types": "users"}, "search:read.users"),
    ("files.getUploadURLExternal", {"filename": "a", "length": "1"}, "files:write"),
    ("files.completeUploadExternal", {"files": '[{"id": "F0"}]'}, "files:write"),
    ("canvases.create", {"title": "t"}, "canvases:write"),
]
"""Method, arguments (a channel by name, replaced by its id), and the one scope that must do and no other."""

ALL = (
    "channels:read groups:read im:read mpim:read channels:history groups:history im:history mpim:history "
    "channels:write groups:write im:write mpim:write channels:write.invites groups:write.invites "
    "channels:write.topic groups:write.topic chat:write reactions:write reactions:read users:read users:read.email "
    "search:read.public search:read.private search:read.im search:read.mpim search:read.users search:read.files "
    "files:write canvases:write"
)


@pytest.mark.parametrize(("method", "args", "scope"), SCOPED)
async def test_one_scope_opens_a_method_and_all_the_others_together_do_not(
    sandbox: RunningSandbox, method: str, args: dict[str, str], scope: str
) -> None:
    if "channel" in args and method.startswith(("conversations.", "reactions.")):
        args = args | {"channel": await channel_id(sandbox, args["channel"])}
    with_it = await call(sandbox, await token(sandbox, scope), method, **args)
    assert with_it.get("error") != "missing_scope"
    # A broader scope of the same family may do as well, where the documentation lists it beside the narrow one.
    broader = scope.removesuffix(".invites").removesuffix(".topic")
    others = " ".join(each for each in ALL.split() if each not in {scope, broader})
    without = await call(sandbox, await token(sandbox, others), method, **args)
    assert without["error"] == "missing_scope"
    assert without["needed"].split(",")[0] == scope
    assert without["provided"] == ",".join(others.split())


async def post(sandbox: RunningSandbox, method: str, **sent: Any) -> httpx2.Response:
    async with browser() as http:
        return await http.post(f"{sandbox.urls['slack_api']}/{method}", **sent)


async def test_an_answer_names_the_scopes_it_saw_and_those_it_accepts(sandbox: RunningSandbox) -> None:
    key = await token(sandbox, "channels:read chat:write")
    answer = await post(sandbox, "conversations.info", headers={"authorization": f"Bearer {key}"})
    assert answer.headers["x-oauth-scopes"] == "channels:read,chat:write"
    assert answer.headers["x-accepted-oauth-scopes"] == "channels:read,groups:read,im:read,mpim:read"


async def test_a_token_comes_in_the_header_or_a_form_and_nowhere_else(sandbox: RunningSandbox) -> None:
    key = await token(sandbox, "chat:write")
    url = f"{sandbox.urls['slack_api']}/auth.test"
    async with browser() as http:
        assert (await http.get(url, headers={"authorization": f"Bearer {key}"})).json()["user"] == "alice"
        assert (await http.post(url, data={"token": key})).json()["user"] == "alice"
        for refused in (http.get(url, params={"token": key}), http.post(url, json={"token": key}), http.get(url)):
            assert (await refused).json() == {"ok": False, "error": "not_authed"}
        unknown = await http.get(url, headers={"authorization": "Bearer xoxp-unknown"})
    assert unknown.json()["error"] == "invalid_auth"


async def test_a_refresh_token_opens_nothing(sandbox: RunningSandbox) -> None:
    key = await token(sandbox, "chat:write")
    refresh = next(entry for entry in sandbox.sandbox.ledger if entry.kind == "refresh")
    assert refresh.subject == "alice"
    assert (await call(sandbox, key.replace("xoxe.xoxp-1-", "xoxe-1-"), "auth.test"))["error"] == "invalid_auth"


async def test_reading_methods_take_forms_and_writing_ones_json_too(sandbox: RunningSandbox) -> None:
    key = await token(sandbox, "chat:write users:read")
    headers = {"authorization": f"Bearer {key}"}
    sent = await post(sandbox, "chat.postMessage", json={"channel": "#general", "text": "hi"}, headers=headers)
    assert sent.json()["ok"]
    read = {"json": {"user": "U00BOB0002"}, "headers": headers}
    assert (await post(sandbox, "users.info", **read)).json()["error"] == "invalid_arguments"
    sandbox.sandbox.switches.slack_reads_accept_json = True
    assert (await post(sandbox, "users.info", **read)).json()["user"]["name"] == "bob"
    broken = await post(
        sandbox, "chat.postMessage", content=b"{", headers=headers | {"content-type": "application/json"}
    )
    assert broken.json()["error"] == "invalid_json"


async def test_an_unknown_method_is_said_so(sandbox: RunningSandbox) -> None:
    assert (await call(sandbox, "x", "chat.shout"))["error"] == "unknown_method"


async def test_a_tier_is_counted_by_method_and_says_when_to_come_back(sandbox: RunningSandbox) -> None:
    sandbox.sandbox.switches.slack_tier_multiplier = 1
    key = await token(sandbox, "channels:read chat:write")
    headers = {"authorization": f"Bearer {key}"}
    for _ in range(20):
        assert (await post(sandbox, "conversations.list", headers=headers)).status_code == 200
    over = await post(sandbox, "conversations.list", headers=headers)
    assert (over.status_code, over.json()["error"]) == (429, "ratelimited")
    assert 1 <= int(over.headers["retry-after"]) <= 60
    assert (await post(sandbox, "conversations.info", headers=headers)).status_code == 200
    sandbox.sandbox.clock.advance(int(over.headers["retry-after"]))
    assert (await post(sandbox, "conversations.list", headers=headers)).status_code == 200
    entry = sandbox.sandbox.ledger.find(key)
    assert entry is not None
    assert [use.status for use in entry.uses].count(429) == 1


async def test_one_message_a_second_in_a_channel_is_a_switch(sandbox: RunningSandbox) -> None:
    sandbox.sandbox.switches.slack_posting_limit = True
    key = await token(sandbox, "chat:write")
    headers = {"authorization": f"Bearer {key}"}

    async def say(channel: str) -> int:
        data = {"channel": channel, "text": "hi"}
        return (await post(sandbox, "chat.postMessage", data=data, headers=headers)).status_code

    assert [await say("general"), await say("random"), await say("general")] == [200, 200, 429]
    sandbox.sandbox.clock.advance(1)
    assert await say("general") == 200


async def test_a_provider_that_changed_its_rules_is_a_fault(sandbox: RunningSandbox) -> None:
    sandbox.sandbox.faults.add("slack", "wrong_scope", path="chat.postMessage", count=1)
    key = await token(sandbox, "chat:write")
    refused = await call(sandbox, key, "chat.postMessage", channel="general", text="hi")
    assert (refused["error"], refused["needed"]) == ("missing_scope", "admin")
    assert (await call(sandbox, key, "chat.postMessage", channel="general", text="hi"))["ok"]
