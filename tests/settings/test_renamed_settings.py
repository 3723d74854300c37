"""Settings under names that they had before."""

from __future__ import annotations

from pathlib import Path

import pytest

from loaner import settings
from loaner.errors import SettingsInvalid


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    chosen = tmp_path / "chosen.toml"
    chosen.touch(0o600)
    monkeypatch.setenv("LOANER_CONFIG", str(chosen))
    monkeypatch.setenv("LOANER_HOME", str(tmp_path / "home"))
    return chosen


def test_an_earlier_name_of_a_table_counts_and_its_new_one_is_told(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("[budget]\nfactor = 0.5\n")
    assert settings.load().limiter.factor == 0.5
    assert "[budget] is called [limiter] now" in capsys.readouterr().err


def test_an_earlier_name_of_a_variable_counts_and_its_new_one_is_told(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOANER_BUDGET__FACTOR", "0.25")
    assert settings.load().limiter.factor == 0.25
    assert "LOANER_BUDGET__FACTOR is called LOANER_LIMITER__FACTOR now" in capsys.readouterr().err


def test_one_setting_under_both_names_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("[budget]\nfactor = 0.5\n[limiter]\nfactor = 1\n")
    with pytest.raises(SettingsInvalid, match=r"has \[budget\] and \[limiter\]"):
        settings.load()
    file.write_text("")
    monkeypatch.setenv("LOANER_BUDGET__FACTOR", "0.25")
    monkeypatch.setenv("LOANER_LIMITER__FACTOR", "0.5")
    with pytest.raises(SettingsInvalid, match="are the same setting"):
        settings.load()
