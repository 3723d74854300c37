"""The emulated Slack, driven by Slack's own client."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import pytest
from slack_app import REDIRECT, SECRET, VERIFIER, authorized, decide, token
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.token_rotation import TokenRotator

from loaner.sandbox.run import RunningSandbox


def client_of(running: RunningSandbox, key: str | None = None) -> WebClient:
    return WebClient(token=key, base_url=f"{running.urls['slack_api']}/")


async def in_thread(function: Any, *args: Any, **named: Any) -> Any:
    """The client blocks, and the sandbox serves in this very loop."""
    return await anyio.to_thread.run_sync(partial(function, *args, **named))


async def test_its_client_lists_reads_posts_and_reacts(sandbox: RunningSandbox) -> None:
    scope = "channels:read channels:history chat:write reactions:write reactions:read"
    client = client_of(sandbox, await token(sandbox, scope))
    assert (await in_thread(client.auth_test))["user"] == "alice"
    channels = (await in_thread(client.conversations_list, limit=2))["channels"]
    assert [channel["name"] for channel in channels] == ["general", "releases"]
    posted = await in_thread(client.chat_postMessage, channel="#general", text="from the SDK", unfurl_links=False)
    where = {"channel": posted["channel"], "timestamp": posted["ts"]}
    await in_thread(client.reactions_add, **where, name="eyes")
    seen = await in_thread(client.reactions_get, **where)
    assert seen["message"]["reactions"][0]["name"] == "eyes"
    history = await in_thread(client.conversations_history, channel=posted["channel"], limit=1)
    assert history["messages"][0]["text"] == "from the SDK"
    assert (await in_thread(client.auth_revoke))["revoked"]
    with pytest.raises(SlackApiError) as refused:
        await in_thread(client.auth_test)
    assert refused.value.response["error"] == "token_revoked"


async def test_its_iterator_follows_the_cursor(sandbox: RunningSandbox) -> None:
    client = client_of(sandbox, await token(sandbox, "channels:read"))

    def pages() -> list[int]:
        return [len(page["channels"]) for page in client.conversations_list(limit=2)]

    assert await anyio.to_thread.run_sync(pages) == [2, 1]


async def test_its_error_carries_the_scope_that_is_missing(sandbox: RunningSandbox) -> None:
    client = client_of(sandbox, await token(sandbox, "channels:read"))
    with pytest.raises(SlackApiError) as refused:
        await in_thread(client.chat_postMessage, channel="#general", text="no")
    assert refused.value.response["needed"] == "chat:write"
    assert refused.value.response.headers["x-oauth-scopes"] == "channels:read"


async def test_its_upload_helper_goes_through_all_three_steps(sandbox: RunningSandbox) -> None:
    key = await token(sandbox, "files:write channels:read channels:history")
    client = client_of(sandbox, key)
    channel = (await in_thread(client.conversations_list))["channels"][0]["id"]
    done = await in_thread(
        client.files_upload_v2, channel=channel, filename="a.txt", content="hello", request_file_info=False
    )
    assert done["files"][0]["name"] == "a.txt"
    newest = (await in_thread(client.conversations_history, channel=channel, limit=1))["messages"][0]
    assert newest["files"][0]["size"] == 5


async def test_its_exchange_reads_the_answer_of_the_token_endpoint(sandbox: RunningSandbox) -> None:
    code = (await decide(sandbox, "chat:write"))["code"]
    answer = await in_thread(
        client_of(sandbox).api_call,
        "oauth.v2.user.access",
        data={"code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER},
        auth={"client_id": SECRET[0], "client_secret": SECRET[1]},
    )
    assert answer["access_token"].startswith("xoxe.xoxp-1-")


async def test_its_rotator_renews_a_user_token(sandbox: RunningSandbox) -> None:
    given = await authorized(sandbox, "chat:write")
    rotator = TokenRotator(client_id=SECRET[0], client_secret=SECRET[1], client=client_of(sandbox))
    held = Installation(
        user_id=given["user_id"],
        user_token=given["access_token"],
        user_refresh_token=given["refresh_token"],
        user_token_expires_in=60,
    )
    renewed = await in_thread(rotator.perform_token_rotation, installation=held)
    assert renewed.user_token != given["access_token"]
    assert (await in_thread(client_of(sandbox, renewed.user_token).auth_test))["ok"]
