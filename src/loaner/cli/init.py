"""``loaner init``: a first settings file, in which everything is explained and nothing is set."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from loaner.cli._json import OBJECT
from loaner.cli._say import say


def init(
    show: Annotated[bool, typer.Option("--print", help="Print it; nothing is written.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help=OBJECT)] = False,
) -> None:
    """Write a first settings file, explained and commented out.

    It goes where settings are read from: your own file, or the one that --config names. A file that is there is never
    overwritten.

    \b
    Examples:
      loaner init
      loaner --config ~/loaner/staging.toml init
      loaner init --print
    """
    from loaner.settings import sources, template

    if show:
        typer.echo(template.text(), nl=False)
        return
    file = sources.named_file()
    template.write(file)
    if as_json:
        print(json.dumps({"file": str(file)}))
        return
    say(f"✓ {file}: everything in it is commented out")
    say("  next    register an app at a provider, and set its [connectors.NAME] there")
    say("  check   loaner doctor")
    say("  agents  loaner install")
