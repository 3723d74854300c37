"""The command line as a whole: help that fits, one kind of ``--json``, exit codes, colour, and a reader that leaves."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
import typer.main

from audit.audit_parts import filled
from cli.terminal import Terminal
from databases import with_store
from loaner.cli import _app, _json
from loaner.cli._help import OTHERS
from maintenance.operator_parts import writable

LOANER = [sys.executable, "-P", "-m", "loaner"]


def verbs(group: Any = None, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every verb that can be typed, with what Typer made of it."""
    for name, command in (group or typer.main.get_command(_app.app)).commands.items():
        if hasattr(command, "commands"):
            yield from verbs(command, *path, name)
        else:
            yield (*path, name), command


VERBS = dict(verbs())
IDS = [" ".join(path) for path in VERBS]


@pytest.fixture
def narrow(terminal: Terminal) -> Terminal:
    terminal.patch.setenv("COLUMNS", "80")
    terminal.patch.setenv("TERMINAL_WIDTH", "80")
    return terminal


@pytest.mark.parametrize("group", ["", "audit", "connector", "keys", "policy", "sandbox", "sandbox fault"])
def test_summaries_fit_eighty_columns(narrow: Terminal, group: str) -> None:
    for flag in ("-h", "--help"):
        told = narrow.type(*group.split(), flag)
        assert told.code == 0
        assert "..." not in told.out.replace("[ARGS]...", "")
        assert max(map(len, told.out.splitlines())) <= 80


def test_verbs_stand_in_groups(narrow: Terminal) -> None:
    told = narrow.type().out
    titles = re.findall(r"^([A-Z][a-z ]+):$", told, re.MULTILINE)
    assert titles == ["Options", "Use", "Inspect", "Stop and keep", "Develop"]
    assert OTHERS not in told
    assert narrow.type("--help").out == told


@pytest.mark.parametrize("path", VERBS, ids=IDS)
def test_each_help_has_an_example_that_names_its_verb(narrow: Terminal, path: tuple[str, ...]) -> None:
    told = narrow.type(*path, "-h").out
    assert f"loaner {' '.join(path)}" in told.partition("Examples:")[2]


@pytest.mark.parametrize("path", [path for path in VERBS if path[0] != "serve"], ids=" ".join)
def test_json_is_one_of_two_kinds_and_each_help_says_which(path: tuple[str, ...]) -> None:
    told = [option.help for option in VERBS[path].params if "--json" in option.opts]
    assert told in ([], [_json.OBJECT], [_json.LINES], [f"{_json.OBJECT} Without HOST, a line for each."])


def test_errors_have_one_shape(terminal: Terminal) -> None:
    for wrong in (
        ["revok"],
        ["revoke", "--colour"],
        ["usage", "--by", "x"],
        ["audit", "show"],
        ["init", "--json", "x"],
    ):
        done = terminal.type(*wrong)
        assert done.code == 2
        if "--json" in wrong:
            assert done.error["code"] == "usage"
        else:
            assert re.match(r"loaner: usage: .+\n.+", done.err)
        assert done.out == ""
    assert "loaner revoke --help" in terminal.type("revoke", "--colour").err


def test_settings_faults_are_told_apart_from_usage(terminal: Terminal) -> None:
    file = terminal.home / "wrong.toml"
    for said in ("colour = 1\n", "environment =\n", "[connectors.x]\nprovider = 'github'\n"):
        file.write_text(said)
        assert terminal.type("status", "--config", str(file)).code == 78, said
    assert terminal.type("status", "--config", "nowhere.toml").code == 78
    rules = terminal.home / "policy"
    rules.mkdir()
    (rules / "x.cedar").write_text("permit (")
    assert terminal.type("policy", "check", "--policy", str(rules)).code == 78


@pytest.fixture
def home(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOANER_HOME", str(with_store(terminal.home)))
    with writable() as store:
        anyio.run(filled, store, 2000)
    return terminal.home


@pytest.mark.parametrize(
    "verb",
    [
        ["audit", "tail", "-n", "2000"],
        ["audit", "tail", "-n", "2000", "--json"],
        ["tools", "-h"],
        ["completion", "bash"],
    ],
)
def test_a_reader_that_leaves_is_no_error(home: Path, verb: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [*LOANER, *verb], stdout=writing, stderr=subprocess.PIPE, env=buffered, text=True, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def shown(home: Path, **variables: str) -> str:
    """What a verb with colours writes on a terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", **variables}
    with subprocess.Popen([*LOANER, "audit", "tail", "-n", "1"], stdout=theirs, env=environment) as process:
        os.close(theirs)
        told = b""
        try:
            while piece := os.read(ours, 4096):
                told += piece
        except OSError:
            pass  # how a terminal says that its program ended
        assert process.wait() == 0
    os.close(ours)
    return told.decode()


def test_colour_is_for_a_terminal_that_wants_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    assert "\x1b[3" in shown(home)
    assert "\x1b[3" not in shown(home, NO_COLOR="1")
    piped = subprocess.run([*LOANER, "audit", "tail", "-n", "1"], capture_output=True, text=True, check=True)
    assert "\x1b" not in piped.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_a_shell_gets_its_script(terminal: Terminal, shell: str) -> None:
    done = terminal.type("completion", shell)
    assert done.code == 0
    assert "_LOANER_COMPLETE" in done.out
    assert terminal.type("completion", "cmd").code == 2


def test_a_shell_is_told_what_can_come_next(terminal: Terminal) -> None:
    asked = {"_LOANER_COMPLETE": "complete_bash", "COMP_WORDS": "loaner in", "COMP_CWORD": "1"}
    done = subprocess.run(LOANER, env={**os.environ, **asked}, capture_output=True, text=True, check=False)
    assert set(done.stdout.split()) == {"init", "install", "inventory"}
