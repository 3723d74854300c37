"""``loaner evidence``: which access was exercised in a range of days, for an auditor, with proof."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loaner.cli._json import LINES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loaner.evidence.report import EvidenceReport


def evidence(
    start: Annotated[str, typer.Option("--from", metavar="DAY", help="First day (UTC), as 2026-11-01.")],
    end: Annotated[str, typer.Option("--to", metavar="DAY", help="Last day.")],
    export: Annotated[Path | None, typer.Option(metavar="FILE", help="Of an export in place of the store.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The checkpoint to prove against; the store's newest otherwise.")
    ] = None,
    vkey: Annotated[
        str | None, typer.Option(help="Whose checkpoint: name+id+key. This loaner's when not given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file, readable by you alone; else standard output.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=LINES)] = False,
) -> None:
    """Report the access that was exercised, for SOC 2 and PCI DSS.

    Says for each record who had which access, when, why and by whose approval, in words, with the proof that the record
    is among those of a signed checkpoint; and what loaner cannot show. Made again from an export it is the same.

    \b
    Examples:
      loaner evidence --from 2026-11-01 --to 2026-11-30 --out november.md
      loaner evidence --from 2026-11-01 --to 2026-11-30 --json
      loaner evidence --from … --to … --export records.jsonl --checkpoint november.note
    """
    from loaner.cli import _evidence, _files

    report = _evidence.report(_evidence.Asked(start, end, export, checkpoint, vkey))
    with _files.target(out) as file:
        file.writelines(f"{line}\n".encode() for line in _written(report, as_json=as_json))


def _written(report: EvidenceReport, *, as_json: bool) -> Iterator[str]:
    from loaner.evidence.page import markdown

    if as_json:
        return (json.dumps(one, ensure_ascii=False) for one in report.facts())
    return markdown(report)
