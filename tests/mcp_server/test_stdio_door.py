"""The stdio door as a host uses it: a child process with pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from loaner.identity.local_person import local_subject
from loaner.mcp_server.own_tools import OWN

PROGRAM = [sys.executable, str(Path(__file__).with_name("stdio_server.py"))]


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_a_host_starts_loaner_and_calls_a_tool(era: str) -> None:
    parameters = StdioServerParameters(command=PROGRAM[0], args=PROGRAM[1:], env=dict(os.environ))
    async with Client(parameters, mode=era) as agent:
        assert len((await agent.list_tools()).tools) == 2 + len(OWN)
        result = await agent.call_tool("github_get_me", {})
    assert result.structured_content == {
        "n": 1,
        "agent": "reported mcp",
        "sub": local_subject().key,
        "origin": f"this computer (stdio, pid {os.getpid()})",
    }


def lines(*messages: dict[str, Any]) -> bytes:
    return b"".join(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n" for message in messages)


HELLO = (
    {
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "raw", "version": "1"},
        },
    },
    {"method": "notifications/initialized"},
)
CALL = {"id": 2, "method": "tools/call", "params": {"name": "github_get_me", "arguments": {}}}


def converse(said: bytes, answers: int) -> tuple[list[dict[str, Any]], str]:
    """Say it, read that many lines, hang up; every byte on stdout must be JSON-RPC."""
    with subprocess.Popen(PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(said)
        server.stdin.flush()
        heard = [json.loads(server.stdout.readline()) for _ in range(answers)]
        rest, errors = server.communicate(timeout=20)
        assert rest == b""
        assert server.returncode == 0
    return heard, errors.decode()


def test_stdout_carries_the_protocol_and_nothing_else() -> None:
    """MUST 17: prints, writes to the descriptor and children end on stderr."""
    heard, errors = converse(lines(*HELLO, CALL), 2)
    assert [message["id"] for message in heard] == [1, 2]
    assert heard[1]["result"]["structuredContent"]["n"] == 1
    for stray in ("a stray print", "a stray write", "a stray child"):
        assert stray in errors
    assert errors.rstrip().endswith("served")


def test_what_is_no_message_is_answered_and_logged_and_the_next_one_served() -> None:
    """Each line with the code that JSON-RPC 2.0 §5.1 names, and its id where one can be read."""
    noise = {
        b"\xff\xfe": (-32700, None),
        b"{": (-32700, None),
        b"\xef\xbb\xbf{}": (-32700, None),
        b"[]": (-32600, None),
        b"[" * 20_000: (-32600, None),
        b'{"jsonrpc":"2.0","id":7}': (-32600, 7),
        b'{"jsonrpc":"1.0","id":"x","method":"ping"}': (-32600, "x"),
        b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}': (-32600, None),
        b'{"jsonrpc":"2.0","id":null,"method":"ping"}': (-32600, None),
    }
    unanswered = b'\n{"jsonrpc":"2.0","id":9,"result":3}\n'
    said = lines(*HELLO) + b"\n".join(noise) + b"\n" + unanswered + lines(CALL)
    heard, errors = converse(said, 2 + len(noise))
    assert [(told["error"]["code"], told["id"]) for told in heard if "error" in told] == list(noise.values())
    assert [told["id"] for told in heard if "result" in told] == [1, 2]
    assert "Traceback" not in errors


async def test_a_client_whose_name_hides_something_is_refused_and_told_why() -> None:
    """MUST 24: two names that differ in what nobody sees would be one agent."""
    hello = json.loads(json.dumps(HELLO[0]))
    hello["params"]["clientInfo"]["name"] = "claude\u3164code"
    answers, _ = converse(lines(hello, HELLO[1], CALL), 2)
    told = answers[1]["result"]
    assert told["isError"]
    assert "U+3164" in told["content"][0]["text"]


def test_a_message_of_very_many_fields_is_refused_before_it_is_parsed() -> None:
    """MUST 63."""
    many = json.dumps({"jsonrpc": "2.0", "id": 3, "method": "ping", "params": {str(n): 1 for n in range(20_000)}})
    heard, _ = converse(lines(*HELLO) + many.encode() + b"\n" + lines(CALL), 3)
    assert [told.get("error", {}).get("message") for told in heard] == [
        None,
        "Invalid Request: more than 10000 names and texts",
        None,
    ]
