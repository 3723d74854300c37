"""Each record's hash covers the one before it, so that none can be changed, moved or taken out unnoticed.

``hash = SHA-256(previous hash, 32 bytes | seq, 8 bytes big-endian | body, canonical JSON in UTF-8)``; the first
record follows 64 zeros. The body is written the one way that RFC 8785 allows, without floats, whose spelling
differs between languages.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from loaner.clock import iso
from loaner.failpoints import reached
from loaner.store.tables import records

GENESIS = "0" * 64
"""What the first record follows."""
_LARGEST = 2**53 - 1  # beyond it RFC 8785 readers round

# Built once: putting a statement together costs more than running it.
_THERE = select(records.c.seq).where(records.c.id == bindparam("id")).scalar_subquery()
_HEAD = select(records.c.seq, records.c.hash, _THERE.label("there")).order_by(records.c.seq.desc()).limit(1)
_ADD = insert(records)


@dataclass(frozen=True)
class Filed:
    """Under what a record is found in the store: columns beside the body, which the hash does not cover."""

    id: str
    kind: str
    subject: str
    at: str

    @classmethod
    def under(cls, body: Mapping[str, Any]) -> Filed:
        """What a body's own words say it is filed under. Raises :class:`KeyError` when one is missing."""
        return cls(body["id"], body["kind"], f"{body['issuer']} {body['sub']}", body["at"])


@dataclass(frozen=True)
class Record:
    """One closed record, as it stands in the chain."""

    seq: int
    prev_hash: str
    hash: str
    text: str
    """The body in canonical JSON: what the hash covers."""
    filed: Filed | None = None
    """The store's columns; none for a record that was read from an export."""

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.text)
        return body

    def line(self) -> str:
        """The record as one line of an export: canonical JSON, so that there is one spelling only."""
        fields = f'"hash":{json.dumps(self.hash)},"prev_hash":{json.dumps(self.prev_hash)},"seq":{self.seq}'
        return f'{{"body":{self.text},{fields}}}\n'


def canonical(value: Any) -> str:
    """Canonical JSON (RFC 8785) of a value without floats; raises :class:`ValueError` for what has no one spelling."""
    _refuse_ambiguous(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _refuse_ambiguous(value: Any) -> None:
    if isinstance(value, str):
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            # RFC 8785 sorts keys by UTF-16 units and Python by code points: the same for ASCII, the only keys we use.
            if not (isinstance(key, str) and key.isascii()):
                raise ValueError("a key of a record is ASCII text")
            _refuse_ambiguous(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _refuse_ambiguous(inner)
    elif isinstance(value, int):
        if abs(value) > _LARGEST:
            raise ValueError("a number of a record is a whole one below 2**53")
    elif value is not None:
        raise ValueError(f"a {type(value).__name__} has no canonical spelling")


def link(prev_hash: str, seq: int, body: str) -> str:
    """The hash of a record. The parts before the body have fixed lengths, so no two records share an input."""
    return hashlib.sha256(bytes.fromhex(prev_hash) + seq.to_bytes(8, "big") + body.encode()).hexdigest()


def append(connection: Connection, body: Mapping[str, Any], at: datetime) -> int:
    """Close a record at the end of the chain, inside the caller's ``Store.write``; returns its ``seq``.

    ``body`` has at least ``id``, ``kind``, ``issuer`` and ``sub``; ``at`` is added to it. A second record with
    the same ``id`` is not appended: the first one stands, so closing a call is safe to repeat.
    """
    # Two transactions that read the same head would fork the chain: the store begins one write at a time, everywhere.
    head = connection.execute(_HEAD, {"id": body["id"]}).first()
    if head and head.there is not None:
        return int(head.there)
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)  # as exact as the body and the column can say it
    seq, prev_hash = (head.seq + 1, head.hash) if head else (1, GENESIS)
    whole = {**body, "at": iso(at)}
    canon = canonical(whole)
    filed = Filed.under(whole)
    row = {"seq": seq, "id": filed.id, "at": at, "kind": filed.kind, "subject": filed.subject, "body": canon}
    connection.execute(_ADD, row | {"prev_hash": prev_hash, "hash": link(prev_hash, seq, canon)})
    reached("audit.appended")
    return seq
