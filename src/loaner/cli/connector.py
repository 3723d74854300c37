"""``loaner connector``: the registered apps, and where a provider asks for something else than they claim."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from loaner.cli._json import LINES
from loaner.cli._say import say

app = typer.Typer(help="The registered apps, and where they fell short.")


@app.callback()
def connector() -> None:
    """The registered apps, and where they fell short."""


@app.command("list")
def listed(as_json: Annotated[bool, typer.Option("--json", help=LINES)] = False) -> None:
    """List the connectors, without their secrets.

    Provider, client id, environments and agents.

    \b
    Examples:
      loaner connector list
      loaner connector list --json
    """
    from loaner.cli import _opened, _sandboxed

    settings, sandboxed = _opened.settings_for_a_verb()
    rows: list[dict[str, Any]] = []
    if sandboxed:
        rows = [
            {
                "connector": one.name,
                "provider": one.provider,
                "client_id": one.client_id,
                "client_secret": "the sandbox's own",
                "environments": list(one.environments),
                "agents": list(one.agents),
            }
            for one in _sandboxed.connectors(settings)
        ]
    else:
        rows = [
            {
                "connector": name,
                "provider": one.provider,
                "client_id": one.client_id,
                "client_secret": one.client_secret,  # a reference to where it is kept
                "environments": list(one.environments),
                "agents": list(one.agents),
            }
            for name, one in settings.connectors.items()
        ]
    if as_json:
        for row in rows:
            print(json.dumps(row))
    elif not rows:
        say("no connector is configured: add [connectors.NAME] to the settings file")
    else:
        for row in rows:
            serves = ", ".join(row["environments"]) or "every environment"
            agents = ", ".join(row["agents"]) or "every agent"
            say(f"{row['connector']:16} {row['provider']:8} {row['client_id']:24} {serves}; {agents}")


_DRIFT = {
    "less": "needs more: it names {named}; loaner asked for {ours}",
    "more": "would do with less: it names {named}; loaner asked for {ours}",
    "request": "takes no such request any more: it answers {named} to {ours}",
}


@app.command()
def drift(as_json: Annotated[bool, typer.Option("--json", help=LINES)] = False) -> None:
    """List where a provider wanted something else.

    It named another permission than loaner asked for, or took no such request: the connector is wrong, or the provider
    changed.

    \b
    Examples:
      loaner connector drift
    """
    import anyio

    rows = anyio.run(_drift)
    if as_json:
        for row in rows:
            print(json.dumps(row))
    elif not rows:
        say("no drift: every answer named the permissions that were asked for, or one that is known to add to them")
    else:
        for row in rows:
            say(f"{row['tool']:34} {_DRIFT[row['kind']].format(**row)}")
            say(f"{'':34} first seen {row['first_at']} through {row['connector']}; see {row['source']}")


async def _drift() -> list[dict[str, Any]]:
    from dataclasses import asdict

    from loaner.audit.drift import Drifts
    from loaner.cli._open import opened_store
    from loaner.clock import iso, utc_now

    with opened_store() as store:
        return [asdict(one) | {"first_at": iso(one.first_at)} for one in await Drifts(store, utc_now).all()]
