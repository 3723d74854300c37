"""Which key signs checkpoints of the records."""

from __future__ import annotations

from pathlib import Path

from loaner.audit.note import Signer, Verifier
from loaner.errors import SettingsInvalid
from loaner.settings import Settings, resolve


def signer_of(settings: Settings) -> Signer:
    """The key of the settings, or a file of this loaner's own that is made the first time.

    Raises :class:`SettingsInvalid` for one that cannot be used.
    """
    if settings.checkpoint_key:
        return Signer.parse(resolve(settings.checkpoint_key, setting="checkpoint_key").reveal(), where="checkpoint_key")
    try:
        return Signer.from_file(key_file(settings))
    except OSError as failure:
        raise SettingsInvalid(f"{key_file(settings)} cannot be made or read: {failure.strerror}.") from None


def verifier_of(settings: Settings) -> Verifier | None:
    """Of the same key; ``None`` where there is none yet."""
    if settings.checkpoint_key is None and not key_file(settings).exists():
        return None
    return signer_of(settings).verifier


def key_file(settings: Settings) -> Path:
    return settings.home / "checkpoint.key"


def is_shared(settings: Settings) -> bool:
    """Do all servers of this store sign with one key? A setting names it, or the store is beside it."""
    return settings.checkpoint_key is not None or settings.store is None
