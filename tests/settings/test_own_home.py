"""``LOANER_HOME`` is ours alone, or it is refused: what others could write, they may have written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loaner.errors import SettingsInvalid
from loaner.settings import load
from loaner.settings.home import made
from settings.place import Place


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o720, 0o1777])
def test_a_home_that_others_can_write_is_refused(mode: int, place: Place) -> None:
    place.home.mkdir(parents=True)
    place.home.chmod(mode)
    for read in (load, lambda: made(place.home)):
        with pytest.raises(SettingsInvalid, match=f"{place.home} can be written by others") as refused:
            read()
        assert f"chmod 700 {place.home}" in refused.value.do
    assert place.home.stat().st_mode & 0o7777 == mode


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o705, 0o711])
def test_one_that_others_can_read_is_closed_before_anything_is_written(
    mode: int, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.home.mkdir(parents=True)
    place.home.chmod(mode)
    load()
    assert place.home.stat().st_mode & 0o777 == mode, "who only looks changes nothing"
    made(place.home)
    assert place.home.stat().st_mode & 0o777 == mode & 0o700
    assert f"{place.home} was open to others (mode {mode:04o}); it is closed now." in capsys.readouterr().err


def test_one_of_another_user_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.home.mkdir(parents=True, mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: place.home.stat().st_uid + 1)
    with pytest.raises(SettingsInvalid, match="belongs to another user"):
        load()


def test_a_new_one_is_made_closed_and_only_by_who_writes(place: Place) -> None:
    load()
    assert not place.home.exists()
    made(place.home)
    assert place.home.stat().st_mode & 0o777 == 0o700


def test_one_that_cannot_be_made_is_named(place: Place, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsInvalid, match="cannot be used") as refused:
        made(tmp_path / "file" / "home")
    assert "LOANER_HOME" in refused.value.do
