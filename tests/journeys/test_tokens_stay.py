"""What an agent proves itself with opens loaner's door and goes no further."""

from __future__ import annotations

import base64
import json

import httpx2
import pytest

from journeys.town import Town
from loaner.provider_call.wire import WireAnswer, WireRequest

READ = ("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1})


async def test_an_agents_own_token_never_reaches_a_provider(acme: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """MUST 9: neither in a header nor elsewhere in what leaves, and no client's header chooses a credential."""
    left: list[bytes] = []
    ask = acme.loaner.transport.wire.ask

    async def watched(request: WireRequest, *, cut: bool) -> WireAnswer:
        left.append(whole(request))
        return await ask(request, cut=cut)

    token = await acme.token()
    own = {"X-GitHub-Token": "ghp_of_the_client", "X-Upstream-Authorization": "x"}
    with monkeypatch.context() as patch:
        patch.setattr(acme.loaner.transport.wire, "ask", watched)
        async with acme.agent() as agent:
            assert not (await acme.call(agent, *READ)).is_error
        assert (await sent(acme, token, **own)).status_code == 200
        await acme.settled()
    assert len(left) > 4
    payload = token.split(".")[1].encode()
    for request in left:
        assert payload not in request
        assert b"ghp_of_the_client" not in request
        assert b"upstream" not in request.lower()
        assert not any(_is_token_of(word, acme.mcp_url) for word in request.split())


def whole(request: WireRequest) -> bytes:
    """All of it that leaves."""
    lines = (f"{request.method} {request.target}", *(f"{name}: {value}" for name, value in request.headers.items()))
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + request.content


LIES = ({"mcp-name": "slack_send_message"}, {"mcp-method": "tools/list"}, {"mcp-protocol-version": "2025-11-25"})


@pytest.mark.parametrize("lies", LIES, ids=str)
async def test_a_header_that_says_something_else_than_the_body_is_refused(acme: Town, lies: dict[str, str]) -> None:
    """MUST 12: policy reads the body, and what a proxy may have decided by the header must be the same."""
    answer = await sent(acme, await acme.token(), **lies)
    assert answer.status_code == 400, answer.text
    assert await acme.records(kind="call") == []


async def sent(acme: Town, token: str, **headers: str) -> httpx2.Response:
    """A call of a tool, by hand."""
    call = {"name": READ[0], "arguments": READ[1], "_meta": META}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    usual = {
        "authorization": f"Bearer {token}",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": READ[0],
    }
    async with httpx2.AsyncClient(trust_env=False) as raw:
        return await raw.post(acme.mcp_url, json=body, headers=usual | headers)


META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def _is_token_of(word: bytes, audience: str) -> bool:
    """Is this a JWT for loaner's own door?"""
    parts = word.split(b".")
    if len(parts) != 3:
        return False
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + b"=="))
    except ValueError:
        return False
    return isinstance(claims, dict) and claims.get("aud") == audience
