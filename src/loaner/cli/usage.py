"""``loaner usage``: loans, calls and denials, counted from the records; and permissions that nobody uses."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loaner.cli._json import LINES
from loaner.cli._say import say
from loaner.errors import UsageError

if TYPE_CHECKING:
    from loaner.audit.usage import Usage


def usage(
    by: Annotated[
        str,
        typer.Option(
            help="person, agent, connector, provider, project, environment, task, tool, day; several with commas."
        ),
    ] = "person,agent,connector",
    start: Annotated[str | None, typer.Option("--from", metavar="DAY", help="First day (UTC), as 2026-11-30.")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="DAY", help="Last day.")] = None,
    export: Annotated[Path | None, typer.Option(metavar="FILE", help="Count an export in place of the store.")] = None,
    unused: Annotated[
        int | None, typer.Option(min=1, metavar="DAYS", help="List what is allowed and nobody used for so many days.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="A heading and a line for each row.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help=LINES)] = False,
) -> None:
    """Count loans, calls and denials, as the records have them.

    A project is what was worked on: a repository, channel or team. A loan that several calls share is one loan.

    \b
    Examples:
      loaner usage
      loaner usage --by day --from 2026-11-01 --to 2026-11-30 --csv
      loaner usage --by agent,project,task
      loaner usage --unused 90
    """
    from functools import partial

    from loaner.audit.usage import DIMENSIONS
    from loaner.cli import _records

    if as_csv and as_json:
        raise UsageError("--csv and --json are two forms: choose one.")
    if unused is not None:
        if start or end or export:
            raise UsageError("--unused looks back from today over the store.")
        _unused(unused, as_csv=as_csv, as_json=as_json)
        return
    chosen = tuple(dict.fromkeys(name.strip() for name in by.split(",")))
    if wrong := [name for name in chosen if name not in DIMENSIONS]:
        raise UsageError(f"--by {wrong[0][:40]!r} is unknown.", do=f"One or several of: {', '.join(DIMENSIONS)}.")
    found = _records.reading(export, partial(_counted, by=chosen, start=start, end=end))
    if as_json or as_csv:
        _rows(found.listed(), as_csv=as_csv)
    else:
        _table(found)


def _counted(found: Any, *, by: tuple[str, ...], start: str | None, end: str | None) -> Usage:
    from loaner.audit.usage import counted
    from loaner.cli import _records

    asked = _records.span(start, end)
    if start is not None:
        _records.refuse_pruned(found, asked)
    elif found.pruned:
        say(f"loaner: counted from {found.first_at:%Y-%m-%d %H:%M} on; what was before is pruned", file=sys.stderr)
    return counted(found.records, by, asked)


def _table(found: Usage) -> None:
    from loaner.audit.usage import COUNTED

    if not found.rows:
        say("no call was recorded then")
        return
    head = [*found.by, *(name.replace("_", " ") for name in COUNTED)]
    rows = [[*key, *map(str, vars(counts).values())] for key, counts in sorted(found.rows.items())]
    last = ["total", *[""] * (len(found.by) - 1), *map(str, vars(found.total).values())]
    _print([head, *([cell or "–" for cell in row] for row in rows), last], texts=len(found.by))


def _print(rows: list[list[str]], *, texts: int) -> None:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(widths[at]) if at < texts else cell.rjust(widths[at]) for at, cell in enumerate(row)]
        say("  ".join(cells).rstrip())


def _rows(rows: list[dict[str, Any]], *, as_csv: bool) -> None:
    from loaner.audit import csv

    if as_csv:
        sys.stdout.writelines(csv.table(rows))
    else:
        for row in rows:
            print(json.dumps(row))


def _unused(days: int, *, as_csv: bool, as_json: bool) -> None:
    import anyio

    from loaner.cli import _unused

    rows = anyio.run(_unused.rows, days)
    if as_csv or as_json:
        _rows(rows, as_csv=as_csv)
        return
    for row in rows:
        last = f"last used {row['last_used'][:10]}" if row["last_used"] else "never used, as far as the records go"
        say(f"{row['connector']:16} {row['permission']:24} {last}")
        if row["tools"]:
            say(f"{'':16} allowed by the tools {row['tools']}")
        if row["people"]:
            say(f"{'':16} granted by {row['people']} people")
    if not rows:
        say(f"everything that is allowed was used in the last {days} days")
