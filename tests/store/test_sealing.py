"""What is secret at rest opens only in its own row (MUST 52), under a key that nobody else can read (MUST 54)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loaner.errors import SettingsInvalid
from loaner.keys import FileKey
from loaner.secret import Secret
from loaner.store import LocalKey, Sealed, Unsealable

TOKEN = Secret("ghu_example-of-a-token")


@pytest.fixture
def sealed() -> Sealed:
    return Sealed(LocalKey(os.urandom(32)))


def test_a_value_opens_where_it_was_sealed(sealed: Sealed) -> None:
    assert sealed.open(sealed.seal(TOKEN, "grants", "a", "1"), "grants", "a", "1") == TOKEN


@pytest.mark.parametrize(
    "elsewhere",
    [("grants", "b", "1"), ("loans", "a", "1"), ("grants", "a", "2"), ("grants", "a1"), ("grants", "a", "1", "")],
    ids=["another row", "another table", "a newer version", "parts joined otherwise", "one part more"],
)
def test_a_value_put_elsewhere_does_not_open(sealed: Sealed, elsewhere: tuple[str, ...]) -> None:
    """MUST 52: a swapped or rolled-back row is refused."""
    with pytest.raises(Unsealable):
        sealed.open(sealed.seal(TOKEN, "grants", "a", "1"), *elsewhere)


def test_no_byte_of_a_sealed_value_can_be_flipped(sealed: Sealed) -> None:
    value = sealed.seal(TOKEN, "grants", "a", "1")
    for place in range(len(value)):
        altered = bytearray(value)
        altered[place] ^= 1
        with pytest.raises(Unsealable):
            sealed.open(bytes(altered), "grants", "a", "1")


@given(st.binary(max_size=200))
def test_noise_is_refused_and_never_crashes(noise: bytes) -> None:
    with pytest.raises(Unsealable):
        Sealed(LocalKey(bytes(range(32)))).open(noise, "grants", "a", "1")


def test_another_key_opens_nothing(sealed: Sealed) -> None:
    value = sealed.seal(TOKEN, "grants", "a", "1")
    with pytest.raises(Unsealable):
        Sealed(LocalKey(os.urandom(32))).open(value, "grants", "a", "1")


def test_the_value_is_not_in_what_is_stored(sealed: Sealed) -> None:
    assert TOKEN.reveal().encode() not in sealed.seal(TOKEN, "grants", "a", "1")


def test_the_key_file_is_made_for_its_owner_only_and_read_again(tmp_path: Path) -> None:
    value = Sealed(FileKey(tmp_path / "key")).seal(TOKEN, "x")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert Sealed(FileKey(tmp_path / "key")).open(value, "x") == TOKEN


def test_a_key_that_others_can_read_stops_the_start(tmp_path: Path) -> None:
    """MUST 54."""
    FileKey(tmp_path / "key")
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(SettingsInvalid, match="can be read by others"):
        FileKey(tmp_path / "key")


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_the_wrong_length_stops_the_start(length: int) -> None:
    with pytest.raises(SettingsInvalid, match="32 random bytes"):
        LocalKey(b"x" * length)
