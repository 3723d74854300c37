"""``loaner tools``: what an agent would see, and what each tool needs."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from loaner.cli._say import say


def tools(
    toolsets: Annotated[str | None, typer.Option(help="Toolsets to show; 'all' for everything.")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """List the tools with their effect and the least scope that each needs."""
    from loaner import settings as reading
    from loaner.assembly import read_catalog

    chosen = {"tools": {"toolsets": toolsets.split(",")}} if toolsets else {}
    catalog = read_catalog(reading.with_project(reading.load(**chosen)))
    for operation in catalog.operations:
        if as_json:
            row = {"tool": operation.tool, "effect": operation.effect, "toolset": operation.toolset}
            print(json.dumps(row | {"scope": sorted(operation.scope.permissions), "about": operation.summary}))
        else:
            say(f"{operation.tool:34} {operation.effect:12} {operation.description}")
