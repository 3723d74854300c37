"""Records for a spreadsheet. They cannot be verified there: export JSON lines for that."""

from __future__ import annotations

import csv as files
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from loaner.audit.chain import Record, canonical
from loaner.audit.record import FIELDS

COLUMNS = ("seq", "at", *FIELDS, "more", "hash")


def csv(records: Iterable[Record]) -> Iterator[str]:
    """A heading, then one row for each record (RFC 4180); lists are joined with spaces."""
    yield _row(COLUMNS)
    for record in records:
        body = record.body
        known = {name: body.pop(name, None) for name in ("at", *FIELDS)}
        body.pop("v", None)
        known |= {"seq": record.seq, "hash": record.hash, "more": canonical(body) if body else None}
        yield _row(_cell(known[name]) for name in COLUMNS)


def table(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Any rows with the same keys, as a heading and lines."""
    for number, row in enumerate(rows):
        if not number:
            yield _row(row)
        yield _row(_cell(value) for value in row.values())


def _row(cells: Iterable[str]) -> str:
    line = io.StringIO()
    files.writer(line).writerow(cells)
    return line.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        text = " ".join(_cell(one) for one in value)
    elif isinstance(value, dict):  # a limit
        text = f"{value.get('what')}:{value.get('value')}:by-{value.get('enforced_by')}"
    else:
        text = str(value)
    # A spreadsheet runs a cell that begins like this; an agent chooses its own name (OWASP, CSV injection).
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
