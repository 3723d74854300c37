"""Toolsets by what somebody sets out to do: tools of several providers, as ``toolsets.toml`` names them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError

from loaner.catalog.base import Definition
from loaner.catalog.instances import Likeness
from loaner.catalog.toml_lines import read
from loaner.errors import ConnectorInvalid

FILE = "toolsets.toml"
_TAKEN = frozenset({"default", "all"})


class Job(Definition):
    """One such toolset."""

    about: str = Field(min_length=3)
    tools: tuple[str, ...] = Field(min_length=1)


Jobs = Mapping[str, Job]
_JOBS: TypeAdapter[dict[str, Job]] = TypeAdapter(dict[str, Job])


def jobs(
    folders: Iterable[Path], tools: Collection[str], providers: Collection[str], more: Mapping[str, Likeness]
) -> Jobs:
    """The jobs of these folders of connectors. A further instance of a provider has the tools of its likeness in them.

    Raises :class:`ConnectorInvalid` for a tool that is not there, or a name that another toolset has.
    """
    found: dict[str, Job] = {}
    for path in (folder / FILE for folder in folders):
        if not path.is_file():
            continue
        data, lines = read(path)
        try:
            named = _JOBS.validate_python(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise ConnectorInvalid(f"{first['msg']}.", where=f"{path}:{lines.of(tuple(first['loc']))}") from None
        for name, job in named.items():
            if name in {*_TAKEN, *providers, *found} or not re.fullmatch("[a-z]+", name):
                raise ConnectorInvalid(f"{name!r} can't be a toolset's name.", where=f"{path}:{lines.of((name,))}")
            if missing := [tool for tool in job.tools if tool not in tools]:
                where = f"{path}:{lines.of((name, 'tools'))}"
                raise ConnectorInvalid(f"there is no tool {missing[0]!r}.", where=where)
            alike = (_alike(tool, other, one) for tool in job.tools for other, one in more.items())
            found[name] = job.model_copy(update={"tools": (*job.tools, *filter(None, alike))})
    return found


def _alike(tool: str, name: str, one: Likeness) -> str:
    rest = tool.removeprefix(f"{one.like}_")
    return f"{name}_{rest}" if rest != tool else ""
