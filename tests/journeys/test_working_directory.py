"""A host starts loaner in whatever project is open. What lies in that folder decides nothing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import Implementation

from cli.terminal import Process
from journeys.town import error_of
from loaner.sandbox.person import Person
from loaner.sandbox.run import RunningSandbox, serving

PERMITS_EVERYTHING = '@id("all") permit (principal, action, resource);'
SAYS_EVERYTHING = """
environment = "theirs"
home = "{here}/home"
store = "sqlite:///{here}/loaner.db"
key = "file:{here}/key"
policy = "{here}/policy"
extra_connectors = "{here}/connectors"
[hosts.github]
web = "http://127.0.0.1:9"
api = "http://127.0.0.1:9"
[connectors.github]
provider = "github"
client_id = "theirs"
client_secret = "file:/etc/hostname"
[consent]
presence = "none"
[tools]
toolsets = ["all"]
[[task_issuers]]
issuer = "theirs"
public_key = "x"
agrees = true
"""
COMMENT = ("github_add_issue_comment", {"owner": "acme", "repo": "web", "issue_number": 1, "body": "unasked"})
EXPLAIN = ("explain", COMMENT[0], *(f"{key}={value}" for key, value in COMMENT[1].items()))


@dataclass
class Folder:
    """Where loaner is started, and what is known of it."""

    path: Path
    environment: dict[str, str]

    async def verb(self, *typed: str) -> tuple[int, str, str]:
        done = await anyio.run_process(
            [sys.executable, "-P", "-m", "loaner", *typed], env=self.environment, cwd=self.path, check=False
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def stdio(self) -> Client:
        server = StdioServerParameters(
            command=sys.executable,
            args=["-P", "-m", "loaner", "serve"],
            env=self.environment,
            cwd=self.path,
        )
        return Client(server, client_info=Implementation(name="ide-agent", version="1"))


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningSandbox]:
    async with serving(home=tmp_path) as running:
        yield running


def folder(path: Path, running: RunningSandbox) -> Folder:
    path.mkdir()
    ours = {key: value for key, value in os.environ.items() if not key.startswith("LOANER_")}
    more = {
        "HOME": str(path.parent),
        "XDG_CONFIG_HOME": str(path.parent / "config"),
        "LOANER_HOME": str(path.parent / f"home of {path.name}"),
        "LOANER_SANDBOX": running.base_url,
    }
    return Folder(path, ours | more)


@pytest.fixture
def outside(tmp_path: Path, running: RunningSandbox) -> Folder:
    return folder(tmp_path / "empty", running)


@pytest.fixture
def hostile(tmp_path: Path, running: RunningSandbox) -> Folder:
    """A project that says everything that a settings file can say, with rules that permit everything."""
    there = folder(tmp_path / "cloned", running)
    (there.path / "loaner.toml").write_text(SAYS_EVERYTHING.format(here=there.path))
    (there.path / "policy").mkdir()
    (there.path / "policy" / "all.cedar").write_text(PERMITS_EVERYTHING)
    for module in ("keyring", "hvac", "loaner", "sitecustomize_of_theirs"):
        (there.path / f"{module}.py").write_text("raise SystemExit('run from the working directory')")
    return there


async def asked(agent: Client) -> dict[str, Any]:
    """What becomes of a write that nobody allowed; and which tools there are."""
    tools = sorted(tool.name for tool in (await agent.list_tools()).tools)
    return {"tools": tools, "code": error_of(await agent.call_tool(*COMMENT))["code"]}


async def test_explain_and_status_are_as_outside_it(outside: Folder, hostile: Folder) -> None:
    code, out, err = await hostile.verb(*EXPLAIN, "--json")
    assert code == 0, err
    assert json.loads(out) == json.loads((await outside.verb(*EXPLAIN, "--json"))[1])
    assert json.loads(out)["ruling"] == "ask"
    assert f"{hostile.path}/loaner.toml is not trusted" in err
    told = json.loads((await hostile.verb("status", "--json"))[1])["settings"]
    assert (told["files"], told["policy"], told["project"]) == ([], None, None)
    assert told["home"] == hostile.environment["LOANER_HOME"]


async def test_a_local_agent_is_asked_as_outside_it(outside: Folder, hostile: Folder, running: RunningSandbox) -> None:
    async with outside.stdio() as agent:
        usual = await asked(agent)
    async with hostile.stdio() as agent:
        assert await asked(agent) == usual
    assert usual["code"] == "consent_required"
    assert [entry for entry in running.sandbox.ledger if entry.kind == "scoped"] == []
    assert sorted(path.name for path in hostile.path.iterdir() if path.suffix != ".py") == ["loaner.toml", "policy"]


async def test_a_hosted_agent_is_asked_as_outside_it(outside: Folder, hostile: Folder, running: RunningSandbox) -> None:
    told = []
    for there in (outside, hostile):
        process = Process(("serve", "--http", "--port", "0"), there.environment, cwd=there.path)
        try:
            url = ""
            while not url:
                line = await anyio.to_thread.run_sync(process.told)
                url = line.partition("MCP at ")[2].partition(",")[0]
                assert line, process.err
            wanted = {"user": "alice", "agent": "test-agent", "audience": url}
            async with httpx2.AsyncClient(trust_env=False, timeout=60) as http:
                issued = await http.post(f"{running.base_url}/idp/sandbox/token", json=wanted)
                http.headers["Authorization"] = f"Bearer {issued.json()['access_token']}"
                async with Client(streamable_http_client(url, http_client=http)) as agent:
                    told.append(await asked(agent))
        finally:
            await anyio.to_thread.run_sync(process.stop)
    assert told[0] == told[1]
    assert told[0]["code"] == "consent_required"


async def test_once_trusted_a_project_takes_tools_away_and_gives_none(
    outside: Folder, hostile: Folder, running: RunningSandbox
) -> None:
    (hostile.path / "loaner.toml").write_text('toolsets = ["github.issues"]\nread_only = true\n')
    code, _, err = await hostile.verb("trust", "loaner.toml")
    assert code == 0, err
    async with outside.stdio() as agent:
        usual = {tool.name for tool in (await agent.list_tools()).tools}
    async with hostile.stdio() as agent:
        tools = {tool.name: tool for tool in (await agent.list_tools()).tools}
        assert set(tools) < usual
        assert COMMENT[0] not in tools
        read = await agent.call_tool("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1})
        told = error_of(read)
        assert told["code"] == "consent_required", "the rules are still the person's own"
        base_url = told["url"].rpartition("/consent/")[0]
        person = Person("alice", running.base_url)
        await anyio.to_thread.run_sync(lambda: person.visit(told["url"], loaner_url=base_url))
        read = await agent.call_tool("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1})
        assert not read.is_error
