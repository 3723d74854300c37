"""A checkpoint: so many records have this root, signed (c2sp.org/tlog-checkpoint).

Keep one where whoever can write to loaner's store cannot: it is what shows that records were cut off or rewritten.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from loaner.audit.merkle import EMPTY
from loaner.audit.note import NotSigned, Signer, Verifier

_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")


@dataclass(frozen=True)
class Checkpoint:
    """``size`` records, in this order, have this Merkle ``root``."""

    size: int
    root: bytes

    def signed(self, signer: Signer) -> str:
        """As a signed note; the log is named like its key."""
        return signer.sign(f"{signer.name}\n{self.size}\n{base64.b64encode(self.root).decode()}\n")

    @classmethod
    def opened(cls, note: str, verifier: Verifier) -> Checkpoint:
        """Read a signed checkpoint. Raises :class:`~loaner.audit.note.NotSigned` for one that cannot be trusted."""
        origin, size, encoded, *extensions = verifier.open(note)[:-1].split("\n") + [""] * 2
        try:
            root = base64.b64decode(encoded, validate=True)
        except ValueError:
            root = b""
        if origin != verifier.name or not _SIZE.fullmatch(size) or len(root) != len(EMPTY) or any(extensions):
            raise NotSigned("not a checkpoint of this log")
        return cls(int(size), root)
