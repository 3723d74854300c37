"""Where settings come from: flags, then ``LOANER_*``, then one file of the operator's own, then defaults.

That file is the one that ``--config`` or ``LOANER_CONFIG`` names, else the user's own. Never one that happens to lie in
the working directory: a host starts a stdio server in whatever project is open, and whoever wrote that project would
configure loaner. What a project may say is in ``project``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource
from pydantic_settings.exceptions import SettingsError

from loaner.errors import SettingsInvalid
from loaner.settings.anchored import Loc, SettingsSource
from loaner.settings.model import Settings
from loaner.settings.paths import absolute, refuse_written_by_others
from loaner.settings.renamed import of_today, variables
from loaner.settings.toml import parsed

NAMED_BY = "LOANER_CONFIG"
"""The variable that names the settings file; ``--config`` sets it for one run and what that starts."""


def named_file() -> Path:
    """The one file that may say everything, whether it exists or not. Raises :class:`SettingsInvalid`."""
    named = os.environ.get(NAMED_BY)
    if named is not None:
        return absolute(named, setting=NAMED_BY, base=None)
    return absolute(platformdirs.user_config_dir("loaner"), setting="XDG_CONFIG_HOME", base=None) / "config.toml"


def settings_file() -> Path:
    """The same, to be read: one that was named must exist. Raises :class:`SettingsInvalid`."""
    file = named_file()
    if NAMED_BY in os.environ and not is_there(file):
        raise SettingsInvalid("--config or LOANER_CONFIG names a file that does not exist.", do=f"Looked for: {file}")
    return file


def is_there(file: Path) -> bool:
    """Is something there to be read? A dangling link is: settings that are lost must not pass for none."""
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as failure:
        raise SettingsInvalid(f"{file} cannot be read: {failure.strerror}.") from None
    return True


def in_file(file: Path) -> SettingsSource:
    """What the operator's file says. Raises :class:`SettingsInvalid`, with the file's name."""
    return SettingsSource(
        of_today(_read(file), str(file)), base=file.parent, named=lambda loc: f"{'.'.join(loc)} in {file}"
    )


def in_environment() -> SettingsSource:
    """What ``LOANER_*`` variables say. They outlive the folder in which they were set, so no path is relative to it."""
    try:
        values = _Variables(Settings)()
    except SettingsError as failure:
        raise SettingsInvalid(
            f"{_no_json(str(failure))} cannot be read as JSON.",
            do='Write a list as ["one", "two"] and a table as JSON, or use the settings file.',
        ) from None
    return SettingsSource(values, base=None, named=_variable)


class _Variables(EnvSettingsSource):
    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in variables().items()}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """JSON, or one plain word where a setting takes a word for a list of it."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            if any(isinstance(mark, BeforeValidator) for mark in field.metadata):
                return value
            raise


def in_flags(flags: Mapping[str, Any]) -> SettingsSource:
    """What was typed. A path is relative to the folder in which it was."""
    with suppress(FileNotFoundError):  # the folder is gone; only a relative path would need it
        return SettingsSource(flags, base=Path.cwd(), named=lambda loc: "--" + loc[-1].replace("_", "-"))
    return SettingsSource(flags, base=None, named=lambda loc: "--" + loc[-1].replace("_", "-"))


def merged(weaker: Mapping[str, Any], stronger: Mapping[str, Any]) -> dict[str, Any]:
    """Both, table by table; where both say something, the stronger."""
    both = dict(weaker)
    for key, value in stronger.items():
        below = both.get(key)
        both[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return both


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            refuse_written_by_others(file)
            content = opened.read()
    except OSError as failure:
        raise SettingsInvalid(f"{file} cannot be read: {failure.strerror}.") from None
    return parsed(content, file)


def _no_json(failure: str) -> str:
    """The variables that a failure may be about; its text names only the table."""
    table = next((name for name in Settings.model_fields if f'"{name}"' in failure), "")
    ours = [name for name in os.environ if name.upper().split("__")[0] == f"LOANER_{table.upper()}"]
    return " or ".join(name for name in ours if not _is_json(os.environ[name])) or "A LOANER_ variable"


def _is_json(written: str) -> bool:
    try:
        json.loads(written)
    except ValueError:
        return False
    return True


def _variable(loc: Loc) -> str:
    return "LOANER_" + "__".join(loc).upper()
