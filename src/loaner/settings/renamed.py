"""Names that settings had before: read as today's, with a word to whoever wrote them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from loaner.errors import SettingsInvalid
from loaner.settings.notes import note

RENAMED = {"budget": "limiter"}
"""Tables of the settings, by their earlier names."""


def of_today(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What a file says, under the names of today. Raises :class:`SettingsInvalid` for a table under both names."""
    said = dict(values)
    for old, new in RENAMED.items():
        if old not in said:
            continue
        if new in said:
            raise SettingsInvalid(f"{where} has [{old}] and [{new}], which are the same.", do=f"Keep [{new}].")
        note(f"{where}: [{old}] is called [{new}] now")
        said[new] = said.pop(old)
    return said


def variables() -> dict[str, str]:
    """The variables of this process, under the names of today. Raises :class:`SettingsInvalid` for one said twice."""
    said = dict(os.environ)
    for name in os.environ:
        for old, new in RENAMED.items():
            table, _, rest = name.partition("__")
            if table.upper() != f"LOANER_{old.upper()}":
                continue
            today = "__".join((f"LOANER_{new.upper()}", *([rest] if rest else ())))
            if today in said:
                raise SettingsInvalid(f"{name} and {today} are the same setting.", do=f"Keep {today}.")
            note(f"{name} is called {today} now")
            said[today] = said.pop(name)
    return said
