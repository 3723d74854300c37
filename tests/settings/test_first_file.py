"""``loaner init``: what its file says can be set so, what it calls a default is one, and nothing is overwritten."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cli.terminal import Terminal, terminal_in
from loaner.settings import Settings, template

SET = re.compile(r"#(?P<line>\[.+\]|[a-z_]+ = .+)")


@pytest.fixture
def terminal(tmp_path: Path) -> Any:
    with terminal_in(tmp_path / "at") as at:
        yield at


def leaves(table: dict[str, Any], *path: str) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for key, value in table.items():
        found |= leaves(value, *path, key) if isinstance(value, dict) else {(*path, key): value}
    return found


def test_the_new_file_is_read_and_says_nothing(terminal: Terminal) -> None:
    done = terminal.type("init")
    file = terminal.home / "loaner" / "config.toml"
    assert done.code == 0, done.err
    assert str(file) in done.out
    assert file.stat().st_mode & 0o777 == 0o600
    assert tomllib.loads(file.read_text()) == {}
    assert json.loads(terminal.type("status", "--json").out)["settings"]["files"] == [str(file)]
    assert [one.name for one in file.parent.iterdir()] == ["config.toml"]


def test_each_line_can_be_set_as_it_stands() -> None:
    lines = template.text().splitlines()
    told = [line for line in lines if line and not line.startswith("# ") and line != "#"]
    assert all(SET.fullmatch(line) for line in told), told
    said = tomllib.loads("\n".join(SET.fullmatch(line)["line"] for line in told))  # type: ignore[index]
    Settings(**said)
    defaults = [line for line in told if line.endswith("# default")]
    table, called = "", dict[tuple[str, ...], Any]()
    for line in told:
        table = line[2:-1] if line.startswith("#[") else table
        if line in defaults:
            key = (*filter(None, table.split(".")), line[1:].split(" = ")[0])
            called[key] = leaves(said)[key]
    assert len(called) == len(defaults) > 8
    identity = {"issuer": "https://login.example.com"}
    for path, value in called.items():
        real: Any = Settings(identity=identity)
        for name in path:
            real = getattr(real, name)
        assert real == value, path


def test_what_is_there_is_never_overwritten(terminal: Terminal, tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('environment = "mine"\n')
    refused = terminal.type("init", "--config", str(mine))
    assert refused.code == 2
    assert "is there already" in refused.err
    assert mine.read_text() == 'environment = "mine"\n'
    link = tmp_path / "link.toml"
    link.symlink_to(tmp_path / "nowhere.toml")
    assert terminal.type("init", "--config", str(link)).code == 2
    assert not (tmp_path / "nowhere.toml").exists()
    new = terminal.type("init", "--config", str(tmp_path / "a" / "new.toml"), "--json")
    assert json.loads(new.out) == {"file": str(tmp_path / "a" / "new.toml")}
    inside_a_file = terminal.type("init", "--config", str(mine / "new.toml"))
    assert inside_a_file.code != 0
    assert "cannot be written" in inside_a_file.err
    assert terminal.type("init", "--print").out == template.text()
