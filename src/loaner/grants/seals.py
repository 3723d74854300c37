"""What the seal of a grant's tokens is bound to: all of its row that says whose they are and what they are for.

A row in which one of it was changed does not open. Rows of an earlier loaner were bound to less. Each is sealed anew,
once, when a store is first opened with its key. The chain of records says so, and from then on nothing opens as before:
whoever kept an earlier row has no use for it, unless the record of the change goes too, which `loaner audit verify`
tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import anyio.to_thread
from sqlalchemy import Connection, Row, insert, select, update

from loaner.identity.local_person import local_subject
from loaner.secret import Secret
from loaner.store import Store, Unsealable
from loaner.store.sealing import Sealed
from loaner.store.tables import facts, grants, records

_BOUND = ("id", "version", "subject", "provider", "connector", "environment", "account_id", "account_name")
_FACT = "grants_sealed"
_FORM = "2"
_OF_AN_APP = "3"


def identity(grant: Mapping[str, Any]) -> tuple[str, ...]:
    """The associated data, from a row or what becomes one. ``version`` keeps an older pair from being put back."""
    permissions = grant["permissions"]
    listed = sorted(map(str, permissions)) if isinstance(permissions, list | tuple | set | frozenset) else ()
    bound, place, app = (str(grant[name]) for name in _BOUND), grant["place"], grant["client_id"]
    if app:  # each in a place of its own, so that none can be passed off as another
        return ("grants", _OF_AN_APP, *bound, place or "", app, *listed)
    return ("grants", _FORM, *bound, *((place,) if place else ()), *listed)  # of before they were kept


async def reseal(store: Store, note: Callable[..., object], at: datetime) -> int:
    """Seal rows of an earlier loaner anew; how many. Whatever does not open as it was stays, and opens no more."""
    if await store.read(_done):
        return 0
    rows = [] if await store.scan(_recorded) else await store.scan(_sealed)
    # Whoever holds the key may be a server elsewhere, and is not asked while other writers wait.
    anew = await anyio.to_thread.run_sync(_anew, store.sealed, rows)

    def work(connection: Connection) -> int:
        if _done(connection):
            return 0  # another process was first
        changed = 0
        for row, sealed in anew:
            same = (grants.c.id == row.id) & (grants.c.version == row.version) & (grants.c.sealed == row.sealed)
            changed += connection.execute(update(grants).where(same).values(sealed=sealed)).rowcount
        if changed:
            said = f"{changed} grants of an earlier loaner were sealed for all that their rows say"
            note(connection, "grants_resealed", subject=local_subject().key, at=at, outcome="ok", reason=said)
        connection.execute(insert(facts).values(name=_FACT, value=_FORM))
        return changed

    return await store.write(work)


def _anew(sealed: Sealed, rows: list[Row[Any]]) -> list[tuple[Row[Any], bytes]]:
    before = [(row, opened) for row in rows if (opened := _opened_before(sealed, row)) is not None]
    return [(row, sealed.seal(opened, *identity(dict(row._mapping)))) for row, opened in before]  # noqa: SLF001


def _opened_before(sealed: Sealed, row: Row[Any]) -> Secret | None:
    """As an earlier loaner sealed it; ``None`` for what is not so."""
    try:
        return sealed.open(row.sealed, "grants", row.id, row.subject, row.connector, str(row.version))
    except Unsealable:
        return None


def _done(connection: Connection) -> bool:
    return connection.execute(select(facts.c.name).where(facts.c.name == _FACT)).first() is not None


def _recorded(connection: Connection) -> bool:
    """The fact can be deleted unseen, the record cannot."""
    said = select(records.c.seq).where(records.c.kind == "grants_resealed").limit(1)
    return connection.execute(said).first() is not None


def _sealed(connection: Connection) -> list[Row[Any]]:
    return list(connection.execute(select(grants).where(grants.c.sealed.is_not(None))).all())
