"""``loaner scopes``: the least that each tool needs, when it needs more, and where that is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loaner.cli._json import LINES

if TYPE_CHECKING:
    from loaner.catalog import Catalog

_INTRODUCTION = """\
# What each tool may ask for

Made by `./run docs` from `connectors/`; a test keeps it true. *permissions* is what every call needs, *more* what
adds to that and when. *enforced by* says who stops a call that goes beyond: the `provider` by the credential itself,
the wider `grant` behind it, or `loaner` alone. *tokens* is what the tool costs an agent's context, at four bytes a
token: in the list of tools, and by an answer at most where no argument asks for more. Long texts are cut, and those of
one answer share 60,000 characters; other fields are counted as 60 characters each. Numbers are rounded up.
"""
_JOBS = """
## Toolsets

`--toolsets` takes the names here, `default`, `all`, a provider, and one of a provider's (`github.issues`). *tools* and
*tokens* count loaner's own three tools too: what `tools/list` shows.

| toolset | for | tools | tokens |
|---|---|---|---|
"""


def scopes(
    tool: Annotated[str | None, typer.Argument(help="One tool; every one if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help=LINES)] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As the page docs/scopes.md.")] = False,
) -> None:
    """Print what each tool needs at least.

    Request, permissions, cases, resource, who enforces it, and the source.

    \b
    Examples:
      loaner scopes
      loaner scopes github_issue_read --json
    """
    from loaner import catalog, settings
    from loaner.assembly import whole_catalog
    from loaner.catalog import table

    if markdown:  # of what is shipped, whatever this machine's settings say
        print(page(catalog.load()), end="")
        return
    everything = whole_catalog(settings.load())
    for row in table.rows([everything[tool]] if tool else everything.operations):
        print(json.dumps(row, ensure_ascii=False) if as_json else _told(row))


def _told(row: dict[str, Any]) -> str:
    from loaner.catalog import table

    tokens = row["tokens"]
    lines = [
        f"{row['tool']}   {row['effect']}{', idempotent' if row['idempotent'] else ''}",
        f"  request     {row['request']}",
        f"  needs       {_permissions(row)} on {row['resource']}",
        *(f"              {table.case_told(case)}" for case in row["cases"]),
        f"  tokens      {tokens['listed']} in the list of tools, {tokens['answered']:,} an answer at most",
        f"  enforced    {table.enforced_told(row['enforced_by'])}",
        f"  source      {row['source']}",
    ]
    return "\n".join(lines)


def _permissions(row: dict[str, Any]) -> str:
    return ", ".join(row["permissions"]) or ("by case" if row["cases"] else "no permission")


def page(everything: Catalog) -> str:
    """The whole page ``docs/scopes.md``."""
    from loaner.catalog import table
    from loaner.catalog.cost import listed
    from loaner.mcp_server.own_tools import OWN

    own = sum(listed(tool) for tool in OWN)
    about = {name: job.about for name, job in everything.jobs.items()}
    lines = []
    for name, told in {"default": "What is shown where nobody chooses.", **about, "all": "Everything."}.items():
        chosen = everything.selected([name]).operations
        tokens = own + sum(listed(one) for one in chosen)
        lines.append(f"| `{name}` | {told} | {len(chosen) + len(OWN)} | {_about(tokens, 500)} |")
    return as_markdown(table.rows(everything.operations)) + _JOBS + "\n".join(lines) + "\n"


def _about(tokens: int, step: int) -> str:
    """Rounded up, so that a word more in a description does not change the page."""
    return f"{-(-tokens // step) * step:,}"


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """The page for people who read docs: a table for each provider."""
    from loaner.catalog import table

    page = [_INTRODUCTION]
    for provider in sorted({row["provider"] for row in rows}):
        page += [
            f"\n## {provider}\n",
            "| tool | request | permissions | more | resource | enforced by | effect | tokens |",
        ]
        page.append("|---|---|---|---|---|---|---|---|")
        for row in (row for row in rows if row["provider"] == provider):
            cells = (
                f"[{row['tool']}]({row['source']})",
                "<br>".join(f"`{request}`" for request in row["request"].split("; ")),
                _permissions(row),
                "<br>".join(table.case_told(case) for case in row["cases"]),
                f"`{row['resource']}`",
                table.enforced_told(row["enforced_by"]),
                row["effect"] + (" (idempotent)" if row["idempotent"] else ""),
                f"{_about(row['tokens']['listed'], 50)} + {_about(row['tokens']['answered'], 500)}",
            )
            page.append(f"| {' | '.join(cells)} |")
    return "\n".join(page) + "\n"
