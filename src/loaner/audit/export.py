"""Records on paper: one line of JSON each, and back.

The export holds everything that the chain covers, so it verifies on a machine that has nothing else. There is one
spelling of each line only, which is why no byte of it can change unnoticed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from loaner.audit.chain import Record, canonical
from loaner.audit.verify import NotARecord

LONGEST_LINE = 1 << 20
"""Bytes. Our records are a hundredth of it; a file without line ends must not fill the memory."""


def jsonl(records: Iterable[Record]) -> Iterator[str]:
    """One canonical line for each record."""
    return (record.line() for record in records)


def read_jsonl(file: BinaryIO) -> Iterator[Record]:
    """The records of an export. Raises :class:`~loaner.audit.verify.NotARecord` at the first line that is not one."""
    while line := file.readline(LONGEST_LINE):
        yield read_line(line)


def read_line(line: bytes) -> Record:
    """One line of an export, as strictly as it was written."""
    try:
        said = json.loads(line)
        record = Record(said["seq"], said["prev_hash"], said["hash"], canonical(said["body"]))
        if type(record.seq) is int and record.line().encode() == line:
            return record
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise NotARecord("its line is not a record as loaner exports one")
