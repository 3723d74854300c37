"""``loaner loans``: every credential that is not known to be dead."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loaner.cli._say import say

if TYPE_CHECKING:
    from loaner.store import Store


def loans(as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False) -> None:
    """List the loans that are still open: what they could do, and when they are dead at the latest."""
    import anyio

    rows = anyio.run(_open_loans)
    if as_json:
        for row in rows:
            print(json.dumps(row))
    elif not rows:
        say("no open loans: every credential that was lent is confirmed returned, or has expired")
    else:
        for row in rows:
            fingerprint = (row["fingerprint"] or "not known")[:12]
            say(f"{row['provider']:8} {fingerprint:12} {', '.join(row['permissions'])} on {row['resource']}")
            say(f"         since {row['since']}, dead at the latest {row['latest_expiry']}, {row['attempts']} attempts")


async def _open_loans() -> list[dict[str, Any]]:
    from loaner.cli._open import opened_store

    with opened_store() as store:
        return await listed(store)


async def listed(store: Store) -> list[dict[str, Any]]:
    """Each open loan, as ``--json`` tells it."""
    from loaner.clock import iso
    from loaner.lending.journal import open_loans

    return [
        {
            "id": loan.id,
            "fingerprint": loan.fingerprint,
            "provider": loan.provider,
            "connector": loan.connector,
            "state": loan.state,
            "since": iso(loan.intent_at),
            "permissions": loan.permissions,
            "resource": loan.resource,
            "latest_expiry": iso(loan.latest_expiry),
            "attempts": loan.attempts,
            "last_error": loan.last_error,
        }
        for loan in await store.read(open_loans)
    ]
