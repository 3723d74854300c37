"""One sandbox, one server over HTTP and one person at the command line, from the first call to the broken record."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import Implementation

from cli.terminal import Process, Terminal, terminal_in
from journeys.town import error_of, local_agent, text_of
from promises import token_shaped

ISSUE = {"owner": "acme", "repo": "web", "issue_number": 1}
LISTED = {
    "provider": str,
    "kind": str,
    "fingerprint": str,
    "subject": str,
    "permissions": (dict, list),
    "resources": list,
    "minted_at": str,
    "expires_at": (str, type(None)),
    "uses": list,
    "revoked_at": (str, type(None)),
}


class Day:
    """A terminal, the sandbox that was started there, and the server that uses it."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.sandbox = terminal.start("sandbox")
        self.urls: dict[str, str] = json.loads(self.sandbox.line())
        self.serve("--sandbox", self.urls["base_url"])

    def serve(self, *which: str, **variables: str) -> Process:
        self.server = self.terminal.start("serve", "--http", "--port", "0", *which, **variables)
        found = re.search(r"MCP at (\S+),", self.server.told())
        assert found
        self.mcp_url = found[1]
        return self.server

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[Client]:
        """A hosted agent, with a token that the person at the terminal printed for it."""
        token = self.terminal.type("sandbox", "token", "--user", "alice", "--agent", "hosted").out.strip()
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=60) as http,
            Client(
                streamable_http_client(self.mcp_url, http_client=http),
                client_info=Implementation(name="hosted", version="1"),
            ) as agent,
        ):
            yield agent

    def ledger(self) -> list[dict[str, Any]]:
        return self.terminal.type("sandbox", "ledger", "--json").rows


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    with terminal_in(tmp_path_factory.mktemp("day")) as terminal:
        yield Day(terminal)


def test_the_sandbox_says_where_it_is_in_one_line(day: Day) -> None:
    assert {"base_url", "github", "github_api", "slack", "slack_api", "linear", "linear_api", "idp"} <= day.urls.keys()
    assert all(url.startswith("http://127.0.0.1:") for url in day.urls.values())
    assert day.sandbox.out.count("\n") == 1
    assert httpx2.get(day.urls["github_api"] + "/rate_limit", trust_env=False).status_code == 200


def test_explaining_sends_nothing(day: Day) -> None:
    arguments = ["owner=acme", "repo=web", "path=.github/workflows/ci.yml", "content=on: push", "message=ci"]
    told = day.terminal.type("explain", "github_create_or_update_file", *arguments)
    assert told.code == 0
    assert "contents:write, workflows:write on repository:acme/web" in told.out
    assert "rule “writes-ask”" in told.out
    assert f"PUT {day.urls['github_api']}/repos/acme/web/contents/.github/workflows/ci.yml" in told.out
    assert told.out.endswith("nothing was sent\n")
    [facts] = day.terminal.type("explain", "github_create_or_update_file", *arguments, "--json").rows
    assert facts["permissions"] == ["contents:write", "workflows:write"]
    assert (facts["ruling"], facts["connected"], facts["lending"]) == ("ask", False, "down_scoped")
    assert {limit["what"]: limit["enforced_by"] for limit in facts["limits"]} == {
        "permissions": "provider",
        "resource": "provider",
        "call": "loaner",
    }
    assert day.ledger() == []


def test_tools_lists_what_an_agent_would_see(day: Day) -> None:
    rows = day.terminal.type("tools", "--json").rows
    assert {"github_issue_read", "slack_send_message", "linear_create_issue"} <= {row["tool"] for row in rows}
    assert len(rows) < 25
    assert len(day.terminal.type("tools", "--toolsets", "all").out.splitlines()) > len(rows)


async def test_a_person_says_no_and_then_yes_by_code(day: Day) -> None:
    async with day.agent() as agent:
        message = {"channel": "#releases", "text": "hello"}
        code = error_of(await agent.call_tool("slack_send_message", message))["user_code"]
        denied = day.terminal.type("sandbox", "approve", code, "--deny", "--json")
        assert (denied.code, denied.rows[0]["state"]) == (0, "denied")
        assert error_of(await agent.call_tool("slack_send_message", message))["code"] == "consent_denied"

        asked = error_of(await agent.call_tool("github_issue_read", ISSUE))
        by_bob = day.terminal.type("sandbox", "approve", asked["user_code"], "--as", "bob")
        assert by_bob.code == 1, "it is not bob's to approve"
        assert day.terminal.type("sandbox", "approve", asked["user_code"], "--as", "alice").out == "approved\n"
        read = await agent.call_tool("github_issue_read", ISSUE)
        assert not read.is_error, text_of(read)


def test_the_ledger_says_all_that_was_minted(day: Day) -> None:
    entries = day.ledger()
    assert {(entry["provider"], entry["kind"]) for entry in entries} == {
        ("github", "user"),
        ("github", "refresh"),
        ("github", "scoped"),
    }
    for entry in entries:
        for name, kind in LISTED.items():
            assert isinstance(entry[name], kind), name
        assert re.fullmatch(r"[0-9a-f]{64}", entry["fingerprint"])
        assert datetime.fromisoformat(entry["minted_at"]).tzinfo == UTC
        for use in entry["uses"]:
            assert {"method", "path", "status"} <= use.keys()
    [loan] = [entry for entry in entries if entry["kind"] == "scoped"]
    assert loan["subject"] == "alice"
    assert loan["permissions"] == {"issues": "read", "metadata": "read"}
    assert loan["resources"] == ["acme/web"]
    assert loan["revoked_at"] >= loan["uses"][-1]["at"]
    told = day.terminal.type("sandbox", "ledger").out
    assert f"github   scoped       {loan['fingerprint'][:12]} alice    revoked {loan['revoked_at']}" in told


async def test_a_killed_server_leaves_grants_and_records_to_the_next(day: Day) -> None:
    assert day.server.stop(how=9) == -9  # type: ignore[arg-type]
    day.serve(LOANER_SANDBOX=day.urls["base_url"])
    async with day.agent() as agent:
        read = await agent.call_tool("github_issue_read", ISSUE)
        assert not read.is_error, text_of(read)


def test_nothing_that_was_lent_is_left_alive(day: Day) -> None:
    assert day.terminal.type("loans").out.startswith("no open loans")


async def test_a_local_agent_may_join_and_see_less(day: Day) -> None:
    async with local_agent(day.terminal.home, day.urls["base_url"], "--read-only") as agent:
        shown = {tool.name for tool in (await agent.list_tools()).tools}
        assert "github_issue_read" in shown
        assert "slack_send_message" not in shown
        asked = error_of(await agent.call_tool("linear_get_issue", {"id": "ENG-1"}))
        assert day.terminal.type("sandbox", "approve", asked["user_code"]).out == "approved\n"
        assert not (await agent.call_tool("linear_get_issue", {"id": "ENG-1"})).is_error


@pytest.mark.parametrize(
    "elsewhere", ["https://github.com/login/device", "http://169.254.169.254/latest", "http://[::1"]
)
def test_approving_walks_no_page_but_the_sandbox_s(day: Day, elsewhere: str) -> None:
    done = day.terminal.type("sandbox", "approve", elsewhere)
    assert done.code == 2
    assert "drives the sandbox only" in done.err


def test_a_code_that_nobody_knows_is_said_to_be(day: Day) -> None:
    done = day.terminal.type("sandbox", "approve", "BCDF-GHJK")
    assert (done.code, done.out) == (1, "unknown\n")
    assert "nobody here knows that code" in done.err


@pytest.mark.parametrize("verb", [["ledger"], ["approve", "BCDF-GHJK"], ["token"]])
def test_a_state_file_that_points_elsewhere_is_not_followed(day: Day, tmp_path: Path, verb: list[str]) -> None:
    with terminal_in(tmp_path) as other:
        state = {"base_url": "https://github.com", "pid": day.sandbox.pid, "urls": {}}
        (tmp_path / "sandbox.json").write_text(json.dumps(state))
        done = other.type("sandbox", *verb)
        (tmp_path / "sandbox.json").unlink()  # a terminal that closes ends the sandbox that it names
    assert done.code == 2
    assert "only ever on this machine" in done.err


def test_revoking_ends_the_grants_at_the_providers(day: Day) -> None:
    mine = day.terminal.type("revoke", "--my-tokens", "--yes", "--json", LOANER_SANDBOX=day.urls["base_url"])
    grants = [row["provider"] for row in mine.rows if row["what"] == "grant"]
    assert grants == ["linear"], "over stdio the person is the local user"
    everybodys = day.terminal.type("revoke", "--all-tokens", "--yes", LOANER_SANDBOX=day.urls["base_url"])
    assert everybodys.code in {0, 6}, "Slack ends no refresh token"
    assert "✓ github grant: " in everybodys.out
    assert [entry for entry in day.ledger() if entry["revoked_at"] is None and entry["kind"] != "refresh"] == []


def test_the_records_can_be_read_and_verified_until_somebody_changes_one(day: Day) -> None:
    records = day.terminal.type("audit", "tail", "--json").rows
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    outcomes = [record["body"]["outcome"] for record in records]
    assert {"consent_needed", "denied", "ok"} <= set(outcomes)
    worked = next(record for record in records if (record["body"]["kind"], record["body"]["outcome"]) == ("call", "ok"))
    shown = day.terminal.type("audit", "show", str(worked["seq"]))
    assert "acme/web, enforced by the provider" in shown.out
    [good] = day.terminal.type("audit", "verify", "--json").rows
    assert (good["ok"], good["records"]) == (True, len(records))

    database = day.terminal.home / "loaner.db"
    with closing(sqlite3.connect(database)) as file, file:
        [table] = [name for (name,) in file.execute("select name from sqlite_master where name like '%records'")]
        columns = [row[1] for row in file.execute(f"pragma table_info({table})")]
        text = next(name for name in columns if name in {"text", "body"})
        file.execute(f"update {table} set {text} = replace({text}, 'alice', 'mallory') where seq = 2")  # noqa: S608
    bad = day.terminal.type("audit", "verify", "--json")
    assert bad.code == 8
    assert (bad.rows[0]["ok"], bad.rows[0]["first_bad"]) == (False, 2)
    assert day.terminal.type("audit", "verify").code == 8


def test_everything_ends_when_it_is_asked_to_and_said_nothing_secret(day: Day) -> None:
    assert day.server.stop() == 0
    assert day.sandbox.stop() == 0
    assert not (day.terminal.home / "sandbox.json").exists()
    assert list((day.terminal.home / "servers").glob("*.json")) == []
    minted = {entry for process in day.terminal.processes for entry in token_shaped(process.out.encode())}
    for file in day.terminal.home.rglob("*"):
        if file.is_file():
            minted |= set(token_shaped(file.read_bytes()))
    assert minted == set()
    for process in day.terminal.processes:
        assert "eyJ" not in process.out + process.err


async def test_a_sandbox_inside_the_server_serves_the_same_verbs(tmp_path: Path) -> None:
    with terminal_in(tmp_path) as terminal:
        server = terminal.start("serve", "--http", "--sandbox", "--port", "0")
        assert "MCP at" in server.told()
        assert terminal.type("sandbox", "ledger", "--json").rows == []
        assert len(terminal.type("sandbox", "token", "--user", "bob", "--agent", "x").out.split(".")) == 3
        assert terminal.type("sandbox", "token", "--user", "mallory").code == 2
        assert server.stop() == 0
