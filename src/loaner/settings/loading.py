"""Reading all sources into one value. An unknown key stops the start: a typo must not silently loosen anything."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from loaner.errors import SettingsInvalid
from loaner.settings import home, sources
from loaner.settings.model import Settings
from loaner.settings.project import trusted_here
from loaner.settings.told import problem_told, refuse_unknown_variables


def load(**flags: Any) -> Settings:
    """Read all sources, and write nothing. Raises :class:`SettingsInvalid`, never with a secret in it.

    ``flags`` beat everything; one that is ``None`` was not given.
    """
    file = sources.settings_file()
    values: dict[str, Any] = {}
    said = {key: value for key, value in flags.items() if value is not None}
    read = sources.is_there(file)
    for source in ([sources.in_file(file)] if read else []) + [sources.in_environment(), sources.in_flags(said)]:
        values = sources.merged(values, source.anchored(Settings))
    try:
        settings = Settings(**values)
    except ValidationError as problems:
        raise SettingsInvalid("; ".join(problem_told(problem) for problem in problems.errors())) from None
    refuse_unknown_variables()
    settings.came_from(file, read=read)
    home.look_at(settings.home)
    return settings


def with_project(settings: Settings) -> Settings:
    """The same, narrowed by the ``loaner.toml`` of the working directory, if a person has trusted it.

    For the verbs that serve or show tools; raises :class:`SettingsInvalid`.
    """
    project = trusted_here(settings.home, next(iter(settings.files), None))
    return settings.narrowed(project) if project else settings
