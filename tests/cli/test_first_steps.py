"""The first minutes of somebody who has configured little or nothing yet."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from cli.terminal import Terminal
from loaner.cli import serve
from loaner.settings import Settings
from loaner.store import filesystems

SECRETS = """
store = "env:NOBODY_SET_THE_STORE"

[network]
proxy = "http://proxy.corp.example:3128"
proxy_credentials = "env:NOBODY_SET_THE_PROXY"

[connectors.github]
provider = "github"
client_id = "Iv1.x"
client_secret = "env:NOBODY_SET_THIS"
"""


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    file = tmp_path / "config.toml"
    file.touch(mode=0o600)
    return file


def explained(terminal: Terminal, file: Path, *arguments: str) -> str:
    done = terminal.type("explain", *arguments, LOANER_CONFIG=str(file))
    assert done.code == 0, done.err
    return done.out


BRANCHES = ("github_list_branches", "owner=acme", "repo=web")


def test_a_tool_that_is_not_shown_is_explained_without_any_secret(terminal: Terminal, settings_file: Path) -> None:
    settings_file.write_text(SECRETS)
    told = explained(terminal, settings_file, *BRANCHES)
    assert "not shown here: toolset github.repos" in told
    assert "would send  GET https://api.github.com/repos/acme/web/branches" in told
    assert "through connector github" in told
    assert "reading     the person is asked first what may be read there" in told
    assert "not shown" not in explained(
        terminal, settings_file, "github_issue_read", "owner=acme", "repo=web", "issue_number=1"
    )


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ('[tools]\nexclude = ["github_list_branches"]', "tools.exclude"),
        ('[consent]\nreads = "account"', "toolset github.repos"),
    ],
)
def test_why_it_is_not_shown_is_said(terminal: Terminal, settings_file: Path, more: str, why: str) -> None:
    settings_file.write_text(SECRETS + more)
    told = explained(terminal, settings_file, *BRANCHES)
    assert f"not shown here: {why}" in told
    assert ("the person is asked first" in told) is ("account" not in more)


def test_what_a_server_has_no_connector_for_is_said(terminal: Terminal, settings_file: Path) -> None:
    settings_file.write_text(SECRETS)
    told = explained(terminal, settings_file, "slack_list_channels")
    assert "not shown here: no connector for slack" in told
    assert "no connector configured" in told


@pytest.fixture
def own(tmp_path: Path) -> tuple[dict[str, str], Path, Path]:
    """A computer on which nothing is configured: its environment, the file that would be read, and one for stderr."""
    settings = tmp_path / "config" / "loaner" / "config.toml"
    variables = {"LOANER_HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    return {**os.environ, **variables}, settings, tmp_path / "stderr"


async def test_without_a_connector_only_the_status_is_shown_and_the_start_says_why(
    own: tuple[dict[str, str], Path, Path],
) -> None:
    environment, settings, stderr = own
    server = StdioServerParameters(command=sys.executable, args=["-P", "-m", "loaner", "serve"], env=environment)
    with stderr.open("w+") as told:
        async with Client(stdio_client(server, errlog=told)) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["loaner_status"]
            assert "no connector yet" in (client.instructions or "")
        told.seek(0)
        lines = told.read()
    assert "no connector is configured for the environment development" in lines
    assert f"Add [connectors.github] to {settings}, which does not exist" in lines
    assert "loaner serve --sandbox" in lines


@pytest.mark.parametrize(
    ("store", "http", "more", "told"),
    [
        ("postgresql://db/loaner", True, {}, "set http.stateless = true"),
        ("postgresql://db/loaner", True, {"http": {"stateless": True}}, ""),
        ("postgresql://db/loaner", False, {}, ""),
        ("sqlite:////srv/files/loaner.db", True, {}, "on a network file system (nfs4)"),
        ("sqlite:////var/lib/loaner.db", True, {}, ""),
    ],
)
def test_the_start_says_what_a_store_that_is_shared_needs(
    store: str,
    http: bool,
    more: dict[str, Any],
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(filesystems, "network_kind", lambda file: "nfs4" if file.parts[1] == "srv" else None)
    serve._say_of_the_store(Settings(store=store, **more), http=http)
    lines = capsys.readouterr().err
    assert told in lines
    assert bool(told) is bool(lines)
