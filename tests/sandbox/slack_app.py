"""Getting a Slack token the way an app does, page by page, for the tests of the emulated Slack."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from loaner.sandbox import pages
from loaner.sandbox.run import RunningSandbox
from loaner.sandbox.slack.oauth import challenge_of
from loaner.sandbox.slack.registered import CLIENT_ID, CLIENT_SECRET

REDIRECT = "http://127.0.0.1:1/callback/slack"
VERIFIER = "v" * 50
SECRET = (CLIENT_ID, CLIENT_SECRET)

Json = dict[str, Any]

_NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Everything here is plain HTTP on loopback; loading the authorities for each client would take most of a test."""


def browser(**options: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(verify=_NO_AUTHORITIES, **options)


async def decide(
    running: RunningSandbox, scope: str, *, login: str = "alice", decision: str = "allow", **changes: str | None
) -> Json:
    """Sign in, open the consent page, press a button; the query of the redirect that follows."""
    query = {
        "client_id": CLIENT_ID,
        "scope": scope,
        "redirect_uri": REDIRECT,
        "state": "the state",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
    } | changes
    async with browser(base_url=running.base_url) as http:
        await http.post("/slack/login", data={"login": login, "return_to": "/slack/oauth"})
        asked = {name: value for name, value in query.items() if value is not None}
        shown = await http.get("/slack/oauth/v2_user/authorize", params=asked)
        assert shown.status_code == 200, shown.text
        form = pages.read(str(shown.url), shown.status_code, shown.text).forms[0]
        answer = await http.post(form.action, data=form.fields | {"decision": decision})
    assert answer.headers["location"].startswith(REDIRECT)
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


async def exchange(running: RunningSandbox, *, door: str = "oauth.v2.user.access", **fields: str) -> Json:
    async with browser() as http:
        answer = await http.post(f"{running.urls['slack_api']}/{door}", data=fields, auth=SECRET)
    assert answer.status_code == 200
    found: Json = answer.json()
    return found


async def authorized(running: RunningSandbox, scope: str, *, login: str = "alice") -> Json:
    """A fresh authorization with these scopes: the answer of the token endpoint."""
    code = (await decide(running, scope, login=login))["code"]
    answer = await exchange(running, code=code, redirect_uri=REDIRECT, code_verifier=VERIFIER)
    assert answer["ok"], answer
    return answer


async def token(running: RunningSandbox, scope: str, *, login: str = "alice") -> str:
    return str((await authorized(running, scope, login=login))["access_token"])


async def call(running: RunningSandbox, key: str, method: str, **args: Any) -> Json:
    """One call with a form body."""
    async with browser() as http:
        answer = await http.post(
            f"{running.urls['slack_api']}/{method}", data=args, headers={"authorization": f"Bearer {key}"}
        )
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def channel_id(running: RunningSandbox, name: str) -> str:
    """The id of a channel that alice sees."""
    key = await token(running, "channels:read groups:read")
    listed = await call(running, key, "conversations.list", types="public_channel,private_channel")
    return next(str(channel["id"]) for channel in listed["channels"] if channel["name"] == name)
