"""The text of a settings file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from loaner.errors import SettingsInvalid


def parsed(content: bytes, file: Path) -> dict[str, Any]:
    """Raises :class:`SettingsInvalid`, with the file's name and the place in it."""
    try:
        return tomllib.loads(content.decode())
    except tomllib.TOMLDecodeError as failure:
        raise SettingsInvalid(f"{file} cannot be read: it is not TOML: {failure}") from None
    except UnicodeDecodeError:
        raise SettingsInvalid(f"{file} cannot be read: it is not text in UTF-8.") from None
    except (ValueError, RecursionError):
        raise SettingsInvalid(f"{file} cannot be read: a number in it is too long, or a list too deep.") from None
