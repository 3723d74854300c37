"""``loaner scopes``: the least that each tool needs, when it needs more, and where that is written."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

_INTRODUCTION = """\
# What each tool may ask for

Made by `./run docs` from `connectors/`; a test keeps it true. *permissions* is what every call needs, *more* what
adds to that and when. *enforced by* says who stops a call that goes beyond: the `provider` by the credential itself,
the wider `grant` behind it, or `loaner` alone.
"""


def scopes(
    tool: Annotated[str | None, typer.Argument(help="One tool; every one if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As the page docs/scopes.md.")] = False,
) -> None:
    """Print the table of scopes: request, permissions, cases, resource, who enforces it, and the source."""
    from loaner import catalog, settings
    from loaner.assembly import whole_catalog
    from loaner.catalog import table

    if markdown:  # of what is shipped, whatever this machine's settings say
        print(as_markdown(table.rows(catalog.load().operations)), end="")
        return
    everything = whole_catalog(settings.load())
    for row in table.rows([everything[tool]] if tool else everything.operations):
        print(json.dumps(row, ensure_ascii=False) if as_json else _told(row))


def _told(row: dict[str, Any]) -> str:
    from loaner.catalog import table

    lines = [
        f"{row['tool']}   {row['effect']}{', idempotent' if row['idempotent'] else ''}",
        f"  request     {row['request']}",
        f"  needs       {_permissions(row)} on {row['resource']}",
        *(f"              {table.case_told(case)}" for case in row["cases"]),
        f"  enforced    {table.enforced_told(row['enforced_by'])}",
        f"  source      {row['source']}",
    ]
    return "\n".join(lines)


def _permissions(row: dict[str, Any]) -> str:
    return ", ".join(row["permissions"]) or ("by case" if row["cases"] else "no permission")


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """The page for people who read docs: a table for each provider."""
    from loaner.catalog import table

    page = [_INTRODUCTION]
    for provider in sorted({row["provider"] for row in rows}):
        page += [f"\n## {provider}\n", "| tool | request | permissions | more | resource | enforced by | effect |"]
        page.append("|---|---|---|---|---|---|---|")
        for row in (row for row in rows if row["provider"] == provider):
            cells = (
                f"[{row['tool']}]({row['source']})",
                "<br>".join(f"`{request}`" for request in row["request"].split("; ")),
                _permissions(row),
                "<br>".join(table.case_told(case) for case in row["cases"]),
                f"`{row['resource']}`",
                table.enforced_told(row["enforced_by"]),
                row["effect"] + (" (idempotent)" if row["idempotent"] else ""),
            )
            page.append(f"| {' | '.join(cells)} |")
    return "\n".join(page) + "\n"
