"""``loaner accept-clock``: the way out where the clock was ahead, and is right now."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

import typer

from loaner.cli._json import OBJECT
from loaner.cli._say import say


def accept_clock(as_json: Annotated[bool, typer.Option("--json", help=OBJECT)] = False) -> None:
    """Start over from this computer's clock.

    For a store that was used at a later time. What was agreed to ends, as nobody knows how long ago that was: people
    are asked again. Stop the servers first.

    \b
    Examples:
      loaner accept-clock
    """
    import anyio

    from loaner.clock import iso

    seen = anyio.run(_accept)
    if as_json:
        print(json.dumps({"accepted": seen is not None, "seen": iso(seen)}))
    elif seen:
        say(f"✓ the store had seen {iso(seen)}; approvals, tasks, questions and sessions are over")
    else:
        say("this clock is not behind what the store has seen; nothing was done")


async def _accept() -> datetime | None:
    from loaner.clock import utc_now
    from loaner.keys import key_holder
    from loaner.maintenance import clock
    from loaner.settings import load
    from loaner.store import open_store

    settings = load()
    async with open_store(settings.store_url, key_holder(settings)) as store:
        return await store.write(lambda connection: clock.accept(connection, utc_now()))
