"""Where the key may be kept, and how it is written there."""

from __future__ import annotations

import base64
import hashlib
import sys
from pathlib import Path

import pytest

from loaner.errors import SettingsInvalid
from loaner.keys import FileKey, key_holder
from loaner.secret import Secret
from loaner.settings import Settings
from loaner.store import LocalKey, Sealed

KEY = hashlib.sha256(b"the key of these tests").digest()  # the same in every worker, as it names tests
VALUE = Secret("ghu_a-token-that-is-sealed")


@pytest.mark.parametrize(
    "written",
    [KEY.hex(), KEY.hex().upper(), base64.b64encode(KEY).decode(), base64.urlsafe_b64encode(KEY).decode().rstrip("=")],
)
def test_a_key_in_the_environment_is_hex_or_base64(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALING_KEY", written)
    value = Sealed(LocalKey(KEY)).seal(VALUE, "x")
    assert Sealed(key_holder(Settings(key="env:SEALING_KEY"))).open(value, "x") == VALUE


@pytest.mark.parametrize("written", ["changeme", "0" * 63, "ab" * 31, "ab" * 33, "ä" * 32, "=" * 44])
def test_anything_else_stops_the_start_and_is_not_repeated(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """MUST 54."""
    monkeypatch.setenv("SEALING_KEY", written)
    with pytest.raises(SettingsInvalid) as told:
        key_holder(Settings(key="env:SEALING_KEY"))
    assert written not in told.value.told() + told.value.log


def test_a_key_in_the_keychain(monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring

    monkeypatch.setattr(
        keyring, "get_password", lambda service, name: KEY.hex() if (service, name) == ("a", "b") else None
    )
    value = Sealed(LocalKey(KEY)).seal(VALUE, "x")
    assert Sealed(key_holder(Settings(key="keyring:a/b"))).open(value, "x") == VALUE
    with pytest.raises(SettingsInvalid, match="not there"):
        key_holder(Settings(key="keyring:a/c"))


@pytest.mark.parametrize("content", [KEY, KEY.hex().encode() + b"\n"])
def test_a_key_in_a_named_file_is_its_owners_only(content: bytes, tmp_path: Path) -> None:
    """MUST 54."""
    file = tmp_path / "named"
    file.write_bytes(content)
    file.chmod(0o600)
    value = Sealed(LocalKey(KEY)).seal(VALUE, "x")
    assert Sealed(key_holder(Settings(key=f"file:{file}"))).open(value, "x") == VALUE
    file.chmod(0o604)
    with pytest.raises(SettingsInvalid, match="can be read by others"):
        key_holder(Settings(key=f"file:{file}"))


def test_a_process_that_runs_seals_under_the_new_key_as_soon_as_there_is_one(tmp_path: Path) -> None:
    running, other = Sealed(FileKey(tmp_path / "key")), FileKey(tmp_path / "key")
    before = running.seal(VALUE, "x")
    first = running.key_id()
    other.renew()
    assert running.key_id() != first
    assert running.open(before, "x") == VALUE
    assert Sealed(other).open(running.seal(VALUE, "x"), "x") == VALUE
    assert other.retire() == 1
    assert running.open(running.rewrapped(running.seal(VALUE, "x")), "x") == VALUE
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_key_file_of_half_a_key_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY + KEY[:16])
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(SettingsInvalid, match="32 random bytes"):
        FileKey(tmp_path / "key")
    (tmp_path / "key").write_bytes(b"")
    with pytest.raises(SettingsInvalid, match="32 random bytes"):
        FileKey(tmp_path / "key")


def test_a_key_in_vault_without_its_client_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hvac", None)
    monkeypatch.delitem(sys.modules, "loaner.keys.vault", raising=False)
    with pytest.raises(SettingsInvalid, match="key: the key is in Vault") as refused:
        key_holder(Settings(key="vault:transit/keys/loaner"))
    assert "pip install hvac" in refused.value.do


def test_a_key_that_is_there_is_looked_at_and_nothing_is_written(tmp_path: Path) -> None:
    made = key_holder(Settings(home=tmp_path))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path, *tmp_path.iterdir())}
    again = key_holder(Settings(home=tmp_path))
    assert again.derive("x") == made.derive("x")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path, *tmp_path.iterdir())} == before


def test_who_only_looks_makes_no_key(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        key_holder(Settings(home=tmp_path), look=True)
    assert list(tmp_path.iterdir()) == []
