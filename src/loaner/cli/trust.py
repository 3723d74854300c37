"""``loaner trust``: let a project's ``loaner.toml`` narrow what loaner does there, as it is now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loaner.cli._json import LINES
from loaner.cli._say import say
from loaner.errors import UsageError

if TYPE_CHECKING:
    from loaner.settings import Settings
    from loaner.settings.project import Project


def trust(
    file: Annotated[Path | None, typer.Argument(help="A project's loaner.toml.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="List what is trusted.")] = False,
    remove: Annotated[Path | None, typer.Option(metavar="FILE", help="Trust it no longer.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help=LINES)] = False,
) -> None:
    """Let a project's file narrow what loaner does.

    Its loaner.toml may say toolsets, tools, exclude_tools, read_only and task, and nothing else. Any change is to be
    trusted anew.

    \b
    Examples:
      loaner trust ./loaner.toml
      loaner trust --list
    """
    if [file is not None, listed, remove is not None].count(True) != 1:
        raise UsageError("say what to trust: one FILE, or --list, or --remove FILE.")
    if listed:
        _list(as_json=as_json)
    elif remove is not None:
        _remove(remove)
    elif file is not None:
        _trust(file)


def _trust(file: Path) -> None:
    from loaner.settings import load, project, trust
    from loaner.settings.home import made

    if file.name != project.NAME:
        raise UsageError(
            f"{file} is no project's file.", do=f"It is called {project.NAME}. For your own: --config FILE"
        )
    read = project.read(project.real(file))
    settings = load()
    _must_fit(settings.narrowed(read))
    made(settings.home)
    trust.keep(settings.home, trust.trusted(settings.home) | {str(read.file): read.digests})
    say(f"✓ {read.file} is trusted as it is now")
    for line in _told(read):
        say(f"  {line}")


def _remove(file: Path) -> None:
    from loaner.settings import load, project, trust

    home = load().home
    left = trust.trusted(home)
    if left.pop(str(project.real(file)), None) is None:
        raise UsageError(f"{file} is not trusted.", do="See: loaner trust --list")
    trust.keep(home, left)
    say(f"✓ {project.real(file)} is trusted no longer")


def _list(*, as_json: bool) -> None:
    from loaner.settings import load, trust

    known = trust.trusted(load().home)
    for path, one in known.items():
        print(json.dumps({"file": path, "sha256": one.sha256, "task": one.task})) if as_json else say(path)
    if not known and not as_json:
        say("no project is trusted")


def _must_fit(settings: Settings) -> None:
    """Names that mean nothing, and a task that is none, are told now and not when a host starts the server."""
    from loaner.assembly import host_task, read_catalog

    read_catalog(settings)
    host_task(settings)


def _told(read: Project) -> list[str]:
    says = read.says
    shown = [*(f"toolset {name}" for name in says.toolsets), *says.tools]
    return [
        *([f"shows at most {', '.join(shown)}"] if shown else []),
        *([f"hides {', '.join(says.exclude_tools)}"] if says.exclude_tools else []),
        *(["nothing that changes anything"] if says.read_only else []),
        *([f"the task {says.task}, which a person has to agree to"] if says.task else []),
    ]
