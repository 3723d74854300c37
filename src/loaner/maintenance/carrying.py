"""What a restored store takes over from the one that it replaces, as far as that can be read.

What is stopped stays stopped, and what is alive at a provider stays known: loans that are open, the newest token pair
of each grant, and each end of a grant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, insert, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from loaner.blocks import blocks
from loaner.blocks.blocks import Block
from loaner.catalog.provider import Provider
from loaner.grants import loan_rows, pending_pairs
from loaner.grants.grants import ENDING, NOT_OVER
from loaner.lending import journal
from loaner.store.tables import grants, loans, passkeys


@dataclass
class Carried:
    """What was found, for the operator."""

    blocks: list[Block] = field(default_factory=list)
    moved: list[dict[str, Any]] = field(default_factory=list)
    """Grants that are not as the backup has them, or may not be: ``provider``, ``account``, ``connector``, ``how``."""
    unread: list[str] = field(default_factory=list)
    """What of the replaced store could not be read."""


def carry(connection: Connection, replaced: Connection | None, providers: dict[str, Provider], at: datetime) -> Carried:
    """Bring the restored store up to what is known of the time since its backup, in one transaction."""
    done = Carried()
    parts: dict[str, Callable[[Connection], None]] = {
        "blocks": lambda old: _blocks(connection, old, done),
        "loans": lambda old: _loans(connection, old),
        "grants": lambda old: _grants(connection, old, done),
        "passkeys": lambda old: _passkeys(connection, old),
    }
    for name, take in parts.items():
        if replaced is None or not _taken(connection, partial(take, replaced)):
            done.unread.append(name)
    if {"loans", "grants"} & set(done.unread):
        _suppose(connection, providers, done, at)
    return done


def _taken(connection: Connection, take: Callable[[], None]) -> bool:
    """Whether all of it could be read: half of a damaged table is not taken."""
    try:
        with connection.begin_nested():
            take()
    except (SQLAlchemyError, ValueError):
        return False
    return True


def _blocks(connection: Connection, replaced: Connection, done: Carried) -> None:
    for block in blocks.listed(replaced):
        blocks.put_block(connection, block)
        done.blocks.append(block)


def _loans(connection: Connection, replaced: Connection) -> None:
    """Open ones are taken as they are; what is over there is over here."""
    here = set(connection.execute(select(loans.c.id).where(loans.c.state.in_(loan_rows.OPEN))).scalars())
    for row in replaced.execute(select(loans).where(or_(loans.c.state.in_(loan_rows.OPEN), loans.c.id.in_(here)))):
        _put(connection, loans, row)


def _grants(connection: Connection, replaced: Connection, done: Carried) -> None:
    """The newest version of each is the one that lives at the provider, and an end stands.

    One that the backup does not know is taken over to be ended: nobody remembers here what was said to its person.
    """
    here = {row.id: row for row in connection.execute(select(grants))}
    for row in replaced.execute(select(grants)):
        known = here.get(row.id)
        if known is None:
            if row.state in NOT_OVER:
                _put(connection, grants, row)
                why = "connected after the backup"
                connection.execute(update(grants).where(grants.c.id == row.id).values(state="revoking", reason=why))
                done.moved.append(_told(row, f"{why}: it is ended at the provider, and can be connected anew"))
        elif row.state not in NOT_OVER or (row.state in ENDING and known.state == "active"):
            if known.state in NOT_OVER:
                _put(connection, grants, row)
                done.moved.append(_told(row, "ended after the backup: it stays ended"))
        elif row.version > known.version:
            _put(connection, grants, row)
            done.moved.append(_told(row, "renewed after the backup: the newer tokens were taken over"))


def _passkeys(connection: Connection, replaced: Connection) -> None:
    """One that a person has removed since does not come back. Each row is checked by its tag when it is used."""
    connection.execute(delete(passkeys))
    for row in replaced.execute(select(passkeys)):
        _put(connection, passkeys, row)


def _suppose(connection: Connection, providers: dict[str, Provider], done: Carried, at: datetime) -> None:
    """Nobody can tell what was lent and renewed since the backup: list the most that may be alive."""
    for row in connection.execute(select(grants).where(grants.c.state.in_(NOT_OVER))).all():
        provider = providers.get(row.provider)
        if row.refresh_expires_at is not None or provider is None or provider.grant.rotates:
            pending_pairs.expect(
                connection, pending_pairs.id_of(f"restored {row.id} {at.isoformat()}"), **_pair(row, provider), at=at
            )
            done.moved.append(
                _told(row, "perhaps renewed after the backup: the newer tokens may be alive, and are listed as a loan")
            )
        if provider is None or provider.lending.style != "pass_through":
            connection.execute(insert(loans).values(_possible(row, at)))


def _pair(row: Row[Any], provider: Provider | None) -> dict[str, Any]:
    rule = provider.grant if provider else None
    lifetime = (rule.refresh_lifetime if rule.rotates else rule.lifetime) if rule else None
    return {
        "subject": row.subject,
        "environment": row.environment,
        "provider": row.provider,
        "connector": row.connector,
        "grant_id": row.id,
        "permissions": row.permissions,
        "resource": f"account:{row.account_name}",
        "lifetime": lifetime,
    }


def _possible(row: Row[Any], at: datetime) -> dict[str, Any]:
    """Credentials that may have been lent on a grant up to the restore, as one row that lasts as long as the last."""
    until = at + loan_rows.CALL_DEADLINE + journal.UNKNOWN_LIFETIME
    said = {name: value for name, value in _pair(row, None).items() if name != "lifetime"}
    return said | {
        "id": pending_pairs.id_of(f"restored loans {row.id} {at.isoformat()}"),
        "call_id": "",
        "agent": "loaner",
        "style": "down_scoped",
        "state": "returning",
        "owner": "? 0 0",
        "intent_at": at,
        "latest_expiry": until,
        "next_attempt_at": until,
        "last_error": "may have been lent between the backup and its restore",
        "record": {},
    }


def _put(connection: Connection, table: Table, row: Row[Any]) -> None:
    (identity,) = table.primary_key.columns
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    connection.execute(delete(table).where(identity == values[identity.name]))
    connection.execute(insert(table).values(values))


def _told(row: Row[Any], how: str) -> dict[str, Any]:
    return {"provider": row.provider, "account": row.account_name, "connector": row.connector, "how": how}
