"""Secrets are only ever references (``env:NAME``, ``file:/path``, ``keyring:service/name``), so that a settings file
can be reviewed and committed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import StringConstraints

from loaner.errors import SettingsInvalid
from loaner.secret import Secret

Reference = Annotated[str, StringConstraints(pattern=r"(env|file|keyring):.+")]
"""Where a secret is kept, never the secret."""
KeyReference = Annotated[str, StringConstraints(pattern=r"(env|file|keyring):.+|vault:.+/keys/.+")]
"""Where the sealing key is kept; or which key of Vault it is, that never leaves it."""


def resolve(reference: str) -> Secret:
    """Fetch the secret that a reference names. Raises :class:`SettingsInvalid` when it is not there."""
    kind, _, rest = reference.partition(":")
    value: str | None = None
    if kind == "env":
        value = os.environ.get(rest)
    elif kind == "file":
        path = Path(rest)
        value = path.read_text().strip() if path.is_file() else None
    elif kind == "keyring":
        import keyring

        service, _, name = rest.partition("/")
        value = keyring.get_password(service, name)
    if not value:
        raise SettingsInvalid(f"the secret {reference!r} is empty or not there.", do="Set it, then start again.")
    return Secret(value)
