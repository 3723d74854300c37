"""No shell stands behind a settings file or a host's JSON: what a shell would do is done, or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loaner.errors import SettingsInvalid
from loaner.settings import Settings, load, resolve
from loaner.settings.anchored import SettingsSource
from settings.place import Place

SAYS: dict[str, str] = {
    "home": 'home = "{}"',
    "policy": 'policy = "{}"',
    "task": 'task = "{}"',
    "extra_connectors": 'extra_connectors = "{}"',
    "key": 'key = "file:{}"',
    "other_keys.0": 'other_keys = ["file:{}"]',
    "checkpoint_key": 'checkpoint_key = "file:{}"',
    "vault.token": '[vault]\ntoken = "file:{}"',
    "connectors.github.client_secret": (
        '[connectors.github]\nprovider = "github"\nclient_id = "a"\nclient_secret = "file:{}"'
    ),
    "store": 'store = "sqlite:///{}"',
}


def said(settings: Settings, setting: str) -> str:
    value: Any = settings.model_dump()
    for part in setting.split("."):
        value = value[int(part)] if part.isdigit() else value[part]
    return str(value).removeprefix("file:").removeprefix("sqlite:///")


@pytest.mark.parametrize("setting", SAYS)
def test_a_home_is_filled_in_and_the_rest_is_beside_the_file(setting: str, place: Place, tmp_path: Path) -> None:
    assert said(place.read(SAYS[setting].format("~/x")), setting) == str(tmp_path / "x")
    assert said(place.read(SAYS[setting].format("sub/x")), setting) == str(place.own.parent / "sub/x")
    assert list(place.project.iterdir()) == []


@pytest.mark.parametrize("setting", SAYS)
@pytest.mark.parametrize("path", ["$HOME/x", "${HOME}/x", "%APPDATA%/x", "a/~/x", "~nobody-of-that-name/x", " "])
def test_what_only_a_shell_would_understand_is_refused_by_name(path: str, setting: str, place: Place) -> None:
    assert f"{setting} in {place.own}: the path" in place.refusal(SAYS[setting].format(path))


@pytest.mark.parametrize("variable", ["LOANER_HOME", "LOANER_POLICY", "LOANER_TASK", "LOANER_EXTRA_CONNECTORS"])
@pytest.mark.parametrize("path", ["x", "./x", "../x", "${HOME}/x", ""])
def test_a_variable_is_not_relative_to_wherever_loaner_is_started(variable: str, path: str, place: Place) -> None:
    place.patch.setenv(variable, path)
    assert f"{variable}: the path {path!r}" in place.refusal()
    assert list(place.project.iterdir()) == []


def test_a_home_in_a_variable_is_filled_in(place: Place, tmp_path: Path) -> None:
    place.patch.setenv("LOANER_HOME", "~/loanerhome")
    place.patch.setenv("LOANER_KEY", "file:~/key")
    assert load().home == tmp_path / "loanerhome"
    assert load().key == f"file:{tmp_path / 'key'}"


def test_a_flag_is_relative_to_where_it_is_typed(place: Place) -> None:
    assert load(task="triage.toml").task == place.project / "triage.toml"


def test_a_home_that_is_not_a_whole_path_fills_nothing_in(place: Place) -> None:
    place.patch.setenv("HOME", "here")
    assert "Check HOME" in place.refusal('policy = "~/x"')


def test_a_store_that_a_reference_names_is_whole_too(place: Place) -> None:
    place.patch.setenv("DATABASE_URL", "sqlite:///loaner.db")
    with pytest.raises(SettingsInvalid, match="store"):
        _ = place.read('store = "env:DATABASE_URL"').store_url


def test_every_path_among_the_settings_is_found() -> None:
    """A further table with a path in it needs no list to be kept: its type says so."""
    source = SettingsSource({"task": "t", "connectors": {"x": {"client_secret": "file:s"}}}, Path("/base"), str)
    assert source.anchored(Settings) == {
        "task": Path("/base/t"),
        "connectors": {"x": {"client_secret": "file:/base/s"}},
    }


def test_a_secret_file_that_cannot_be_read_is_told_by_its_setting(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsInvalid, match=r"key: the secret .* cannot be read"):
        resolve(f"file:{tmp_path / 'secret'}", setting="key")


def test_a_machine_without_a_keyring_is_told_what_to_use_instead(place: Place) -> None:
    place.patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    import keyring
    import keyring.backends.fail

    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.fail.Keyring())
    try:
        with pytest.raises(SettingsInvalid, match=r"key: .* no keyring answers here \(NoKeyringError\)") as refused:
            resolve("keyring:loaner/key", setting="key")
    finally:
        keyring.set_keyring(before)
    assert "file: or env:" in refused.value.do
