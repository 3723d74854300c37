"""White space around a header's value is no part of it (RFC 9110 §5.5). What stands within is checked all the same."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from mcp_server.doors import MODERN, Door, open_door

META = {
    "io.modelcontextprotocol/protocolVersion": MODERN["mcp-protocol-version"],
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with open_door() as opened:
        yield opened


async def answered(door: Door, **headers: str) -> int:
    """The status of a call of a tool with exactly these bytes as headers, which no client would send."""
    params: dict[str, Any] = {"name": "github_get_me", "arguments": {}, "_meta": META}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    sent = {
        "host": door.url.removeprefix("http://"),
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "content-length": str(len(body)),
        "mcp-protocol-version": MODERN["mcp-protocol-version"],
        "mcp-method": "tools/call",
        "mcp-name": "github_get_me",
        **door.bearer(),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}:{value}\r\n" for name, value in sent.items())
    host, _, port = door.url.removeprefix("http://").partition(":")
    async with await anyio.connect_tcp(host, int(port)) as stream:
        await stream.send(f"POST /mcp HTTP/1.1\r\nconnection:close\r\n{head}\r\n".encode() + body)
        said = await stream.receive()
    return int(said.split()[1])


async def test_white_space_around_a_value_changes_nothing(door: Door) -> None:
    padded = {"mcp_name": " \t github_get_me \t ", "mcp_method": "  tools/call  "}
    assert await answered(door, **padded) == 200
    assert await answered(door, host=f" {door.url.removeprefix('http://')}  ") == 200


@pytest.mark.parametrize("name", [" github_get_ me ", "github_get_me,", "github _get_me"])
async def test_what_stands_within_is_not_taken_away(door: Door, name: str) -> None:
    assert await answered(door, mcp_name=name) == 400


async def test_another_host_is_another_host_however_it_is_padded(door: Door) -> None:
    assert await answered(door, host="  evil.example  ") == 421
