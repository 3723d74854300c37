"""``loaner tools``: what an agent would see, and what each tool needs."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from loaner.cli._json import LINES
from loaner.cli._say import say


def tools(
    toolsets: Annotated[str | None, typer.Option(help="Toolsets to show; 'all' for everything.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help=LINES)] = False,
) -> None:
    """List the tools, and what each needs.

    With their effect and the least scope. Agents are shown those that a connector of this environment serves; the
    others say that there is none.

    \b
    Examples:
      loaner tools
      loaner tools --toolsets all --json
    """
    from loaner import settings as reading
    from loaner.assembly import read_catalog
    from loaner.connectors import without_secrets

    chosen = {"tools": {"toolsets": toolsets.split(",")}} if toolsets else {}
    settings = reading.with_project(reading.load(**chosen))
    served = without_secrets(settings.connectors).serving(settings.environment)
    for operation in read_catalog(settings).operations:
        is_served = operation.provider.name in served
        if as_json:
            row: dict[str, object] = {"tool": operation.tool, "effect": operation.effect, "toolset": operation.toolset}
            row |= {"connector": is_served}
            print(json.dumps(row | {"scope": sorted(operation.scope.permissions), "about": operation.summary}))
        else:
            without = "" if is_served else " No connector: agents are not shown it."
            say(f"{operation.tool:34} {operation.effect:12} {operation.description}{without}")
