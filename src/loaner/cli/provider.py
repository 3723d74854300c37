"""``loaner provider``: writing a provider's definition, and seeing all that is wrong in one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from loaner.cli._json import LINES, OBJECT
from loaner.cli._say import say

app = typer.Typer(help="Write and check definitions of providers.")


@app.callback()
def provider() -> None:
    """Write and check definitions of providers."""


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Its name: the first word of its tools.")],
    into: Annotated[Path, typer.Option("--into", help="The folder of your providers.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help=OBJECT)] = False,
) -> None:
    """Write a commented start for a new provider.

    Fill in what is marked, then check it. Nothing is overwritten.

    \b
    Examples:
      loaner provider new acme
      loaner provider new acme --into ~/loaner-providers
    """
    from loaner.catalog import starter

    files = starter.write(name, into)
    if as_json:
        print(json.dumps({"files": [str(file) for file in files]}))
        return
    for file in files:
        say(f"✓ {file}")
    say('  next   fill in each "<fill in: …>" from the documentation of the provider')
    say(f"  check  loaner provider check {files[0].parent}")
    say("  use    name the folder above it by the setting extra_connectors")


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="A provider's folder, or one file of it.")],
    as_json: Annotated[bool, typer.Option("--json", help=LINES)] = False,
) -> None:
    """Tell everything that is wrong in a definition.

    Each fault with its line and its cure. No settings are read, and nothing is sent.

    \b
    Examples:
      loaner provider check acme
      loaner provider check acme/get_item.toml
    """
    from loaner.catalog.load import check as tools_in
    from loaner.errors import ConnectorInvalid, Exit, Fault, UsageError

    if not path.exists():
        raise UsageError(f"there is no {path}.", do="Name a provider's folder, or one of its files.")
    home = path.resolve() if path.is_dir() else path.resolve().parent
    tools: list[str] = []
    faults: tuple[Fault, ...] = ()
    try:
        tools = tools_in(home)
    except ConnectorInvalid as failure:
        faults = failure.faults
    mine = [one for one in faults if path.is_dir() or one.where.startswith(f"{path.resolve()}:")]
    if as_json:
        for one in mine:
            print(json.dumps({"where": one.where, "cause": one.cause, "do": one.do}))
    elif mine:
        for one in mine:
            say(one.told())
        say(f"{len(mine)} to put right" if len(mine) > 1 else "one to put right")
    elif faults:
        say(f"✓ {path}; other files of {home.name} have faults: loaner provider check {home}")
    else:
        say(f"✓ {home.name}: {', '.join(tools) or 'no tools yet'}")
    if mine:
        raise typer.Exit(int(Exit.USAGE))
