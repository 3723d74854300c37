"""A project's ``loaner.toml``: trusted as it is or not at all, and then only to take away."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from loaner.assembly import host_task, read_catalog
from loaner.cli._app import run
from loaner.errors import SettingsInvalid
from loaner.settings import Settings, load, project, trust, with_project
from settings.place import Place

READ_ONLY = "read_only = true\n"
TASK = """
purpose = "Triage"
resources = ["acme/web"]
[[operations]]
tool = "github_issue_read"
count = 20
"""


@pytest.fixture
def file(place: Place) -> Path:
    return place.write(READ_ONLY, place.project / "loaner.toml")


def tools(settings: Settings) -> set[str]:
    return {operation.tool for operation in read_catalog(settings).operations}


def trusted(file: Path, text: str | None = None) -> None:
    if text is not None:
        file.write_text(text)
    assert run(["trust", str(file)]) == 0


def test_one_that_nobody_trusted_is_named_and_left(
    place: Place, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert with_project(load()) == load()
    [line] = capsys.readouterr().err.splitlines()
    assert f"{file} is not trusted" in line
    assert f"run `loaner trust {file}`" in line


@pytest.mark.parametrize("what", ["a link", "a pipe", "a folder", "not TOML", "not text", "a forbidden key", "nowhere"])
def test_one_that_nobody_trusted_cannot_even_stop_loaner(
    what: str, place: Place, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(what, file)
    assert with_project(load()) == load()
    assert f"{file} is not trusted" in capsys.readouterr().err


def put(what: str, file: Path) -> None:
    """Something else in the file's place."""
    file.unlink()
    match what:
        case "a link":
            file.with_name("other.toml").write_text(READ_ONLY)
            file.symlink_to("other.toml")
        case "nowhere":
            file.symlink_to("nowhere.toml")
        case "a pipe":
            os.mkfifo(file)
        case "a folder":
            file.mkdir()
        case "not TOML":
            file.write_text("read_only = \n")
        case "not text":
            file.write_bytes(b"\xff")
        case "too long":
            file.write_text("#" * 70_000)
        case "a forbidden key":
            file.write_text(READ_ONLY + 'policy = "policy"\n')


BAD = {
    "a link": "is a symbolic link",
    "nowhere": "is a symbolic link",
    "a pipe": "is no plain file",
    "a folder": "is no plain file",
    "not TOML": "is not TOML",
    "not text": "is not text in UTF-8",
    "too long": "is longer than 65536 bytes",
    "a forbidden key": "a project's file may not say 'policy'",
}


@pytest.mark.parametrize(("what", "told"), BAD.items())
def test_nothing_but_a_plain_narrow_file_is_trusted(
    what: str, told: str, place: Place, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(what, file)
    assert run(["trust", str(file)]) == 78
    err = capsys.readouterr().err
    assert str(file) in err
    assert told in err
    assert trust.trusted(place.home) == {}


def test_one_without_an_end_is_not_read_whole(place: Place, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.truncate(file, 1 << 42)  # whoever reads it whole needs as much memory
    code = run(["trust", str(file)])
    file.unlink()
    assert code == 78
    assert "is longer than 65536 bytes" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["a link", "a pipe", "a folder"])
def test_what_cannot_be_compared_in_the_place_of_a_trusted_one_stops_the_start(
    what: str, place: Place, file: Path
) -> None:
    trusted(file)
    put(what, file)
    with pytest.raises(SettingsInvalid, match=f"{file} {BAD[what]}"):
        with_project(load())


@pytest.mark.parametrize("what", ["not TOML", "a forbidden key"])
def test_a_trusted_one_that_changed_says_nothing_any_more(
    what: str, place: Place, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trusted(file)
    assert with_project(load()).tools.read_only
    put(what, file)
    capsys.readouterr()
    assert with_project(load()) == load()
    assert f"{file}, or its task, changed since it was trusted" in capsys.readouterr().err


def unreadable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To root too, who reads whatever its mode says."""
    opened = os.open

    def refused(at: Any, *how: Any, **more: Any) -> int:
        if str(at) == str(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(at, *how, **more)

    monkeypatch.setattr(os, "open", refused)


def test_one_that_cannot_be_read_is_named_where_it_is_trusted(
    place: Place, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted(file)
    unreadable(file, monkeypatch)
    assert run(["trust", str(file)]) == 78
    assert f"{file} cannot be read: Permission denied" in capsys.readouterr().err
    with pytest.raises(SettingsInvalid, match=f"{file} cannot be read"):
        with_project(load())


def test_what_is_hashed_is_what_is_used(place: Place, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is opened once: one that is swapped after that changes nothing."""
    trusted(file)
    read, opened = trust.read_once, []

    def swapped(path: Path) -> bytes:
        content = read(path)
        opened.append(path)
        path.write_text("read_only = false\n")
        return content

    monkeypatch.setattr(trust, "read_once", swapped)
    assert with_project(load()).tools.read_only
    assert opened == [file]


@pytest.mark.parametrize("key", sorted(set(Settings.model_fields) - {"tools", "task"}))
def test_no_other_setting_may_stand_in_it(
    key: str, place: Place, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(f"[{key}]\nx = 1\n")
    assert run(["trust", str(file)]) == 78
    assert f"may not say {key!r}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("tools = []", "tools: must be a list with something in it"),
        ('toolsets = "slack"', "toolsets: must be a list"),
        ("[tools]\nonly = ['x']", "tools: must be a list"),
        ('tools = ["slack_sned_message"]', "Did you mean “slack_send_message”?"),
        ('read_only = "yes"', "read_only"),
        ('task = "/etc/passwd"', "task must name a file beside it"),
        ('task = "../task.toml"', "task must name a file beside it"),
        ('task = "~/task.toml"', "task must name a file beside it"),
        ('task = "$HOME.toml"', "task must name a file beside it"),
        ('task = "tri\\u202eage.toml"', "task must name a file beside it"),
        ('task = "missing.toml"', "missing.toml cannot be read"),
        ('task = "loaner.toml"', "is invalid"),
    ],
)
def test_what_it_says_wrongly_is_told_when_it_is_to_be_trusted(
    said: str, told: str, place: Place, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(said)
    assert run(["trust", str(file)]) == 78
    assert told in capsys.readouterr().err
    assert trust.trusted(place.home) == {}


OWN = '[tools]\ntoolsets = ["github.issues", "slack"]\nexclude = ["slack_send_message"]\n'


@pytest.mark.parametrize(
    "said",
    [
        'toolsets = ["all"]',
        'toolsets = ["linear", "slack"]',
        'tools = ["slack_send_message", "github_get_me", "github_issue_read"]',
        'tools = ["linear_get_issue"]',
        "read_only = false",
        'exclude_tools = ["github_issue_read"]',
    ],
)
@pytest.mark.parametrize("own", ["", OWN, "[tools]\nread_only = true\n", '[tools]\nonly = ["github_issue_read"]\n'])
def test_it_only_ever_takes_away(said: str, own: str, place: Place, file: Path) -> None:
    before = place.read(own)
    trusted(file, said)
    after = with_project(load())
    assert tools(after) <= tools(before)
    assert after.tools.read_only == before.tools.read_only
    if said == 'tools = ["linear_get_issue"]' and own == OWN:
        assert tools(after) == set(), "nothing in common is nothing, and not everything"


def test_it_takes_away_what_it_says(place: Place, file: Path) -> None:
    place.read(OWN)
    trusted(file, 'toolsets = ["github"]\nexclude_tools = ["github_issue_read"]\nread_only = true\n')
    shown = tools(with_project(load()))
    assert shown
    assert all(tool.startswith("github_") for tool in shown)
    assert not shown & {"github_issue_read", "github_issue_create"}


def test_a_flag_does_not_undo_it(place: Place, file: Path) -> None:
    trusted(file, 'toolsets = ["slack"]\n')
    assert tools(with_project(load(tools={"toolsets": ["linear"]}))) == set()


def test_its_task_is_demanded_as_it_was_trusted(place: Place, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = place.write(TASK, place.project / "triage.toml")
    trusted(file, 'task = "triage.toml"\n')
    narrowed = with_project(load())
    task.write_text(TASK.replace("Triage", "Take over"))
    demanded = host_task(narrowed)
    assert demanded is not None
    assert "Triage" in str(demanded)
    assert with_project(load()).project is None
    assert "or its task, changed" in capsys.readouterr().err


def test_it_replaces_no_task_of_the_operator(place: Place, file: Path) -> None:
    place.write(TASK.replace("Triage", "Mine"), place.own.parent / "mine.toml")
    place.read('task = "mine.toml"\n')
    place.write(TASK, place.project / "triage.toml")
    trusted(file, 'task = "triage.toml"\n')
    assert "Mine" in str(host_task(with_project(load())))


def test_the_settings_file_itself_is_no_project(place: Place, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text('environment = "mine"\n')
    place.patch.setenv("LOANER_CONFIG", str(file))
    assert with_project(load()).environment == "mine"
    assert capsys.readouterr().err == ""


def test_the_list_is_kept_closed_and_shown_and_shortened(
    place: Place, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trusted(file)
    kept = place.home / trust.FILE
    assert kept.stat().st_mode & 0o777 == 0o600
    capsys.readouterr()
    assert run(["trust", "--list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["file"] == str(file)
    for open_to_others in (0o644, 0o640, 0o620, 0o602):
        kept.chmod(open_to_others)
        assert run(["trust", "--list"]) == 78
        assert "is open to others" in capsys.readouterr().err
    kept.chmod(0o600)
    file.unlink()
    assert run(["trust", "--remove", str(file)]) == 0
    assert run(["trust", "--remove", str(file)]) == 2
    assert trust.trusted(place.home) == {}


def test_a_list_that_is_damaged_is_not_taken_for_empty(
    place: Place, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trusted(file)
    (place.home / trust.FILE).write_text("[]")
    with pytest.raises(SettingsInvalid, match="is damaged"):
        with_project(load())
    (place.home / trust.FILE).unlink()
    (place.home / trust.FILE).mkdir(0o700)
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        with_project(load())


def test_the_way_to_it_may_have_links_and_the_file_is_the_same(place: Place, file: Path, tmp_path: Path) -> None:
    (tmp_path / "short").symlink_to(place.project)
    assert run(["trust", str(tmp_path / "short" / "loaner.toml")]) == 0
    assert list(trust.trusted(place.home)) == [str(file)]
    assert with_project(load()).project is not None


@pytest.mark.parametrize("typed", [["trust"], ["trust", "a", "--list"], ["trust", "other.toml"]])
def test_what_is_to_be_trusted_has_to_be_said(
    typed: list[str], place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(typed) == 2


def test_a_name_of_a_folder_does_not_act_on_the_terminal(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    folder = place.project / "\x1b[2Jx; touch y"
    place.write(READ_ONLY, folder / "loaner.toml")
    place.patch.chdir(folder)
    with_project(load())
    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert "`loaner trust '" in told


def test_a_folder_that_is_gone_has_no_project(place: Place) -> None:
    gone = place.project / "gone"
    gone.mkdir()
    place.patch.chdir(gone)
    gone.rmdir()
    assert project.here() is None
    assert with_project(load()).project is None
