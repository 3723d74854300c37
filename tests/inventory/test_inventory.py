"""``loaner inventory``: every key that lies about is told, none is shown, and what only looks like one is let be."""

from __future__ import annotations

import hashlib
import json
import os

import pytest

from inventory.conftest import written
from inventory.made_up import Maker, basic, benign
from mcp_hosts.conftest import Desk


def planted(desk: Desk) -> dict[str, str]:
    """Twelve keys in nine places, each by the place that it is in."""
    make, home = Maker(), desk.home
    keys = [make.github(), make.github("gho_"), make.fine_grained(), make.slack(), make.slack_user(), make.slack_app()]
    keys += [make.linear(), make.linear(), make.github("ghu_"), make.old(), make.webhook(), make.github()]
    project = home / "src" / "shop"
    places = {
        keys[0]: written(
            home / ".cursor/mcp.json",
            json.dumps({"mcpServers": {"github": {"command": "docker", "env": {"T": keys[0]}}}}),
        ),
        keys[1]: written(home / ".config/gh/hosts.yml", f"github.com:\n    user: ada\n    oauth_token: {keys[1]}\n"),
        keys[2]: written(home / ".git-credentials", f"https://ada:{keys[2]}@github.com\n"),
        keys[3]: written(
            project / ".env", f"export SLACK_BOT_TOKEN='{keys[3]}'\nSLACK_USER={keys[4]}\nX={keys[5]} # app\n"
        ),
        keys[6]: written(
            home / ".codex/config.toml",
            '[mcp_servers.linear]\nurl = "https://mcp.example"\n'
            f'http_headers = {{ Authorization = "Bearer {keys[6]}" }}\n',
        ),
        keys[7]: written(
            home / ".claude.json",
            json.dumps(
                {"projects": {"/src": {"mcpServers": {"l": {"args": ["--key", keys[7]]}}}}, "n": keys[8]}, indent=1
            ),
        ),
        keys[9]: written(home / ".netrc", f"machine github.com login ada\nGITHUB_TOKEN={keys[9]}\n"),
        keys[10]: written(home / ".zshrc", f"alias x=y\nexport HOOK={keys[10]}\n"),
        keys[11]: written(
            project / ".git/config",
            f'[http "https://github.com/"]\n\textraheader = AUTHORIZATION: basic {basic("x-access-token", keys[11])}\n',
        ),
    }
    assert len(places) == 9
    around = {keys[4]: keys[3], keys[5]: keys[3], keys[8]: keys[7]}
    return {key: str(places[around.get(key, key)]) for key in keys}


def test_twelve_keys_in_nine_places_are_found_and_none_is_shown(desk: Desk) -> None:
    keys = planted(desk)
    assert len(keys) == 12
    told = desk.type("inventory", str(desk.home / "src"))
    listed = desk.type("inventory", str(desk.home / "src"), "--json")
    assert told.code == listed.code == 0, told.err
    found = {row["fingerprint"]: row for row in listed.rows}
    assert {hashlib.sha256(key.encode()).hexdigest(): where for key, where in keys.items()} == {
        fingerprint: row["where"] for fingerprint, row in found.items()
    }
    assert len(listed.rows) == 12
    for key in keys:
        assert found[hashlib.sha256(key.encode()).hexdigest()]["ends_with"] == key[-4:]
        shown = told.out + told.err + listed.out + listed.err
        assert not any(key[at : at + 9] in shown for at in range(12, len(key) - 9)), key[:8]
        assert basic("x-access-token", key)[-12:] not in shown
    assert "12 keys in 9 places" in told.out
    names = {row["name"] for row in listed.rows}
    assert {
        "mcpServers.github.env.T",
        "SLACK_BOT_TOKEN",
        "oauth_token",
        "mcp_servers.linear.http_headers.Authorization",
    } <= names
    assert {row["entry"] for row in listed.rows if row["entry"]} == {"cursor/github", "codex/linear"}
    providers = [row["provider"] for row in listed.rows]
    assert (providers.count("github"), providers.count("slack"), providers.count("linear")) == (6, 4, 2)


def test_two_hundred_files_without_a_key_make_no_noise(desk: Desk) -> None:
    for number in range(200):
        name, content = benign(number)
        written(desk.home / "src" / f"p{number}" / name, content)
    alarms = desk.type("inventory", str(desk.home / "src"), "--json").rows
    assert len(alarms) <= 1


def test_a_checksum_that_is_wrong_makes_it_no_key(desk: Desk) -> None:
    key = Maker(3).github()
    other = key[:-1] + ("a" if key[-1] != "a" else "b")
    written(desk.home / "x" / ".env", f"A={other}\nB={key}\n")
    rows = desk.type("inventory", str(desk.home / "x"), "--json").rows
    assert [row["name"] for row in rows] == ["B"]
    # The published example of the format.
    written(desk.home / "x" / ".env", "A=" + "ghp_" + "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ" + "0mLq17\n")
    assert len(desk.type("inventory", str(desk.home / "x"), "--json").rows) == 1


def test_a_key_in_this_shell_and_one_in_several_places(desk: Desk) -> None:
    key = Maker(4).linear()
    written(desk.home / ".zshenv", f"export LINEAR_API_KEY={key}\n# was {key}\n")
    told = desk.type("inventory", str(desk.home), LINEAR_API_KEY=key)
    assert "1 keys in 2 places" in told.out
    assert told.out.count("LINEAR_API_KEY") == 2
    assert key[8:16] not in told.out


def test_a_key_with_escapes_in_json_is_one_too(desk: Desk) -> None:
    hook = Maker(5).webhook()
    desk.has("cursor", json.dumps({"mcpServers": {"s": {"env": {"H": hook}}}}).replace("/", "\\/").encode())
    [row] = desk.type("inventory", str(desk.home), "--json").rows
    assert (row["name"], row["entry"], row["line"]) == ("mcpServers.s.env.H", "cursor/s", None)


def test_a_key_in_the_place_of_a_name_is_not_shown_either(desk: Desk) -> None:
    key, other = Maker(12).github(), Maker(13).linear()
    desk.has("cursor", json.dumps({"mcpServers": {key: {"env": {key: other}}}}).encode())
    told, rows = desk.type("inventory", str(desk.home)), desk.type("inventory", str(desk.home), "--json")
    assert "cursor/(a key)" in {row["entry"] for row in rows.rows}
    assert key not in told.out + rows.out
    assert other not in told.out + rows.out


def test_what_cannot_be_looked_at_is_said(desk: Desk) -> None:
    key = Maker(6).github()
    (desk.home / ".zshrc").write_bytes(b"\xff\xfe" + key.encode())
    desk.has("cursor", b"{not json " + key.encode())
    rows = desk.type("inventory", str(desk.home), "--json").rows
    assert [row["kind"] for row in rows] == ["key", "not looked at"] or [row["kind"] for row in rows] == [
        "not looked at",
        "key",
    ]
    assert any("UTF-8" in row.get("why", "") for row in rows)
    assert desk.type("inventory", str(desk.home / "nowhere")).code == 2


def test_a_swapped_entry_starts_loaner_and_is_undone_to_the_byte(desk: Desk) -> None:
    key, app = Maker(8).github(), Maker(9).slack()
    entry = {"command": "docker", "args": ["run", "x"], "env": {"GITHUB_TOKEN": key, "SLACK": app}}
    before = json.dumps({"mcpServers": {"github/../x": entry, "other": {"command": "y"}}}, indent=3).encode()
    file = desk.has("cursor", before)
    done = desk.type("inventory", "--swap", "cursor/github/../x")
    assert done.code == 0, done.err
    now = json.loads(file.read_bytes())["mcpServers"]
    assert now["github/../x"]["args"] == ["serve", "--toolsets", "github,slack"]
    assert now["other"] == {"command": "y"}
    kept = [path for path in desk.terminal.home.rglob("*") if path.is_file()]
    assert kept
    assert not any(key.encode() in path.read_bytes() or app.encode() in path.read_bytes() for path in kept)
    assert all(path.is_relative_to(desk.terminal.home) for path in kept)
    assert desk.type("inventory", str(desk.home), "--json").rows == []
    assert desk.type("inventory", "--swap", "cursor/github/../x").code == 2
    undone = desk.type("inventory", "--undo", "cursor/github/../x")
    assert undone.code == 0, undone.err
    assert file.read_bytes() == before


def test_a_swapped_table_of_codex_and_one_edited_since(desk: Desk) -> None:
    key = Maker(10).linear()
    table = f'[mcp_servers.linear]\ncommand = "npx"\n[mcp_servers.linear.env]\nKEY = "{key}"\n'
    before = f"# mine\n{table}\n# next\n[tui]\nx = 1\n"
    file = desk.has("codex", before.encode())
    assert desk.type("inventory", "--swap", "codex/linear").code == 0
    text = file.read_text()
    assert '"--toolsets", "linear"' in text
    assert text.startswith("# mine\n[mcp_servers.linear]\n")
    assert text.endswith("# next\n[tui]\nx = 1\n")
    file.write_text(text + "\n[more]\ny = 2\n")
    assert desk.type("inventory", "--undo", "codex/linear").code == 0
    assert file.read_text() == before + "\n[more]\ny = 2\n"
    desk.type("inventory", "--swap", "codex/linear")
    file.write_text(file.read_text().replace('"--toolsets", "linear"', '"--read-only"'))
    edited = file.read_bytes()
    refused = desk.type("inventory", "--undo", "codex/linear", "--json")
    assert refused.error["code"] == "host_unusable"
    assert file.read_bytes() == edited


def test_a_folder_that_cannot_be_written_keeps_its_file(desk: Desk) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    before = json.dumps({"mcpServers": {"g": {"env": {"T": Maker(11).github()}}}}).encode()
    file = desk.has("cursor", before)
    file.parent.chmod(0o500)
    assert desk.type("inventory", "--swap", "cursor/g").code == 1
    file.parent.chmod(0o700)
    assert file.read_bytes() == before
