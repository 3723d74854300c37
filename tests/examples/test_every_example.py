"""Each example runs, by the one command that its README gives."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters

from cli.terminal import end_sandbox
from promises import WATCH, token_shaped

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


@pytest.fixture(autouse=True)
def _no_sandbox_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    end_sandbox(tmp_path)


def ran(example: str) -> str:
    """What the command at the head of its README prints."""
    command = re.search(
        r"^\.venv/bin/python (.+?)(?: +#.*)?$", (EXAMPLES / example / "README.md").read_text(), re.MULTILINE
    )
    assert command
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LOANER_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", *shlex.split(command[1])],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    WATCH.hear("output", done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(token_shaped((done.stdout + done.stderr).encode())) == []
    assert "eyJ" not in done.stdout + done.stderr
    return done.stdout


def test_every_example_is_run_here() -> None:
    listed = {path.name for path in EXAMPLES.iterdir() if (path / "README.md").is_file()}
    assert listed == {"ide_agent", "hosted_agent"}
    assert all(f"]({name})" in (EXAMPLES / "README.md").read_text() for name in listed)


def test_an_agent_in_an_ide() -> None:
    told = ran("ide_agent")
    assert told.count("approved") == 3
    assert "slack_send_message needs the user's approval (chat:write on #general)" in told
    assert '"title": "Login button does nothing on Safari"' in told
    assert re.search(r"^✓ 12 records, chain intact", told, re.MULTILINE)


def test_an_agent_in_a_service() -> None:
    told = ran("hosted_agent")
    assert told.count("approved") == 4, "each person says yes for themselves, to each repository that is read"
    assert re.search(r'^  alice  acme/secrets: \{"issues": ', told, re.MULTILINE)
    assert re.search(r"^  bob    acme/web: \{", told, re.MULTILINE)
    assert re.search(r"^  bob    acme/secrets: scope_not_grantable", told, re.MULTILINE)
    assert re.search(r"^✓ 14 records, chain intact", told, re.MULTILINE)


def configured(file: Path) -> StdioServerParameters:
    """The server that a host would start from this file."""
    text = file.read_text()
    said = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    [servers] = said.values()
    return StdioServerParameters(**{key: servers["loaner"][key] for key in ("command", "args")})


FILES = (".mcp.json", ".vscode/mcp.json", ".codex/config.toml")


def test_the_hosts_start_the_same_server() -> None:
    first, *others = [configured(EXAMPLES / "ide_agent" / file) for file in FILES]
    assert first.command == "loaner"
    assert all((other.command, other.args) == (first.command, first.args) for other in others)
    table = (EXAMPLES / "ide_agent" / "README.md").read_text()
    assert all(f"({file})" in table for file in FILES)
    assert table.count(f"-- {shlex.join([first.command, *first.args])}") == 2


async def test_what_a_host_starts_has_tools(tmp_path: Path) -> None:
    server = configured(EXAMPLES / "ide_agent" / ".mcp.json")
    here = {**os.environ, "LOANER_HOME": str(tmp_path)}
    started = StdioServerParameters(command=sys.executable, args=["-m", "loaner", *server.args], env=here)
    async with Client(started) as agent:
        assert "github_issue_read" in {tool.name for tool in (await agent.list_tools()).tools}


@pytest.mark.parametrize("kind", ["json", "toml"])
def test_the_snippets_of_the_hosted_agent_hold_no_secret(kind: str) -> None:
    snippet = re.search(rf"```{kind}\n(.+?)```", (EXAMPLES / "hosted_agent" / "README.md").read_text(), re.DOTALL)
    assert snippet
    said = json.loads(snippet[1]) if kind == "json" else tomllib.loads(snippet[1])
    [servers] = said.values()
    assert servers["loaner"]["url"].endswith("/mcp")
    assert "LOANER_AGENT_TOKEN" in snippet[1]
