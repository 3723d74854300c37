"""What a wrong command line, a wrong setting and a wrong file lead to: one clear error and an exit code."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from cli.terminal import Terminal

KEY = "ghp_" + "A1b2C3d4E5" * 3 + "F6g7H8"


def own(terminal: Terminal) -> Path:
    """The user's own settings file."""
    file = terminal.home / "loaner" / "config.toml"
    file.parent.mkdir(exist_ok=True)
    return file


SETTINGS: dict[str, tuple[list[str], str]] = {
    "no such toolset": (["serve", "--toolsets", "gihub"], "there is no toolset “gihub”. Did you mean “github”?"),
    "no such tool to hide": (["serve", "--exclude-tools", "slack_sned_message"], "“slack_send_message”"),
    "every address and no name": (["serve", "--http", "--host", "0.0.0.0"], "http.public_url: must say how people and"),
    "others in the clear": (["serve", "--http", "--host", "10.0.0.1"], "http.public_url: must begin with https://"),
    "others over stdio": (["serve", "--host", "10.0.0.1"], "http.public_url: must begin with https://"),
    "no identity": (["serve", "--http"], "needs an identity provider"),
}
USAGE: dict[str, tuple[list[str], str]] = {
    "no such verb": (["serv"], "Did you mean 'serve'?"),
    "no such flag": (["serve", "--prot", "1"], "--port"),
    "no number": (["serve", "--port", "many"], "--port"),
    "a sandbox elsewhere": (["serve", "--sandbox", "https://evil.example"], "only ever on this machine"),
    "a sandbox on a host that looks near": (["serve", "--sandbox", "http://127.0.0.1.evil.example"], "only ever on"),
    "a sandbox that is not there": (["serve", "--sandbox", "http://127.0.0.1:1"], "no sandbox answers at"),
    "no sandbox to read": (["sandbox", "ledger"], "no sandbox is running here"),
    "no sandbox to approve at": (["sandbox", "approve", "WDJB-MJHT"], "no sandbox is running here"),
    "no sandbox for a token": (["sandbox", "token"], "no sandbox is running here"),
    "no records": (["audit", "tail"], "there is no store"),
    "nothing to verify": (["audit", "verify"], "there is no store"),
    "no tool of that name": (["explain", "github_isue_read"], "Did you mean “github_issue_read”?"),
    "no value": (["explain", "github_issue_read", "owner"], "'owner' is not key=value"),
    "missing arguments": (["explain", "github_issue_read", "owner=acme"], "repo is required; issue_number is required"),
    "whose grants": (["revoke"], "--my-tokens or --all-tokens"),
    "yes to what": (["revoke", "--yes"], "--my-tokens or --all-tokens"),
    "both at once": (["revoke", "--my-tokens", "--all-tokens", "--yes"], "--my-tokens or --all-tokens"),
    "nobody to ask": (["revoke", "--my-tokens"], "nobody is here to be asked"),
    "nobody to watch": (["demo"], "loaner demo --auto"),
}


@pytest.mark.parametrize(("typed", "told"), SETTINGS.values(), ids=SETTINGS)
def test_a_setting_that_nobody_can_act_on_exits_78(terminal: Terminal, typed: list[str], told: str) -> None:
    done = terminal.type(*typed)
    assert done.code == 78
    assert told in " ".join(done.err.split())
    assert done.out == ""


@pytest.mark.parametrize(("typed", "told"), USAGE.values(), ids=USAGE)
def test_a_wrong_command_says_what_is_wrong_and_exits_2(terminal: Terminal, typed: list[str], told: str) -> None:
    done = terminal.type(*typed)
    assert done.code == 2
    assert told in " ".join(done.err.split())
    assert done.out == ""


SETTINGS: dict[str, tuple[dict[str, str], str, str]] = {
    "unknown variable": (
        {"LOANER_HTP__PORT": "1"},
        "",
        "unknown variable LOANER_HTP__PORT (did you mean 'LOANER_HTTP__PORT'?)",
    ),
    "unknown part": ({"LOANER_HTTP__PROT": "1"}, "", "unknown setting 'http.prot' (did you mean 'port'?)"),
    "wrong type": ({"LOANER_HTTP__PORT": KEY}, "", "http.port: Input should be a valid integer"),
    "unknown key": ({}, 'environmnt = "x"', "unknown setting 'environmnt' (did you mean 'environment'?)"),
    "unknown key within": ({}, "[http]\nprot = 3", "unknown setting 'http.prot'"),
    "unparsable": ({}, "[http\n", "loaner/config.toml cannot be read: it is not TOML: Expected ']'"),
    "not text": ({}, "\udcff", "loaner/config.toml cannot be read: it is not text"),
    "a secret in the file": (
        {},
        f'[connectors.github]\nprovider = "github"\nclient_id = "a"\nclient_secret = "{KEY}"',
        "client_secret: must be a reference (env:NAME, file:/path or keyring:service/name), never the secret itself",
    ),
    "a store of no kind": ({"LOANER_STORE": "nonsense"}, "", "not a database URL"),
    "no such file": ({"LOANER_CONFIG": "/nowhere/loaner.toml"}, "", "a file that does not exist"),
}


@pytest.mark.parametrize(("variables", "file", "told"), SETTINGS.values(), ids=SETTINGS)
def test_a_wrong_setting_stops_every_verb(terminal: Terminal, variables: dict[str, str], file: str, told: str) -> None:
    if file:
        own(terminal).write_bytes(file.encode(errors="surrogateescape"))
    plain, as_json = terminal.type("loans", **variables), terminal.type("loans", "--json", **variables)
    assert (plain.code, as_json.code) == (78, 78)
    assert told in plain.err
    assert told in as_json.error["message"]
    assert as_json.error["code"] == "settings_invalid"
    assert KEY not in plain.err + as_json.err
    assert plain.out == as_json.out == ""


def test_a_secret_that_is_not_there_stops_what_needs_it_and_nothing_else(terminal: Terminal) -> None:
    done = terminal.type("revoke", "--my-tokens", "--yes", LOANER_KEY="env:NOT_SET")
    assert done.code == 78
    assert "key: the secret 'env:NOT_SET' is empty or not there" in done.err
    assert terminal.type("status", LOANER_KEY="env:NOT_SET").code == 0


def test_a_tool_of_a_provider_without_a_connector_says_so(terminal: Terminal) -> None:
    own(terminal).write_text(
        'environment = "work"\ntools.toolsets = ["all"]\n'
        '[connectors.github]\nprovider = "github"\nclient_id = "Iv1"\nclient_secret = "env:NOT_SET"\n'
        '[connectors.slack]\nprovider = "slack"\nclient_id = "1"\nclient_secret = "env:NOT_SET"\n'
        'environments = ["home"]\n'
    )
    rows = terminal.type("tools", "--json").rows
    served = {row["tool"].partition("_")[0]: row["connector"] for row in rows}
    assert served == {"github": True, "slack": False, "linear": False}
    lines = terminal.type("tools").out.splitlines()
    assert {line.partition("_")[0] for line in lines if "No connector" in line} == {"slack", "linear"}


def test_a_flag_beats_a_variable_and_a_variable_beats_the_file(terminal: Terminal) -> None:
    own(terminal).write_text('[tools]\ntoolsets = ["github.issues"]\n')

    def kinds(*flags: str, **variables: str) -> set[str]:
        return {row["tool"].partition("_")[0] for row in terminal.type("tools", "--json", *flags, **variables).rows}

    assert kinds() == {"github"}
    assert kinds(LOANER_TOOLS__TOOLSETS='["slack"]') == {"slack"}
    assert kinds("--toolsets", "linear", LOANER_TOOLS__TOOLSETS='["slack"]') == {"linear"}


@pytest.mark.parametrize(
    ("written", "line", "told"),
    [
        ('effect = "read\n', 1, "Illegal character"),
        ('summary = "Read."\neffect = "raed"\n', 2, "effect"),
        ('summary = "no capital"\neffect = "read"\n', 1, "summary"),
    ],
)
def test_a_connector_file_that_cannot_be_read_is_named_with_its_line(
    terminal: Terminal, written: str, line: int, told: str
) -> None:
    folder = terminal.home / "mine" / "github"
    folder.mkdir(parents=True)
    (folder / "read_it.toml").write_text(written)
    done = terminal.type("tools", "--json", LOANER_EXTRA_CONNECTORS=str(folder.parent))
    assert done.code == 78
    assert done.error["code"] == "connector_invalid"
    assert f"{folder / 'read_it.toml'}:{line}: " in done.error["message"]
    assert told in done.error["message"]


@pytest.mark.parametrize("verb", [["sandbox"], ["serve", "--http", "--sandbox"]])
def test_a_port_in_use_is_said_to_be(terminal: Terminal, verb: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = terminal.type(*verb, "--port", port)
    assert done.code == 1
    assert f"port {port}" in done.err
    assert "is in use" in done.err


def test_a_home_that_cannot_be_is_said_to_be(terminal: Terminal) -> None:
    terminal.home = terminal.home / "file" / "deeper"
    terminal.home.parent.write_text("not a folder")
    done = terminal.type("loans")
    assert done.code == 2
    assert "Set LOANER_HOME" in done.err


def test_a_fault_that_nobody_foresaw_shows_its_place_and_not_its_text(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(KEY)

    monkeypatch.setattr("loaner.settings.load", broken)
    done = terminal.type("tools", "--json")
    assert done.code == 1
    assert done.error["code"] == "internal"
    assert "RuntimeError at test_told_errors.py:" in done.error["message"]
    assert KEY not in done.err


def test_json_tells_an_error_of_use_as_an_object_too(terminal: Terminal) -> None:
    done = terminal.type("tools", "--json", "--nope")
    assert done.code == 2
    assert done.error["code"] == "usage"
    assert "--nope" in done.error["message"]
