"""``loaner install``: the entry that each host documents, and its file as it was before, to the byte."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from loaner.cli import _own_command
from loaner.mcp_hosts import file_text
from mcp_hosts.conftest import Desk

HOSTS = ("claude-code", "claude-desktop", "codex", "gemini", "vscode", "cursor")
JSON = {
    "two spaces": b'{\n  "theme": "dark",\n  "mcpServers": {\n    "other": {\n      "command": "x"\n    }\n  }\n}\n',
    "tabs and CRLF": b'{\r\n\t"servers": {\r\n\t\t"other": {"command": "x"}\r\n\t}\r\n}\r\n',
    "a mark at the beginning": b'\xef\xbb\xbf{"mcpServers": {"other": {"command": "x"}}, "n": 1.50}',
    "one line": b'{"a":1,"mcpServers":{"other":{"command":"x","env":{"K":"}{"}}}}',
    "an empty object": b"{}",
    "an empty table": b'{\n    "mcpServers": {}, "servers": {\n    }\n}',
    "no line end, odd numbers and escapes": '{"n": 1e3, "t": "\\u00e9 \\" } ü", "l": [1,2 , 3]}'.encode(),
    "blanks alone": b" \n\n",
}
COMMENTS = {
    "comments": b'// mine\n{\n  // servers\n  "servers": { /* a } */ "other": {"command": "//x"} },\n'
    b'  "mcpServers": {\n    "o": {}, // last\n  },\n}\n',
}
TOML = {
    "tables": b'model = "x"  # mine\n\n[mcp_servers.other]\ncommand = "x"\n\n[profiles.a]\nn = 1_000\n',
    "no line end": b'model = "x"',
    "CRLF": b'model = "x"\r\n[tui]\r\nn = 1\r\n',
    "a text with a header in it": b'note = """\n[mcp_servers.loaner]\n"""\n',
}
WRITTEN = [
    *[(host, name) for host in HOSTS if host != "codex" for name in JSON],
    *[(host, name) for host in ("gemini", "vscode", "cursor") for name in COMMENTS],
    *[("codex", name) for name in TOML],
]


def program() -> str:
    [command] = _own_command.command()
    return command


def said(host: str, file: Path) -> dict[str, Any]:
    raw = file.read_bytes()
    if host == "codex":
        return tomllib.loads(raw.decode())
    text = re.sub(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', lambda one: one[1] or "", raw.decode("utf-8-sig"))
    return dict(json.loads(re.sub(r",(\s*[}\]])", r"\1", text)))


def table(host: str) -> str:
    return {"codex": "mcp_servers", "vscode": "servers"}.get(host, "mcpServers")


def test_each_host_gets_the_entry_that_it_documents(desk_of_hosts: Desk) -> None:
    plain = {
        "command": program(),
        "args": ["serve", "--sandbox"],
        "env": {"LOANER_HOME": str(desk_of_hosts.terminal.home)},
    }
    documented = {
        "claude-code": {"mcpServers": {"loaner": {"type": "stdio", **plain}}},
        "claude-desktop": {"mcpServers": {"loaner": plain}},
        "codex": {"mcp_servers": {"loaner": plain | {"startup_timeout_sec": 30, "required": True}}},
        "gemini": {"mcpServers": {"loaner": plain}},
        "vscode": {"servers": {"loaner": {"type": "stdio", **plain}}},
        "cursor": {"mcpServers": {"loaner": plain}},
    }
    assert Path(program()).is_absolute()
    for host, written in documented.items():
        file = desk_of_hosts.has(host)
        done = desk_of_hosts.type("install", host, "--sandbox")
        assert done.code == 0, done.err
        assert said(host, file) == written
        assert "it asks" in done.out
        assert f"loaner install {host} --undo" in done.out
        assert file.stat().st_mode & 0o077 == 0
        assert desk_of_hosts.type("install", host, "--undo").code == 0
        assert not file.exists()


@pytest.mark.parametrize(("host", "shape"), WRITTEN)
def test_what_stood_there_stays_and_undoing_gives_back_its_bytes(desk_of_hosts: Desk, host: str, shape: str) -> None:
    before = (JSON | COMMENTS | TOML)[shape]
    file = desk_of_hosts.has(host, before)
    file.chmod(0o640)
    was = said(host, file) if before.strip() else {}
    assert desk_of_hosts.type("install", host).code == 0
    now = said(host, file)
    entry = now[table(host)].pop("loaner")
    assert entry["args"] == ["serve"]
    assert now == {**was, table(host): was.get(table(host), {})}
    assert file.stat().st_mode & 0o777 == 0o640
    assert (b"\r\n" in before) == (b"\r\n" in file.read_bytes())
    done = desk_of_hosts.type("install", host, "--undo")
    assert done.code == 0, done.err
    assert file.read_bytes() == before
    assert desk_of_hosts.beside(file) == []


def test_a_second_time_changes_nothing_and_another_way_replaces_it(desk_of_hosts: Desk) -> None:
    before = JSON["two spaces"]
    file = desk_of_hosts.has("cursor", before)
    desk_of_hosts.type("install", "cursor", "--sandbox")
    once = file.read_bytes()
    again = desk_of_hosts.type("install", "cursor", "--sandbox", "--json")
    assert json.loads(again.out)["done"] == "already there"
    assert file.read_bytes() == once
    desk_of_hosts.type("install", "cursor")
    assert said("cursor", file)["mcpServers"]["loaner"]["args"] == ["serve"]
    desk_of_hosts.type("install", "cursor", "--undo")
    assert file.read_bytes() == before


def test_a_host_that_rewrote_its_file_keeps_what_it_wrote(desk_of_hosts: Desk) -> None:
    file = desk_of_hosts.has("claude-code", JSON["one line"])
    desk_of_hosts.type("install", "claude-code")
    now = json.loads(file.read_bytes())
    now["mcpServers"] = dict(reversed(now["mcpServers"].items()))
    file.write_text(json.dumps(now | {"startups": 4}, indent=4))
    done = desk_of_hosts.type("install", "claude-code", "--undo", "--json")
    assert json.loads(done.out)["done"] == "taken out"
    assert json.loads(file.read_bytes()) == json.loads(JSON["one line"]) | {"startups": 4}


def test_what_codex_wrote_around_the_table_stays(desk_of_hosts: Desk) -> None:
    file = desk_of_hosts.has("codex", TOML["tables"])
    desk_of_hosts.type("install", "codex")
    lines = file.read_text().replace('command = "/', 'command   = "/')  # another spelling of the same
    file.write_text(lines + '\n# trusted\n[projects."a.b"]\ntrust_level = "trusted"\n')
    assert desk_of_hosts.type("install", "codex", "--undo").code == 0
    left = file.read_text()
    assert "loaner" not in left
    assert left.startswith(TOML["tables"].decode())
    assert '# trusted\n[projects."a.b"]\ntrust_level = "trusted"\n' in left


def test_an_entry_that_was_edited_by_hand_is_left_to_its_person(desk_of_hosts: Desk) -> None:
    for host in HOSTS:
        file = desk_of_hosts.has(host)
        desk_of_hosts.type("install", host, "--sandbox")
        file.write_text(file.read_text().replace("--sandbox", "--read-only"))
        edited = file.read_bytes()
        refused = desk_of_hosts.type("install", host, "--undo", "--json")
        assert (refused.code, refused.error["code"]) == (1, "host_unusable")
        assert "was edited" in refused.error["message"]
        assert desk_of_hosts.type("install", host).code == 1
        assert file.read_bytes() == edited


def test_another_servers_entry_of_that_name_is_not_touched(desk_of_hosts: Desk) -> None:
    theirs = b'{"mcpServers": {"loaner": {"command": "/their/loaner"}}}'
    file = desk_of_hosts.has("cursor", theirs)
    refused = desk_of_hosts.type("install", "cursor")
    assert refused.code == 1
    assert "--name" in refused.err
    assert "keeps nothing of having written it" in desk_of_hosts.type("install", "cursor", "--undo").err
    assert file.read_bytes() == theirs
    assert desk_of_hosts.type("install", "cursor", "--name", "lender").code == 0
    assert set(said("cursor", file)["mcpServers"]) == {"loaner", "lender"}
    assert desk_of_hosts.type("install", "cursor", "--undo", "--name", "lender").code == 0
    assert file.read_bytes() == theirs


@pytest.mark.parametrize(
    ("host", "content", "told"),
    [
        ("cursor", b"{not json", "it is not JSON: line 1, column 2"),
        ("claude-code", b'{"a": 1} // no comments here', "it is not JSON"),
        ("cursor", b'{"mcpServers": {}, "mcpServers": {}}', "says a key twice"),
        ("vscode", b"[]", "no object"),
        ("vscode", b'{"servers": 3}', "servers in"),
        ("cursor", b"\xff\xfe{}", "not text in UTF-8"),
        ("codex", b"a = = 1", "it is not TOML"),
        ("codex", b"mcp_servers = {}\n", "cannot add to"),
        ("cursor", b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_read_stays_as_it_is(desk_of_hosts: Desk, host: str, content: bytes, told: str) -> None:
    file = desk_of_hosts.has(host, content)
    refused = desk_of_hosts.type("install", host)
    assert refused.code == 1
    assert told in refused.err
    assert file.read_bytes() == content
    assert desk_of_hosts.beside(file) == []


def test_a_file_that_is_none_and_a_link(desk_of_hosts: Desk) -> None:
    file = desk_of_hosts.has("cursor")
    file.mkdir()
    assert "no plain file" in desk_of_hosts.type("install", "cursor").err
    file.rmdir()
    kept = desk_of_hosts.home / "dotfiles.json"
    kept.write_bytes(b"{}")
    file.symlink_to(kept)
    assert desk_of_hosts.type("install", "cursor").code == 0
    assert file.is_symlink()
    assert "loaner" in kept.read_text()
    assert desk_of_hosts.type("install", "cursor", "--undo").code == 0
    assert kept.read_bytes() == b"{}"
    kept.unlink()
    assert "leads nowhere" in desk_of_hosts.type("install", "cursor").err


def test_a_file_that_changes_meanwhile_is_left_alone(desk_of_hosts: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    file = desk_of_hosts.has("cursor", b"{}")
    beside = file_text._beside

    def while_the_host_writes(*arguments: Any) -> Path:
        file.write_bytes(b'{"new": 1}')
        return beside(*arguments)

    monkeypatch.setattr(file_text, "_beside", while_the_host_writes)
    refused = desk_of_hosts.type("install", "cursor")
    assert "changed meanwhile" in refused.err
    assert file.read_bytes() == b'{"new": 1}'
    assert desk_of_hosts.beside(file) == []
    assert "not in" in desk_of_hosts.type("install", "cursor", "--undo").out


def test_a_host_that_is_not_here_gets_no_file(desk_of_hosts: Desk) -> None:
    refused = desk_of_hosts.type("install", "codex")
    assert refused.code == 1
    assert "Codex is not installed here" in refused.err
    assert not desk_of_hosts.files["codex"].exists()
    rows = desk_of_hosts.type("install", "--json").rows
    assert {row["host"]: row["state"] for row in rows} == dict.fromkeys(HOSTS, "not here")
    unknown = desk_of_hosts.type("install", "claude")
    assert unknown.code == 2
    assert "Did you mean 'claude-code'?" in unknown.err


def test_printing_changes_nothing(desk_of_hosts: Desk) -> None:
    printed = desk_of_hosts.type("install", "--print", "--sandbox")
    [entry] = json.loads(printed.out)["mcpServers"].values()
    assert entry["command"] == program()
    assert "mcp_servers.loaner" in desk_of_hosts.type("install", "codex", "--print").out
    assert '"servers"' in desk_of_hosts.type("install", "vscode", "--print").out
    assert not any(file.exists() for file in desk_of_hosts.files.values())
    assert desk_of_hosts.type("install", "--undo").code == 2


def test_the_entry_names_the_settings_file_that_was_named(desk_of_hosts: Desk, tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    config.touch(mode=0o600)
    printed = desk_of_hosts.type("install", "--print", "--config", str(config))
    assert json.loads(printed.out)["mcpServers"]["loaner"]["args"] == ["serve", "--config", str(config)]
