"""From what the settings name to the holder of the key."""

from __future__ import annotations

import base64
import binascii
import re
import stat
from pathlib import Path

from loaner.errors import SettingsInvalid
from loaner.keys.file import FileKey, local_keys
from loaner.network import Network
from loaner.settings import Settings, resolve
from loaner.store.sealing import KEY_BYTES, KeyHolder, KeyRing, LocalKey

_HEX = re.compile(rf"[0-9a-fA-F]{{{KEY_BYTES * 2}}}")


def key_holder(settings: Settings, *, look: bool = False) -> KeyHolder:
    """The holder of the key that seals, and of those that still open. Raises :class:`SettingsInvalid`.

    ``look``: for a verb that makes nothing, and so no key either.
    """
    first = _holder(settings.key, settings, "key") if settings.key else FileKey(settings.home / "key", look=look)
    others = [_holder(reference, settings, "other_keys") for reference in settings.other_keys]
    return KeyRing(first, *others) if others else first


def _holder(reference: str, settings: Settings, setting: str) -> KeyHolder:
    kind, _, rest = reference.partition(":")
    if kind == "vault":
        try:
            from loaner.keys.vault import VaultKey  # its client takes longer to import than most verbs take
        except ImportError:
            raise SettingsInvalid(
                f"{setting}: the key is in Vault, and its client is not installed.",
                do="Where loaner is installed, run: pip install hvac (docs/keys-and-stores.md)",
            ) from None

        return VaultKey.named(rest, settings.vault, Network.of(settings.network))
    if kind == "file":
        return _in_file(Path(rest), reference)
    return LocalKey(_key_bytes(resolve(reference, setting=setting).reveal(), reference))


def _in_file(path: Path, reference: str) -> KeyHolder:
    """A key in one line of text, or loaner's own file of them, which it then only reads."""
    if not path.is_file():
        raise SettingsInvalid(f"the secret {reference!r} is empty or not there.", do="Set it, then start again.")
    if (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
        raise SettingsInvalid(f"{path} can be read by others (mode {mode:04o}).", do=f"Run: chmod 600 {path}")
    whole = path.read_bytes()
    try:
        return LocalKey(_key_bytes(whole.decode().strip(), reference))
    except (UnicodeDecodeError, SettingsInvalid):
        return KeyRing(*local_keys(whole, path))


def _key_bytes(written: str, reference: str) -> bytes:
    """A key as it can be written in one line: hex, or base64 in either alphabet."""
    if _HEX.fullmatch(written):
        return bytes.fromhex(written)
    try:
        return base64.b64decode(written.replace("-", "+").replace("_", "/") + "=" * (-len(written) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise SettingsInvalid(f"{reference!r} does not hold a key.", do="Make one: openssl rand -hex 32") from None
