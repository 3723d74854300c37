"""Records that were taken out of the store after they were exported, and the signed statement that stands for them.

They are the first ones, in whole tiles. The tiles' roots stay, so the tree over all records, and each checkpoint over
more than was pruned, can still be compared; the statement names the hash that the first remaining record follows.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from loaner.audit.chain import GENESIS
from loaner.audit.note import NotSigned, Signer, Verifier
from loaner.store.tables import facts

_NAME = "pruned"
_SHAPE = re.compile(
    r"(?P<origin>[^\n]+)\npruned (?P<through>[1-9][0-9]{0,15})\n(?P<root>[A-Za-z0-9+/=]{44})\n"
    r"(?P<head>[0-9a-f]{64})\n(?P<export>[0-9a-f]{64})\n",
)


@dataclass(frozen=True)
class Floor:
    """What the first remaining record follows."""

    through: int = 0
    """The last record that was pruned; 0 where none was."""
    head: str = GENESIS
    """Its hash."""
    root: bytes = b""
    """The Merkle root over those that were pruned."""
    export: str = ""
    """SHA-256 of the export that holds them."""

    def signed(self, signer: Signer) -> str:
        root = base64.b64encode(self.root).decode()
        return signer.sign(f"{signer.name}\npruned {self.through}\n{root}\n{self.head}\n{self.export}\n")


def floor(connection: Connection) -> Floor:
    """As the store has it, without a look at the signature: for appending to the tree."""
    note = statement(connection)
    return _read(note.partition("\n\n")[0] + "\n") if note else Floor()


def statement(connection: Connection) -> str | None:
    """The signed statement, where something was pruned."""
    note: str | None = connection.execute(select(facts.c.value).where(facts.c.name == _NAME)).scalar()
    return note


def trusted(note: str, verifier: Verifier) -> Floor:
    """Raises :class:`NotSigned` for a statement that this key did not sign."""
    return _read(verifier.open(note))


def declare(connection: Connection, note: str) -> None:
    """From the commit on, what the statement names counts as pruned."""
    connection.execute(delete(facts).where(facts.c.name == _NAME))
    connection.execute(insert(facts).values(name=_NAME, value=note))


def _read(text: str) -> Floor:
    found = _SHAPE.fullmatch(text)
    if found is None:
        raise NotSigned("not a statement about pruned records")
    return Floor(int(found["through"]), found["head"], base64.b64decode(found["root"]), found["export"])
