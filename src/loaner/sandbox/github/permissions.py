"""GitHub's published map of operations and the permissions they need, as the emulator enforces it.

Source: github/docs ``src/github-apps/data`` (named in ``permissions.json``), REST API version 2026-03-10.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

LEVELS = ("read", "write", "admin")

Permissions = Mapping[str, str]


@dataclass(frozen=True)
class Need:
    """What one operation asks of a token."""

    alternatives: tuple[Permissions, ...]
    """Any one set will do; empty when GitHub lists no permission for the operation."""
    installation: bool = True
    """Whether an installation token may call it at all."""

    def header(self) -> str:
        """``X-Accepted-GitHub-Permissions``: comma for AND, semicolon for OR."""
        if not self.alternatives:
            return "allows_permissionless_access=true"
        return "; ".join(",".join(f"{k}={v}" for k, v in each.items()) for each in self.alternatives)

    def is_met_by(self, held: Permissions) -> bool:
        return not self.alternatives or any(covers(held, each) for each in self.alternatives)


@cache
def published() -> Mapping[str, Need]:
    """The whole map, by ``"METHOD /path/template"``."""
    table = json.loads(files(__package__).joinpath("permissions.json").read_text())["operations"]
    return {name: Need(tuple(row["alternatives"]), row["installation"]) for name, row in table.items()}


def need(operation: str, *, installation: bool = True) -> Need:
    """The need of one operation; one that GitHub's map does not list needs no permission, only a live token."""
    return published().get(operation) or Need((), installation)


def covers(held: Permissions, wanted: Permissions) -> bool:
    """Whether each wanted permission is held at least as high: write includes read, admin includes both."""
    return all(
        name in held and level in LEVELS and LEVELS.index(held[name]) >= LEVELS.index(level)
        for name, level in wanted.items()
    )


def with_metadata(wanted: Permissions) -> dict[str, str]:
    """Every token may read metadata, asked for or not."""
    return dict(sorted({**wanted, "metadata": "read"}.items()))


def touches_workflows(paths: Iterable[str]) -> bool:
    """Whether a change to these paths needs ``workflows: write`` as well."""
    return any(path.startswith(".github/workflows/") for path in paths)
