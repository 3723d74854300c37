"""``loaner loans``: every credential that is not known to be dead."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from loaner.cli._json import LINES
from loaner.cli._say import say
from loaner.errors import Exit, UsageError

if TYPE_CHECKING:
    from loaner.store import Store


STUCK_AFTER: Final = timedelta(minutes=10)
"""What is open for longer waits for somebody: a return is tried again within seconds, then minutes."""


def loans(
    older_than: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only what is older, as 90s, 10m, 2h or 1d; exits 9 if anything is."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=LINES)] = False,
) -> int:
    """List what may be alive, and until when.

    Loans, grants that are ending and lost pairs, with when they are dead at the latest.

    \b
    Examples:
      loaner loans
      loaner loans --older-than 10m    # exits 9 where something is stuck
    """
    import anyio

    from loaner.clock import utc_now

    rows = anyio.run(_open_loans)
    if older_than is not None:
        rows = stuck(rows, utc_now(), age(older_than))
    if as_json:
        for row in rows:
            print(json.dumps(row))
    elif not rows and older_than is not None:
        say(f"nothing is older than {older_than}")
    elif not rows:
        say("no open loans: every credential that was lent is confirmed returned, or has expired")
    else:
        for row in rows:
            fingerprint = (row["fingerprint"] or row["kind"])[:12]
            say(f"{row['provider']:8} {fingerprint:12} {', '.join(row['permissions'])} on {row['resource']}")
            why = f"; {row['reason']}" if row.get("reason") else ""
            say(f"         since {row['since']}, {told_end(row['latest_expiry'])}, {row['attempts']} attempts{why}")
            if row["last_error"]:
                say(f"         {row['last_error']}")

    return int(Exit.STUCK if older_than is not None and rows else Exit.OK)


def stuck(rows: list[dict[str, Any]], now: datetime, limit: timedelta = STUCK_AFTER) -> list[dict[str, Any]]:
    """Those that have been open for longer than that. A grant counts once ending it has failed."""
    old = [row for row in rows if now - datetime.fromisoformat(row["since"]) > limit]
    return [row for row in old if row["kind"] != "grant" or row["attempts"]]


def age(written: str) -> timedelta:
    """``10m`` as a time. Raises :class:`UsageError`."""
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", written)
    if not found:
        raise UsageError(f"{written[:40]!r} is no time.", do="For example: --older-than 10m (also s, h and d)")
    return timedelta(seconds=int(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]])


def told_end(latest: str | None) -> str:
    """When something is dead at the latest, in words."""
    return f"dead at the latest {latest}" if latest else "no known end"


async def _open_loans() -> list[dict[str, Any]]:
    from loaner.cli._open import opened_store

    with opened_store() as store:
        return await listed(store)


async def listed(store: Store) -> list[dict[str, Any]]:
    """Every loan, lost pair and ending grant of which something may be alive."""
    from loaner.clock import iso
    from loaner.grants import endings
    from loaner.grants.pending_pairs import PAIR
    from loaner.lending.journal import known_end, open_loans

    loans = [
        {
            "kind": "pair" if loan.style == PAIR else "loan",
            "id": loan.id,
            "fingerprint": loan.fingerprint,
            "provider": loan.provider,
            "connector": loan.connector,
            "state": loan.state,
            "since": iso(loan.intent_at),
            "permissions": loan.permissions,
            "resource": loan.resource,
            "latest_expiry": iso(known_end(loan.latest_expiry)),
            "attempts": loan.attempts,
            "last_error": loan.last_error,
        }
        for loan in await store.read(open_loans)
    ]
    return loans + [
        {
            "kind": "grant",
            "id": one.grant.id,
            "fingerprint": None,
            "provider": one.grant.provider,
            "connector": one.grant.connector,
            "state": "ending",
            "since": iso(one.grant.created_at),
            "permissions": sorted(one.grant.permissions),
            "resource": f"account:{one.grant.account_name}",
            "latest_expiry": iso(one.ends_at),
            "attempts": one.attempts,
            "last_error": one.last_error,
            "reason": one.reason,
        }
        for one in await store.read(endings.listed)
    ]
