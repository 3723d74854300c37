"""Proof that one record is among those of a signed checkpoint, for somebody who sees no other (c2sp.org/tlog-proof).

The record itself travels in ``extra``, as a line of an export.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from sqlalchemy import Connection

from loaner.audit import read, tree
from loaner.audit.chain import Record, link
from loaner.audit.checkpoint import Checkpoint
from loaner.audit.export import read_line
from loaner.audit.merkle import includes
from loaner.audit.note import NotSigned, Verifier
from loaner.audit.verify import NotARecord
from loaner.errors import UsageError

HEADING = "c2sp.org/tlog-proof@v1"
_SHAPE = re.compile(
    r"c2sp\.org/tlog-proof@v1\nextra (?P<extra>[A-Za-z0-9+/=]+)\nindex (?P<index>0|[1-9][0-9]{0,15})\n"
    r"(?P<path>(?:[A-Za-z0-9+/=]{44}\n){0,64})\n(?P<checkpoint>.+)",
    re.DOTALL,
)


class NotProven(ValueError):
    """A proof that proves nothing. The reason quotes nothing of it."""


@dataclass(frozen=True)
class ProvenRecord:
    """A record, and the checkpoint that covers it."""

    record: Record
    checkpoint: Checkpoint


def prove(connection: Connection, seq: int) -> str:
    """Raises :class:`UsageError` when there is no such record, or no checkpoint covers it yet."""
    record, signed = read.show(connection, seq), tree.latest(connection)
    if record is None:
        raise UsageError(f"there is no record {seq}.")
    if signed is None or signed.size < seq:
        raise UsageError(f"no checkpoint covers record {seq} yet.", do="Make one: loaner audit checkpoint")
    path = tree.stored(connection).inclusion(seq - 1, signed.size)
    lines = [HEADING, f"extra {_b64(record.line().encode())}", f"index {seq - 1}", *map(_b64, path)]
    return "\n".join(lines) + "\n\n" + signed.note


def check(proof: str, verifier: Verifier) -> ProvenRecord:
    """Read a proof with nothing but the log's public key. Raises :class:`NotProven`."""
    found = _SHAPE.fullmatch(proof)
    if not found:
        raise NotProven("it is not a proof of one record")
    try:
        checkpoint = Checkpoint.opened(found["checkpoint"], verifier)
        record = read_line(base64.b64decode(found["extra"], validate=True))
        path = [base64.b64decode(one, validate=True) for one in found["path"].split()]
    except NotSigned as refused:
        raise NotProven(f"its checkpoint is {refused}") from None
    except (NotARecord, ValueError):
        raise NotProven("its record cannot be read") from None
    index = int(found["index"])
    # `extra` is not covered by the checkpoint's signature: the record has to hash to the leaf that is proven.
    if record.seq != index + 1 or not _is_hex(record.prev_hash):
        raise NotProven("its record stands elsewhere")
    if record.hash != link(record.prev_hash, record.seq, record.text):
        raise NotProven("its record was altered")
    if not includes(bytes.fromhex(record.hash), index, checkpoint.size, path, checkpoint.root):
        raise NotProven("its record is not among those of the checkpoint")
    return ProvenRecord(record, checkpoint)


def _is_hex(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(r"[0-9a-f]{64}", text) is not None


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
