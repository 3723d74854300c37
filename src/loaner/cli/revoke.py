"""``loaner revoke``: end grants here and at the provider, and say what the provider confirmed."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from loaner.errors import Exit, UsageError

if TYPE_CHECKING:
    from loaner.lending.revoking import Revoked


def revoke(
    my_tokens: Annotated[bool, typer.Option("--my-tokens", help="Every grant of the person at this machine.")] = False,
    all_tokens: Annotated[bool, typer.Option("--all-tokens", help="Every grant of everybody.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Revoke grants at the provider. One of --my-tokens and --all-tokens says which."""
    import anyio

    if my_tokens == all_tokens:
        raise UsageError("say whose grants: --my-tokens or --all-tokens.", do="--yes alone is not enough.")
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("nobody is here to be asked.", do="Add --yes if you mean it.")
        typer.confirm(
            "Revoke your grants at the providers?" if my_tokens else "Revoke the grants of everybody?", abort=True
        )
    done = anyio.run(_revoke, my_tokens)
    for one in done:
        if as_json:
            row = {"provider": one.grant.provider, "account": one.grant.account_name}
            print(json.dumps(row | {"confirmed": one.confirmed, "how": one.how}))
        else:
            print(f"{'✓' if one.confirmed else '!'} {one.grant.provider}: {one.how}")
    if not done and not as_json:
        print("no grants to revoke")
    if any(not one.confirmed for one in done):
        raise typer.Exit(int(Exit.PROVIDER))


async def _revoke(mine: bool) -> list[Revoked]:
    from loaner.caller import Agent
    from loaner.cli import _opened
    from loaner.lending.revoking import revoke_all

    async with _opened.loaner_for_a_verb() as loaner:
        me = _opened.local_caller(loaner, Agent("loaner revoke", verified=False))
        grants = await (loaner.grants.all_of(me.subject.key) if mine else loaner.grants.everybodys())
        return await revoke_all(loaner.revoker, grants)
