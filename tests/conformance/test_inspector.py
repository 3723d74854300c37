"""The MCP Inspector's two command lines drive `loaner serve --sandbox`: a client that nobody here wrote.

They need Node's packages; `./run conformance --install-only` gets them.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import node
import pytest
import served

from cli.terminal import end_sandbox

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.skipif(not node.installed(), reason="the Inspector is not installed: ./run conformance --install-only"),
]
ERAS = pytest.mark.parametrize("era", ["legacy", "modern"])
READ = ["--method", "tools/call", "--tool-name", "github_get_repository", "--tool-arg", "owner=acme", "repo=web"]
# The Inspector's exit codes: a tool answered with an error; the server wants a token.
IS_ERROR = 5
NOT_AUTHENTICATED = 3


def run_inspector(*arguments: str, home: Path, code: int) -> str:
    """One run of the Inspector's command line that must end with `code`; what it printed."""
    ended = subprocess.run(
        [*node.command("inspector"), "--cli", "--format", "json", *arguments],
        env=node.environment(HOME=str(home), MCP_INSPECTOR_SECRET_STORE="memory"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == code, ended.stderr
    return ended.stdout


def inspector(*arguments: str, home: Path, code: int = 0) -> dict[str, Any]:
    """The result of one request."""
    result: dict[str, Any] = json.loads(run_inspector(*arguments, home=home, code=code))["result"]
    return result


def approve(what: str, person: str, server: served.Served) -> None:
    """Be that person, and say yes."""
    command = [served.LOANER, "sandbox", "approve", what, "--as", person]
    subprocess.run(command, env=server.environment, check=True, capture_output=True)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_sandbox_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    end_sandbox(tmp_path)


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[served.Served]:
    """One for all tests here: alice and bob each come with nothing granted."""
    async with served.over_http("inspector") as running:
        yield running


@ERAS
def test_over_stdio_the_tools_are_listed_in_both_eras(era: str, tmp_path: Path) -> None:
    start = ["-e", f"LOANER_HOME={tmp_path}", "--", served.LOANER, "serve", "--sandbox"]
    listed = inspector("--protocol-era", era, "--method", "tools/list", *start, home=tmp_path)
    names = [tool["name"] for tool in listed["tools"]]
    assert "github_get_repository" in names
    assert names[-3:] == ["loaner_status", "loaner_propose_task", "loaner_end_task"]
    assert names[:-3] == sorted(names[:-3])


@ERAS
def test_over_stdio_a_first_read_says_in_words_what_the_person_must_do(era: str, tmp_path: Path) -> None:
    start = ["-e", f"LOANER_HOME={tmp_path}", "--", served.LOANER, "serve", "--sandbox"]
    answer = inspector("--protocol-era", era, *READ, *start, home=tmp_path, code=IS_ERROR)
    assert "consent_required" in answer["content"][0]["text"]
    assert "structuredContent" not in answer


async def test_over_http_a_read_works_in_both_eras_once_the_person_agreed(
    server: served.Served, tmp_path: Path
) -> None:
    target = [f"{server.url}/mcp", "--transport", "http", "--header", f"Authorization: Bearer {server.tokens['alice']}"]
    asked = inspector(*target, *READ, home=tmp_path, code=IS_ERROR)
    approve(asked["_meta"]["dev.loaner/error"]["user_code"], "alice", server)
    for era in ("legacy", "modern"):
        read = inspector(*target, "--protocol-era", era, *READ, home=tmp_path)
        assert read["structuredContent"]["full_name"] == "acme/web"


async def test_over_http_a_client_without_a_token_is_turned_away(server: served.Served, tmp_path: Path) -> None:
    target = [f"{server.url}/mcp", "--transport", "http", "--stored-auth-only"]
    said = run_inspector(*target, "--method", "tools/list", home=tmp_path, code=NOT_AUTHENTICATED)
    assert "github_" not in said, "not even the tools' names"


class Connection:
    """`mcpdo`: connects once, runs commands against the connection. Its daemon ends with the connection."""

    def __init__(self, home: Path) -> None:
        # A socket's path must be short, so not under pytest's own folder.
        self.environment = node.environment(
            HOME=str(home),
            MCP_CATALOG_PATH=str(home / "catalog.json"),
            MCP_INSPECTOR_SECRET_STORE="memory",
            MCP_INSPECTOR_DAEMON_DIR=str(home),
            MCP_INSPECTOR_DAEMON_TOKEN=os.urandom(16).hex(),
        )

    def __call__(self, *arguments: str) -> dict[str, Any]:
        ended = subprocess.run(
            [*node.command("mcpdo"), "--format", "json", "--connection", "here", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert ended.stdout, ended.stderr
        said: dict[str, Any] = json.loads(ended.stdout)
        return said


@pytest.fixture
def mcpdo() -> Iterator[Connection]:
    with tempfile.TemporaryDirectory(prefix="mcpdo-", dir="/tmp") as home:
        connection = Connection(Path(home))
        yield connection
        subprocess.run(
            [*node.command("mcpdo"), "daemon", "stop"], env=connection.environment, capture_output=True, check=False
        )


@pytest.mark.parametrize("elicit", ["off", "form"])
async def test_a_client_that_cannot_open_a_link_is_told_in_words(
    elicit: str, server: served.Served, mcpdo: Connection
) -> None:
    bearer = f"Authorization: Bearer {server.tokens['bob']}"
    mcpdo("connect", f"{server.url}/mcp", "--era", "modern", "--elicit", elicit, "--header", bearer)
    told = mcpdo("tools/call", "github_get_repository", "owner:=acme", "repo:=web")
    assert told["isError"]
    assert told["_meta"]["dev.loaner/error"]["retry"] == "after_user"
    assert server.url in told["content"][0]["text"]


async def test_a_client_that_can_open_a_link_is_given_one_and_gets_the_result_after_it(
    server: served.Served, mcpdo: Connection
) -> None:
    bearer = f"Authorization: Bearer {server.tokens['bob']}"
    mcpdo("connect", f"{server.url}/mcp", "--era", "modern", "--elicit", "url", "--header", bearer)
    pending = mcpdo("tools/call", "github_get_repository", "owner:=acme", "repo:=web")["elicitationPending"]
    approve(pending["url"], "bob", server)
    read = mcpdo("elicitation/respond", pending["elicitationId"], "--done")
    assert read["structuredContent"]["full_name"] == "acme/web"
