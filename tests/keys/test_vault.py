"""The key stays in Vault: it wraps and unwraps for us, and what it refuses we do not open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("hvac")

from fake_vault import FakeVault, fake_vault

from loaner.errors import LoanerError, SettingsInvalid, StoreUnusable
from loaner.keys import key_holder
from loaner.secret import Secret
from loaner.settings import Settings, VaultSettings
from loaner.store import LocalKey, Sealed, Unsealable, WrongKey
from loaner.store.tables import passkeys
from loaner.store.tags import Tags

VALUE = Secret("ghu_a-token-that-is-sealed")


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVault]:
    with fake_vault() as running:
        monkeypatch.setenv("VAULT_ADDR", running.url)
        monkeypatch.setenv("VAULT_TOKEN", running.token)
        yield running


def sealed(name: str = "loaner", **more: object) -> Sealed:
    return Sealed(key_holder(Settings(key=f"vault:transit/keys/{name}", **more)))


def test_what_is_sealed_opens_in_its_own_place_only(vault: FakeVault) -> None:
    mine = sealed()
    value = mine.seal(VALUE, "grants", "a", "1")
    assert sealed().open(value, "grants", "a", "1") == VALUE
    with pytest.raises(Unsealable):
        mine.open(value, "grants", "b", "1")
    assert VALUE.reveal().encode() not in value


def test_no_byte_of_it_can_be_flipped(vault: FakeVault) -> None:
    mine = sealed()
    value = mine.seal(VALUE, "x")
    for at in range(len(value)):
        altered = bytearray(value)
        altered[at] ^= 0x20
        with pytest.raises((Unsealable, StoreUnusable)):
            mine.open(bytes(altered), "x")


def test_each_opening_asks_vault(vault: FakeVault) -> None:
    """A data key is not kept, so what Vault forbids ends at once."""
    mine = sealed()
    value = mine.seal(VALUE, "x")
    for _ in range(2):
        mine.open(value, "x")
    assert vault.asked == ["encrypt", "decrypt", "decrypt"]
    vault.token = "another"
    with pytest.raises(StoreUnusable, match="cannot be used right now"):
        mine.open(value, "x")


def test_a_token_that_was_replaced_is_read_again(vault: FakeVault, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = sealed()
    value = mine.seal(VALUE, "x")
    vault.token = "hvs.the-next-one"
    monkeypatch.setenv("VAULT_TOKEN", vault.token)
    assert mine.open(value, "x") == VALUE


def test_a_sealed_or_absent_vault_is_not_taken_for_a_broken_value(vault: FakeVault) -> None:
    mine = sealed()
    value = mine.seal(VALUE, "x")
    vault.sealed = True
    with pytest.raises(StoreUnusable) as told:
        mine.open(value, "x")
    assert vault.token not in f"{told.value.told()} {told.value.log}"
    mine.holder._client._adapter.base_uri = "http://127.0.0.1:9"  # type: ignore[attr-defined]
    with pytest.raises(StoreUnusable):
        mine.open(value, "x")


def test_a_rotation_inside_vault_seals_anew_and_retiring_the_old_version_ends_it(vault: FakeVault) -> None:
    mine = sealed()
    first, old = mine.key_id(), mine.seal(VALUE, "x")
    derived = mine.holder.derive("cursors")
    vault.rotate()
    assert mine.key_id() != first
    assert mine.holder.derive("cursors") == derived, "what a rotation changes must not make replicas disagree"
    new = mine.rewrapped(old)
    vault.oldest = 2
    assert mine.open(new, "x") == VALUE
    with pytest.raises(WrongKey, match="retired"):
        mine.open(old, "x")
    assert len(mine.holder.derive("cursors")) == 32


def test_a_running_server_takes_a_version_that_it_did_not_know(
    vault: FakeVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MUST 53: a row that a replica tagged by the newest version counts at once, and those of before as well."""
    monkeypatch.setattr("loaner.keys.vault._KEPT_AT_LEAST", -1)
    mine, row = Tags(sealed()), {"id": "x", "subject": "s", "public_key": b"k"}
    row |= {"tag": (old := mine.of(passkeys, row))}
    vault.rotate()
    new = Tags(sealed()).of(passkeys, row)
    assert new != old
    assert mine.holds(passkeys, row | {"tag": new})
    assert mine.holds(passkeys, row)
    assert mine.is_of_an_old_key(passkeys, row), "so that `loaner keys rotate` tags it anew"
    vault.oldest = 2
    again = Tags(sealed())
    assert again.holds(passkeys, row | {"tag": new})
    assert not again.holds(passkeys, row)


def test_a_key_that_was_deleted_opens_nothing(vault: FakeVault) -> None:
    mine = sealed()
    value = mine.seal(VALUE, "x")
    del vault.keys["loaner"]
    with pytest.raises(WrongKey, match="gone"):
        mine.open(value, "x")
    with pytest.raises(LoanerError, match="refuses"):
        mine.seal(VALUE, "x")


def test_a_store_moves_from_a_local_key_into_vault(vault: FakeVault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLD_KEY", "ab" * 32)
    value = Sealed(LocalKey(bytes.fromhex("ab" * 32))).seal(VALUE, "x")
    both = sealed(other_keys=("env:OLD_KEY",))
    assert both.open(value, "x") == VALUE
    assert sealed().open(both.rewrapped(value), "x") == VALUE


@pytest.mark.parametrize("address", ["", "http://vault.example:8200", "ftp://127.0.0.1", "//127.0.0.1"])
def test_a_token_is_not_sent_in_the_clear(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    with pytest.raises(SettingsInvalid, match="https"):
        VaultSettings(address=address).url()
