"""Flags, then ``LOANER_*``, then the file, then defaults. An unknown key stops the start: a typo must not silently
loosen anything."""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from loaner.errors import SettingsInvalid
from loaner.settings.model import Settings
from loaner.settings.sections import ConnectorSettings, IdentitySettings


def load(**flags: Any) -> Settings:
    """Read all sources and prepare ``home`` (0700). Raises :class:`SettingsInvalid`, never with a value in it."""
    named = os.environ.get("LOANER_CONFIG")
    if named and not Path(named).is_file():
        raise SettingsInvalid("LOANER_CONFIG names a file that does not exist.", do=f"Looked for: {named}")
    try:
        settings = Settings(**{key: value for key, value in flags.items() if value is not None})
    except ValidationError as problems:
        raise SettingsInvalid("; ".join(_told(problem) for problem in problems.errors(include_input=False))) from None
    except tomllib.TOMLDecodeError as failure:
        raise SettingsInvalid(f"loaner.toml cannot be read: {failure}") from None
    except (OSError, UnicodeDecodeError) as failure:
        raise SettingsInvalid(f"loaner.toml cannot be read ({type(failure).__name__}).") from None
    _refuse_unknown_environment()
    try:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as failure:
        raise SettingsInvalid(
            f"the folder {settings.home} cannot be used: {failure.strerror}.", do="Set LOANER_HOME to one that can."
        ) from None
    return settings


def _told(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"unknown setting {where!r}{_did_you_mean(str(problem['loc'][-1]), _known(problem['loc']))}"
    return f"{where}: {problem['msg']}"


def _known(loc: tuple[Any, ...]) -> list[str]:
    model: Any = Settings
    for part in loc[:-1]:
        field = getattr(model, "model_fields", {}).get(part)
        model = ConnectorSettings if part == "connectors" or field is None else field.annotation
        if part == "identity":
            model = IdentitySettings
    return list(getattr(model, "model_fields", Settings.model_fields))


def _refuse_unknown_environment() -> None:
    """A misspelt ``LOANER_`` variable would otherwise be ignored."""
    ours = {"CONFIG", "HOME", "SANDBOX"}  # read before or outside the settings
    known = {name.upper() for name in Settings.model_fields} | ours
    for variable in os.environ:
        if variable.startswith("LOANER_"):
            first = variable.removeprefix("LOANER_").split("__")[0]
            if first not in known:
                raise SettingsInvalid(f"unknown variable {variable}{_did_you_mean(first, sorted(known))}")


def _did_you_mean(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else f" (known: {', '.join(known)})"
