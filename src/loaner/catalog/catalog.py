"""The catalogue itself: which tools there are, and choosing among them."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property

from loaner.catalog.binding import NAME_SHOWN
from loaner.catalog.jobs import Jobs
from loaner.catalog.names import ResourceNames
from loaner.catalog.operation import Operation
from loaner.catalog.provider import Provider
from loaner.characters import hides
from loaner.errors import SettingsInvalid, UnknownTool


class Catalog:
    """Operations by tool name, in one fixed order: provider, then name."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        operations: Iterable[Operation],
        names: ResourceNames | None = None,
        *,
        jobs: Jobs | None = None,
    ) -> None:
        self._names = names
        self.jobs: Jobs = jobs or {}
        self.providers: dict[str, Provider] = dict(providers)
        self._operations = {
            operation.tool: operation for operation in sorted(operations, key=lambda operation: operation.tool)
        }
        self._aliases = {alias: operation for operation in self._operations.values() for alias in operation.aliases}

    @property
    def operations(self) -> list[Operation]:
        return list(self._operations.values())

    @property
    def titles(self) -> list[str]:
        """The providers of these tools, as people call them."""
        return list(dict.fromkeys(operation.provider.title for operation in self._operations.values()))

    @cached_property
    def names(self) -> ResourceNames:
        """How what these tools are about is called, and the tools that they were selected from."""
        return self._names or ResourceNames(self.operations)

    def __len__(self) -> int:
        return len(self._operations)

    def __contains__(self, tool: str) -> bool:
        return tool in self._operations or tool in self._aliases

    def __getitem__(self, tool: str) -> Operation:
        """Raises :class:`UnknownTool`: an unknown tool is never one that needs nothing."""
        operation = self._operations.get(tool) or self._aliases.get(tool)
        if operation is None:
            shown = tool[:NAME_SHOWN] if not hides(tool) else "…"
            raise UnknownTool(f"there is no tool “{shown}”.{_meant(tool, [*self._operations, *self._aliases])}")
        return operation

    def selected(
        self,
        toolsets: Sequence[str] = (),
        tools: Sequence[str] = (),
        exclude: Sequence[str] = (),
        *,
        read_only: bool = False,
    ) -> Catalog:
        """The tools of ``toolsets`` and ``tools`` (the default set if neither is said) without ``exclude``.

        Toolsets: ``github``, ``github.issues``, a job such as ``triage``, ``default``, ``all``. Raises
        :class:`SettingsInvalid` for a name that means nothing, so that a typo does not silently offer less or more.
        """
        chosen: set[str] = set()
        for toolset in toolsets or (() if tools else ("default",)):
            chosen |= self._toolset(toolset)
        chosen |= {self._named(tool, "tools") for tool in tools}
        chosen -= {self._named(tool, "exclude_tools") for tool in exclude}
        return Catalog(
            self.providers,
            (
                operation
                for operation in self._operations.values()
                if operation.tool in chosen and not (read_only and operation.effect != "read")
            ),
            self.names,
            jobs=self.jobs,
        )

    def within(self, others: Catalog) -> Catalog:
        """Those of these tools that are among ``others`` too."""
        return Catalog(
            self.providers,
            (operation for operation in self._operations.values() if operation.tool in others),
            jobs=self.jobs,
        )

    def of_providers(self, names: Collection[str]) -> Catalog:
        """Those of these tools whose provider is among ``names``."""
        kept = (operation for operation in self._operations.values() if operation.provider.name in names)
        return Catalog(self.providers, kept, self.names, jobs=self.jobs)

    @property
    def toolsets(self) -> list[str]:
        """Every name that chooses several tools."""
        inner = {operation.toolset for operation in self._operations.values()}
        return ["default", "all", *self.jobs, *sorted(inner | set(self.providers))]

    def _toolset(self, name: str) -> set[str]:
        if name not in self.toolsets:
            raise SettingsInvalid(f"there is no toolset “{name}”.{_meant(name, self.toolsets)}")
        return {
            operation.tool
            for operation in self._operations.values()
            if name == "all"
            or (name == "default" and operation.default)
            or (name in self.jobs and operation.tool in self.jobs[name].tools)
            or name in {operation.provider.name, operation.toolset}
        }

    def _named(self, tool: str, setting: str) -> str:
        if tool not in self:
            close = _meant(tool, [*self._operations, *self._aliases])
            raise SettingsInvalid(f"{setting}: there is no tool “{tool}”.{close}")
        return self[tool].tool


def _meant(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name[:64], known, n=1)
    return f" Did you mean “{close[0]}”?" if close else ""
