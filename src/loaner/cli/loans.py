"""``loaner loans``: every credential that is not known to be dead."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loaner.cli._say import say

if TYPE_CHECKING:
    from loaner.store import Store


def loans(as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False) -> None:
    """List what may be alive: loans, grants that are ending and lost pairs, and when they are dead at the latest."""
    import anyio

    rows = anyio.run(_open_loans)
    if as_json:
        for row in rows:
            print(json.dumps(row))
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
