"""``loaner revoke``: stop now, end loans and grants at the providers, and say what they confirmed."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loaner.cli import _selected
from loaner.cli._json import LINES
from loaner.cli._say import say
from loaner.cli.loans import told_end
from loaner.errors import Exit, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loaner.blocks.blocks import Kind
    from loaner.stopping import Stopped


def revoke(
    my_tokens: _selected.MyTokens = False,
    all_tokens: _selected.AllTokens = False,
    user: _selected.User = None,
    agent: _selected.Agent = None,
    connector: _selected.Connector = None,
    environment: _selected.Environment = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help=LINES)] = False,
) -> None:
    """Stop now, and end what was lent and granted.

    No call or mint begins any more, what is under way ends, grants are revoked and tried to be dead. It holds until
    `loaner resume`, in every process that shares the store. Say whose with one option.

    \b
    Examples:
      loaner revoke --my-tokens
      loaner revoke --agent claude-code --yes
    """
    import anyio

    kind, value = _selected.selected(my_tokens, all_tokens, user, agent, connector, environment)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("nobody is here to be asked.", do="Add --yes if you mean it.")
        typer.confirm(f"Stop and revoke now ({kind} {value})?".replace(" )", ")"), abort=True)
    stopped, agents = anyio.run(_stop, kind, value)
    rows = list(_rows(stopped, agents))
    if as_json:
        for row in rows:
            print(json.dumps(row))
    else:
        _tell(stopped, rows, agents)
    if not stopped.confirmed:
        raise typer.Exit(int(Exit.PROVIDER))


def _tell(stopped: Stopped, rows: list[dict[str, Any]], agents: list[str]) -> None:
    say(f"✓ block up after {stopped.blocked_in * 1000:.0f} ms: {stopped.block.told()}")
    for agent in agents:
        say(f"  stops {agent}")
    say(f"  {stopped.approvals} approvals and {stopped.questions} open questions ended")
    for row in rows:
        if row["what"] != "block":
            lived = "" if row["confirmed"] else f", {told_end(row['latest_expiry'])}"
            took = f" ({row['took_ms']} ms)" if "took_ms" in row else ""
            say(f"{'✓' if row['confirmed'] else '!'} {row['provider']} {row['what']}: {row['how']}{took}{lived}")
    if not stopped.grants:
        say("  an agent has no grants of its own" if stopped.block.kind == "agent" else "  no grants to revoke")
    say(f"all of it took {stopped.took:.2f} s. To allow calls again: {stopped.block.lifting()}")


def _rows(stopped: Stopped, agents: list[str]) -> Iterator[dict[str, Any]]:
    from loaner.clock import iso
    from loaner.lending.journal import known_end

    for loan in stopped.loans:
        expiry = iso(known_end(loan.latest_expiry))
        row = {"what": "loan", "provider": loan.provider, "resource": loan.resource, "latest_expiry": expiry}
        row |= {"server": loan.server}
        yield row | {"confirmed": loan.confirmed, "how": loan.how}
    for grant in stopped.grants:
        row = {"what": "grant", "provider": grant.grant.provider, "account": grant.grant.account_name}
        yield (
            row
            | {"confirmed": grant.confirmed, "how": grant.how, "took_ms": round(grant.took * 1000)}
            | {"latest_expiry": iso(grant.ends_at)}
        )
    yield {
        "what": "block",
        "kind": stopped.block.kind,
        "value": stopped.block.value,
        "confirmed": stopped.confirmed,
        "agents": agents,
        "approvals_ended": stopped.approvals,
        "questions_ended": stopped.questions,
        "blocked_ms": round(stopped.blocked_in * 1000),
        "quiet_ms": round(stopped.quiet_in * 1000),
        "took_ms": round(stopped.took * 1000),
    }


async def _stop(kind: Kind, value: str) -> tuple[Stopped, list[str]]:
    from loaner.blocks import blocks
    from loaner.cli import _opened
    from loaner.identity.caller import Agent

    async with _opened.loaner_for_a_verb() as loaner:
        me = _opened.local_caller(loaner, Agent("loaner revoke", "loaner"))
        stopped = await loaner.stopper.stop(kind, value, me)
        agents = await loaner.store.read(lambda c: blocks.agents_behind(c, stopped.block)) if kind == "agent" else []
        return stopped, agents
