"""Secrets are only ever references (``env:NAME``, ``file:/path``, ``keyring:service/name``), so that a settings file
can be reviewed and committed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from loaner.errors import SettingsInvalid
from loaner.secret import Secret
from loaner.settings.anchored import Anchor
from loaner.settings.paths import absolute

_KINDS = re.compile(r"(env|file):.+|keyring:[^/]+/.+")
_IN_VAULT = re.compile(r"vault:.+/keys/.+")
_LONGEST = 64 * 1024


def _reference(written: str) -> str:
    if not _KINDS.fullmatch(written):
        raise ValueError("must be a reference (env:NAME, file:/path or keyring:service/name), never the secret itself")
    return written


def _key_reference(written: str) -> str:
    if not _KINDS.fullmatch(written) and not _IN_VAULT.fullmatch(written):
        raise ValueError(
            "must be a reference (env:NAME, file:/path, keyring:service/name or vault:transit/keys/NAME), "
            "never the secret itself"
        )
    return written


def _anchored(written: str, setting: str, base: Path | None) -> str:
    """The file that a reference names, as a whole path."""
    kind, _, rest = written.partition(":")
    return f"file:{absolute(rest, setting=setting, base=base)}" if kind == "file" else written


Reference = Annotated[str, AfterValidator(_reference), Anchor(_anchored)]
"""Where a secret is kept, never the secret."""
KeyReference = Annotated[str, AfterValidator(_key_reference), Anchor(_anchored)]
"""Where the sealing key is kept; or which key of Vault it is, that never leaves it."""


def resolve(reference: str, *, setting: str = "") -> Secret:
    """Fetch the secret that a reference names; ``setting`` is where it stands, for the error.

    Raises :class:`SettingsInvalid` when it is not there, or cannot be read.
    """
    kind, _, rest = reference.partition(":")
    where = f"{setting}: " if setting else ""
    try:
        if kind == "env":
            value = os.environ.get(rest)
        elif kind == "file":
            value = _in_file(absolute(rest, setting=setting or reference, base=None))
        elif kind == "keyring":
            value = _in_keyring(rest)
        else:
            value = None
    except (OSError, UnicodeDecodeError) as failure:
        raise SettingsInvalid(
            f"{where}the secret {reference!r} cannot be read ({type(failure).__name__}).",
            do="Check that it is a text file that this user may read.",
        ) from None
    except _NoKeyring as refused:
        raise SettingsInvalid(
            f"{where}the secret {reference!r} cannot be read: no keyring answers here ({refused}).",
            do="Use file: or env: on a machine without a desktop, or unlock the keyring.",
        ) from None
    if not value:
        raise SettingsInvalid(f"{where}the secret {reference!r} is empty or not there.", do="Set it, then start again.")
    return Secret(value)


class _NoKeyring(Exception):
    """The environment has none, or it is locked. The name of the failure is all that is told of it."""


def _in_file(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return file.read(_LONGEST).decode().strip()


def _in_keyring(place: str) -> str | None:
    import keyring

    service, _, name = place.partition("/")
    try:
        return keyring.get_password(service, name)
    except Exception as failure:  # noqa: BLE001 - backends raise what they like: D-Bus, a locked ring, none at all
        raise _NoKeyring(type(failure).__name__) from None
