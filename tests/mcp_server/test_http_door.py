"""The HTTP door on a real port, driven by the SDK's client and by raw requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx2
import pytest

from loaner.clock import utc_now
from loaner.errors import SettingsInvalid
from loaner.mcp_server.http import MAX_BODY, create_app
from loaner.mcp_server.own_tools import OWN
from mcp_server.doors import ERAS, LEGACY, LIST, MODERN, Door, open_door
from mcp_server.fakes import FakeLoaner, consent_needed
from mcp_server.issuing import ISSUER, token


@pytest.fixture
async def door(anyio_backend: str) -> AsyncIterator[Door]:
    async with open_door() as opened:
        yield opened


@pytest.mark.parametrize("era", ERAS)
async def test_a_verified_agent_lists_and_calls(door: Door, era: str) -> None:
    door.served.journey.script = [{"n": 5}]
    async with door.agent(era) as agent:
        assert len((await agent.list_tools()).tools) == 2 + len(OWN)
        result = await agent.call_tool("github_get_me", {"text": "x"})
    assert result.structured_content == {"n": 5}
    caller = door.served.journey.calls[0][1]
    assert (caller.subject.issuer, caller.subject.sub) == (ISSUER, "user-alice")
    assert (caller.agent.key, caller.environment) == (f"client {ISSUER} claude-code", "testing")
    assert (caller.origin, caller.display) == ("127.0.0.1 (HTTP)", "alice")


async def test_stateless_serves_the_earlier_era_without_sessions() -> None:
    async with open_door(stateless=True) as door, door.agent("legacy") as agent:
        result = await agent.call_tool("github_get_me", {})
    assert result.structured_content == {"n": 1}


@pytest.mark.parametrize("era", ERAS)
async def test_errors_and_text_consent_come_through_as_over_stdio(door: Door, era: str) -> None:
    door.served.journey.script = [consent_needed()]
    async with door.agent(era) as agent:
        result = await agent.call_tool("slack_send_message", {})
    assert result.is_error
    assert result.structured_content is None
    assert result.content[0].text.startswith("consent_required: slack_send_message needs")


async def test_a_session_is_only_for_the_person_and_agent_who_opened_it(door: Door) -> None:
    """MUST 15: another's session looks as if it did not exist."""
    init = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "x", "version": "1"},
        },
    }
    opened = await door.post(init, **door.bearer())
    session = {"mcp_session_id": opened.headers["mcp-session-id"], "mcp_protocol_version": "2025-11-25"}
    mine = await door.post({"jsonrpc": "2.0", "id": 2, "method": "ping"}, **session, **door.bearer(jti="2"))
    bobs = await door.post({"jsonrpc": "2.0", "id": 2, "method": "ping"}, **session, **door.bearer(sub="user-bob"))
    other_agent = await door.post(
        {"jsonrpc": "2.0", "id": 2, "method": "ping"}, **session, **door.bearer(client_id="other")
    )
    none = await door.post({"jsonrpc": "2.0", "id": 2, "method": "ping"}, **session)
    assert [mine.status_code, bobs.status_code, other_agent.status_code, none.status_code] == [200, 404, 404, 401]


async def test_without_a_token_the_answer_says_where_to_get_one(door: Door) -> None:
    """MUST 2, 8: 401 with resource_metadata; no error code, as nothing was wrong yet."""
    answer = await door.post()
    where = f"{door.url}/.well-known/oauth-protected-resource/mcp"
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == f'Bearer scope="tools", resource_metadata="{where}"'
    async with httpx2.AsyncClient() as http:
        for address in (where, f"{door.url}/.well-known/oauth-protected-resource"):
            document = (await http.get(address)).json()
            assert document["resource"] == door.mcp
            assert document["authorization_servers"] == [ISSUER]


def at(seconds: int) -> int:
    """So many seconds from now, as tokens write it."""
    return int(utc_now().timestamp()) + seconds


@pytest.mark.parametrize("headers", [MODERN, LEGACY], ids=["modern", "legacy"])
@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"exp": at(-60), "iat": at(-3600)}, 401, "invalid_token"),
        ({"nbf": at(3600)}, 401, "invalid_token"),
        ({"sub": " "}, 401, "invalid_token"),
        ({"aud": "https://other.example/mcp"}, 401, "invalid_token"),
        ({"iss": "https://evil.example"}, 401, "invalid_token"),
        ({"header": {"typ": "JWT"}}, 401, "invalid_token"),
        ({"scope": "read"}, 403, "insufficient_scope"),
    ],
    ids=[
        *("expired", "not yet valid", "nobody"),
        *("another audience", "another issuer", "not an access token", "too little scope"),
    ],
)
async def test_a_wrong_token_gets_one_clear_refusal(
    door: Door, headers: dict[str, str], changes: dict[str, Any], status: int, error: str
) -> None:
    """MUST 2, 3, 4 and 8."""
    answer = await door.post(**headers, **door.bearer(**changes))
    challenge = answer.headers["www-authenticate"]
    assert answer.status_code == status
    assert f'error="{error}"' in challenge
    assert 'scope="tools"' in challenge
    assert "resource_metadata=" in challenge
    assert door.served.journey.calls == []


async def test_when_the_issuer_is_away_nobody_gets_in(door: Door) -> None:
    door.issuer.override = lambda _: httpx2.Response(500)
    answer = await door.post(**MODERN, **door.bearer())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")


async def test_a_token_in_the_address_is_refused_even_with_a_good_one_in_the_header(door: Door) -> None:
    """MUST 10."""
    async with httpx2.AsyncClient() as http:
        for path in ("/mcp", "/page"):
            answer = await http.post(f"{door.url}{path}?access_token={token()}", json=LIST, headers=door.bearer())
            assert answer.status_code == 401
            assert "access_token" not in answer.headers["www-authenticate"]


async def test_two_tokens_or_another_scheme_are_no_token(door: Door) -> None:
    async with httpx2.AsyncClient() as http:
        good = door.bearer()["authorization"]
        twice = await http.post(door.mcp, json=LIST, headers=[("authorization", good), ("authorization", good)])
        basic = await http.post(door.mcp, json=LIST, headers={"authorization": "Basic YTpi"})
    assert [twice.status_code, basic.status_code] == [401, 401]


async def test_a_body_beyond_the_limit_is_refused_unread(door: Door) -> None:
    """MUST 63."""
    answer = await door.post(b"[" * (MAX_BODY + 1), **MODERN, **door.bearer())
    assert answer.status_code == 413


@pytest.mark.parametrize("body", [b"[" * 100_000, b"{", b"[]", b'{"jsonrpc":"2.0"}', b"\xff\xfe"])
@pytest.mark.parametrize("headers", [MODERN, LEGACY], ids=["modern", "legacy"])
async def test_a_body_that_is_no_message_is_refused_in_one_line(
    door: Door, headers: dict[str, str], body: bytes
) -> None:
    answer = await door.post(body, **headers, **door.bearer())
    assert answer.status_code == 400
    assert "Traceback" not in answer.text


async def test_a_client_that_hangs_up_cancels_its_call(door: Door) -> None:
    """MUST 16, with plain JSON answers."""
    started, stopped = anyio.Event(), anyio.Event()

    async def forever() -> dict[str, Any]:
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            stopped.set()
        return {}

    door.served.journey.script = [forever]  # type: ignore[list-item]
    body = {**LIST, "method": "tools/call"}
    body["params"] = {**LIST["params"], "name": "github_get_me", "arguments": {}}  # type: ignore[dict-item]
    headers = {**MODERN, "mcp-method": "tools/call", "mcp-name": "github_get_me"}
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:

            async def call() -> None:
                await door.post(body, **headers, **door.bearer())

            group.start_soon(call)
            await started.wait()
            group.cancel_scope.cancel()
        await stopped.wait()
    assert stopped.is_set(), "the call had begun, and was cancelled where it stood"


async def test_a_page_named_by_the_operator_may_be_an_agent_and_no_other() -> None:
    async with open_door(allowed_origins=("https://app.example",)) as door, httpx2.AsyncClient() as http:
        preflight = {"access-control-request-method": "POST"}
        yes = await http.options(door.mcp, headers={"origin": "https://app.example", **preflight})
        no = await http.options(door.mcp, headers={"origin": "https://evil.example", **preflight})
    assert yes.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in no.headers


def test_without_an_issuer_the_door_does_not_open(served: FakeLoaner) -> None:
    """MUST 2: on loopback too."""
    served.settings = served.settings.model_copy(update={"identity": None})
    with pytest.raises(SettingsInvalid, match="who calls"):
        create_app(served)


HOSTS = ["{own}", "localhost:{port}", "[::1]:{port}"]
FOREIGN_HOSTS = [
    "127.0.0.1",
    "localhost",
    "127.0.0.1:1",
    "localhost:1",
    "{own}.evil.example",
    "localhost:{port}.evil.example",
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1:{port}@evil.example",
    "LOCALHOST:{port}",
    "0.0.0.0:{port}",
    "127.1:{port}",
    "2130706433:{port}",
    "127.0.0.1.nip.io:{port}",
    "localhost.:{port}",
    "::1",
    "localhost:{port},evil.example",
    "*",
    "",
]
FOREIGN_ORIGINS = [
    "null",
    "",
    "http://evil.example",
    "https://{own}",
    "http://{own}.evil.example",
    "http://localhost:80.evil.example",
    "http://localhost:{port}.evil.example",
    "http://localhost",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
    "http://localhost:3000",
    "http://{own}/",
    "http://{own}@evil.example",
    "HTTP://{own}",
    "file://",
    "chrome-extension://abc",
    "http://0.0.0.0:{port}",
    "*",
]


@pytest.mark.parametrize("headers", [MODERN, LEGACY], ids=["modern", "legacy"])
async def test_only_exact_hosts_and_origins_pass(door: Door, headers: dict[str, str]) -> None:
    """MUST 1: 40 pairs, each in both eras; a good token changes nothing."""
    port = door.url.rpartition(":")[2]
    own = f"127.0.0.1:{port}"
    pairs = (
        [(host, None, True) for host in HOSTS]
        + [(own_host, f"http://{own}", True) for own_host in HOSTS[:1]]
        + [(host, None, False) for host in FOREIGN_HOSTS]
        + [("{own}", origin, False) for origin in FOREIGN_ORIGINS]
    )
    assert len(pairs) >= 40
    for host, origin, welcome in pairs:
        # Foreign ones of the earlier era come without a token, to see that they are refused before it is looked at.
        bearer = door.bearer() if welcome or headers is MODERN else {}
        sent = {**headers, **bearer, "host": host.format(own=own, port=port)}
        if origin is not None:
            sent["origin"] = origin.format(own=own, port=port)
        answer = await door.post(**sent)
        if welcome:
            assert answer.status_code not in {401, 403, 421}, (host, origin)
        else:
            assert answer.status_code == (421 if origin is None else 403), (host, origin)


async def test_pages_answer_only_for_exact_hosts_as_well(door: Door) -> None:
    async with httpx2.AsyncClient() as http:
        assert (await http.get(f"{door.url}/page")).status_code == 200
        own = door.url.removeprefix("http://")
        for host in FOREIGN_HOSTS:
            sent = {"host": host.format(own=own, port=own.rpartition(":")[2])}
            assert (await http.get(f"{door.url}/page", headers=sent)).status_code == 421, host
