"""What a project may say: less. Its ``loaner.toml`` counts once a person has trusted it, and only for what narrows.

The file is somebody else's. So it can hide tools, ask for ``read_only`` and bring a task that a person has to agree to,
all of it on top of the person's own settings. It is no block either: whoever may write it may also remove it.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from loaner.errors import SettingsInvalid
from loaner.settings import trust
from loaner.settings.notes import note
from loaner.settings.toml import parsed

NAME = "loaner.toml"


def _list(written: Any) -> Any:
    if not isinstance(written, list) or not written:
        raise ValueError('must be a list with something in it, such as ["github.issues"]')
    return tuple(written)


Names = Annotated[tuple[str, ...], BeforeValidator(_list)]


class ProjectSettings(BaseModel):
    """Every key that a project's file may have. None can show, permit or reach more."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    toolsets: Names = ()
    """Of the tools that the person's settings show, those in these toolsets."""
    tools: Names = ()
    """Of those, these; beside ``toolsets``, those in either."""
    exclude_tools: Names = ()
    read_only: bool = False
    task: str | None = Field(default=None, min_length=1)
    """A task (TOML) beside this file, to be agreed to before anything else is done; the person's own comes first."""


@dataclass(frozen=True)
class Project:
    """A project's file as it was at the one time that it was read, with the task that it names."""

    file: Path
    says: ProjectSettings
    digests: trust.Trusted
    task: bytes | None = None


def here() -> Path | None:
    """The project file of the working directory, whatever stands there."""
    try:
        file = Path.cwd() / NAME
    except FileNotFoundError:
        return None
    return file if file.is_symlink() or file.exists() else None


def real(file: Path) -> Path:
    """Its folder without links; whether the file itself is one is looked at when it is opened."""
    return file.parent.resolve() / file.name


def read(file: Path) -> Project:
    """Raises :class:`SettingsInvalid`, with the file and the key, for what a project may not say."""
    return _read(file, trust.read_once(file))


def _read(file: Path, content: bytes) -> Project:
    says = _narrowing(file, parsed(content, file))
    task = trust.read_once(_beside(file, says.task)) if says.task else None
    digests = trust.Trusted(trust.digest(content), trust.digest(task) if task is not None else None)
    return Project(file, says, digests, task)


def trusted_here(home: Path, own: Path | None) -> Project | None:
    """The project of the working directory, if it is trusted as it is now; if not, a line says what to do.

    ``own`` is the person's settings file, which is no project. Raises :class:`SettingsInvalid` where a trusted file has
    become something that cannot be compared: a link, a pipe, unreadable.
    """
    file = here()
    if file is None or (own is not None and real(own) == file):
        return None
    command = f"loaner trust {shlex.quote(str(file))}"
    known = trust.trusted(home).get(str(file))
    if known is None:
        note(f"{file} is not trusted and says nothing here: run `{command}` (it can only narrow what loaner does)")
        return None
    content = trust.read_once(file)
    if trust.digest(content) != known.sha256 or (project := _read(file, content)).digests != known:
        note(
            f"{file}, or its task, changed since it was trusted and says nothing here: look at it, then run `{command}`"
        )
        return None
    return project


def _narrowing(file: Path, said: dict[str, Any]) -> ProjectSettings:
    try:
        return ProjectSettings.model_validate(said)
    except ValidationError as problems:
        first = problems.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise SettingsInvalid(
                f"{file}: a project's file may not say {key!r}.",
                do=f"It may say {', '.join(ProjectSettings.model_fields)}. The rest is for your own settings file.",
            ) from None
        raise SettingsInvalid(f"{file}: {key}: {first['msg'].removeprefix('Value error, ')}") from None


def _beside(file: Path, task: str) -> Path:
    path = PurePath(task)
    if path.is_absolute() or ".." in path.parts or task.startswith("~") or "$" in task or not task.isprintable():
        raise SettingsInvalid(f"{file}: task must name a file beside it, and not {task!r}.")
    return file.parent / path
