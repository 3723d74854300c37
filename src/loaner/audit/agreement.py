"""Do the tables still say what the records say? A row that was deleted or put back carries a good tag, or none at all.

The records cannot be changed unseen, so they decide: a block that was set and not lifted stands, and is put back where
it is gone. An approval counts from its ``approval_given`` to its ``approval_ended``, or to a restore.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NoReturn, cast

import structlog
from sqlalchemy import Connection, select, text

from loaner.audit import event, pruned
from loaner.audit.chain import Record
from loaner.audit.plain import plain
from loaner.background import attempt, every
from loaner.blocks import blocks
from loaner.blocks.blocks import Block, Kind
from loaner.clock import Now, from_iso
from loaner.identity.local_person import local_subject
from loaner.store import Store
from loaner.store.tables import approvals, records, tasks

log = structlog.get_logger(__name__)

LOOK_EVERY = 60.0
"""Seconds between two looks of a server for blocks that are gone."""
SKEW = timedelta(minutes=1)
"""How far the clocks of two servers may be apart before a call counts as one after the end of its approval."""
_TASK_ID = 29
"""So much of a task's id do the ids of its approvals begin with, before a hyphen."""


def said_to_stand(connection: Connection) -> dict[str, Block]:
    """Every block that was set and not lifted, as the records tell. A grant's own is left out: grants do not resume."""
    standing: dict[str, Block] = {}
    for body in _said(connection, "revoke", "resume", "restore"):
        name = "block:all" if body["kind"] == "restore" else _of_today(str(body.get("resource")))
        kind, _, value = name.removeprefix("block:").partition(" ")
        if body["kind"] == "resume":
            standing.pop(name, None)
        elif kind != "grant":
            by = "loaner restore" if body["kind"] == "restore" else str(body["sub"])
            standing.setdefault(name, Block(cast("Kind", kind), value, by, from_iso(body["at"])))
    return standing


def _of_today(name: str) -> str:
    """Records of earlier versions call a block a fence."""
    return f"block:{name.removeprefix('fence:')}" if name.startswith("fence:") else name


def missing(connection: Connection) -> list[Block]:
    """Blocks that nobody lifted and that are not in the table."""
    there = {named(one) for one in blocks.listed(connection)}
    return [block for name, block in said_to_stand(connection).items() if name not in there]


def named(block: Block) -> str:
    """As a record calls it."""
    return plain(f"block:{block.kind} {block.value}".rstrip())


def put_back(connection: Connection, at: datetime) -> list[Block]:
    """Put up what is missing, and record it. Inside a ``Store.write``, so that a lifting stands with its record."""
    gone = missing(connection)
    for block in gone:
        blocks.put_block(connection, block)
        said = "the block was gone from the store, and nobody had lifted it"
        event.note(
            connection,
            "block_put_back",
            subject=local_subject().key,
            at=at,
            resource=named(block),
            reason=said,
            outcome="ok",
        )
    return gone


async def restored(store: Store, now: Now) -> None:
    """Put back the blocks that are gone, before anything is served."""
    if await store.read(missing):
        for block in await store.write(lambda c: put_back(c, now())):
            log.error("a block was deleted behind loaner's back and is put back", block=named(block))


_COMPARING = "comparing the blocks with their records"


async def compare(store: Store, now: Now) -> None:
    """Do that as far as the store can be read. Where it cannot, each call is refused by its own look at the blocks."""
    await attempt(partial(restored, store, now), what=_COMPARING)


async def keep(store: Store, now: Now) -> NoReturn:
    """The same beside the calls, until cancelled."""
    await every(LOOK_EVERY, partial(restored, store, now), what=_COMPARING, at_once=False)


def unrecorded(connection: Connection, at: datetime) -> list[str]:
    """Approvals and tasks that would count now, and that no record gave. Older than any record: not looked at."""
    since = _pruned_until(connection)
    given = {name for body in _said(connection, "approval_given") if (name := _name(body))}
    found = []
    for table, mine in ((approvals, approvals.c.task.is_(None)), (tasks, tasks.c.id.is_not(None))):
        running = select(table.c.id, table.c.created_at).where(
            mine, table.c.ended_at.is_(None), table.c.expires_at > at
        )
        found += [
            f"the {table.name.removesuffix('s')} {row.id} was given by no record"
            for row in connection.execute(running)
            if row.id[:_TASK_ID] not in given and (since is None or row.created_at >= since)
        ]
    return found


def differences(connection: Connection, at: datetime) -> list[str]:
    """All in which the tables say something else than the records, in words."""
    gone = [
        f"the block {named(one).removeprefix('block:')} is gone, and nobody lifted it" for one in missing(connection)
    ]
    return gone + unrecorded(connection, at)


def wrong_calls(rows: Iterable[Record], *, whole: bool) -> Iterator[tuple[int, str]]:
    """Calls that were made on an approval which nobody had given, or which had ended before: ``seq`` and why.

    Not ``whole``: earlier records were pruned, so that an unknown approval may be one of theirs.
    """
    given: set[str] = set()
    ended: dict[str, datetime] = {}
    for record in rows:
        if '"approval_id"' not in record.text and '"task"' not in record.text and '"restore"' not in record.text:
            continue  # most are not read at all
        body = record.body
        name, at = _name(body), from_iso(body["at"])
        if body["kind"] == "approval_given":
            given.add(name)
            ended.pop(name, None)
        elif body["kind"] == "approval_ended":
            ended[name] = at
        elif body["kind"] == "restore":
            ended |= dict.fromkeys(given, at)
        elif body["kind"] == "call" and body.get("approval_id"):
            if name in ended and from_iso(body["asked_at"]) > ended[name] + SKEW:
                yield record.seq, f"its approval {body['approval_id']} had ended before"
            elif name not in given and whole:
                yield record.seq, f"no record gave its approval {body['approval_id']}"


def _pruned_until(connection: Connection) -> datetime | None:
    """From when on there are records, where earlier ones were pruned."""
    if not pruned.floor(connection).through:
        return None
    return connection.execute(select(records.c.at).order_by(records.c.seq).limit(1)).scalar()


def _name(body: dict[str, Any]) -> str:
    """Of an approval, or of the task that it is a part of."""
    return str(body.get("approval_id") or body.get("task") or "")[:_TASK_ID]


def _said(connection: Connection, *kinds: str) -> list[dict[str, Any]]:
    # In these words the partial index answers it, however many calls there are.
    query = select(records.c.body).where(text("records.kind <> 'call'"), records.c.kind.in_(kinds))
    return [json.loads(body) for body in connection.execute(query.order_by(records.c.seq)).scalars()]
