"""``loaner resume``: lift what ``loaner revoke`` stopped. What was revoked stays revoked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from loaner.cli import _selected
from loaner.cli._json import LINES
from loaner.cli._say import say
from loaner.errors import Exit

if TYPE_CHECKING:
    from loaner.blocks.blocks import Block, Kind


def resume(
    my_tokens: _selected.MyTokens = False,
    all_tokens: _selected.AllTokens = False,
    user: _selected.User = None,
    agent: _selected.Agent = None,
    connector: _selected.Connector = None,
    environment: _selected.Environment = None,
    as_json: Annotated[bool, typer.Option("--json", help=LINES)] = False,
) -> None:
    """Allow again what `loaner revoke` stopped.

    Accounts that were revoked have to be connected anew.

    \b
    Examples:
      loaner resume --my-tokens
      loaner resume --connector github
    """
    import anyio

    kind, value = _selected.selected(my_tokens, all_tokens, user, agent, connector, environment)
    lifted, left = anyio.run(_resume, kind, value)
    if as_json:
        facts = {"kind": kind, "value": value, "lifted": lifted}
        print(json.dumps(facts | {"standing": [{"kind": block.kind, "value": block.value} for block in left]}))
    else:
        say("✓ lifted; accounts that were revoked are asked for again" if lifted else "nothing was stopped like this")
        for block in left:
            say(f"! still {block.told().replace(' is stopped', ' stopped')}: {block.kind} {block.value}".rstrip())
    if not lifted:
        raise typer.Exit(int(Exit.ERROR))


async def _resume(kind: Kind, value: str) -> tuple[bool, list[Block]]:
    from loaner.cli import _opened
    from loaner.identity.caller import Agent

    async with _opened.loaner_for_a_verb() as loaner:
        me = _opened.local_caller(loaner, Agent("loaner resume", "loaner"))
        lifted = await loaner.stopper.resume(kind, value, me)
        return lifted, await loaner.stopper.standing()
