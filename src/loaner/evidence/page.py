"""The report as a page of Markdown. What agents and people chose themselves stands in it as text alone."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from loaner.characters import marked
from loaner.evidence.controls import CONTROLS, TITLES, of
from loaner.evidence.report import BEYOND, EvidenceReport

_ACTS = re.compile(r"([\\`*_{}\[\]<>#|!])")


def markdown(report: EvidenceReport) -> Iterator[str]:
    """Lines, the last without an end."""
    covered = report.checkpoint
    yield f"# Evidence of access, {report.start} to {report.end}"
    yield ""
    yield f"{len(report.lines)} records, days of UTC, both included. Each is among the {covered.size} records of the"
    yield "checkpoint at the end, which all verify; what proves it stands under Proofs. Controls are named as in SOC 2"
    yield "(Trust Services Criteria) and PCI DSS 4.0.1; what each asks is in our words."
    yield from _controls(report)
    yield from _lines(report)
    yield from ("", "## What loaner cannot show", "")
    yield from (f"- {one}" for one in BEYOND)
    yield from (f"- {control.name}: {control.cannot}" for control in CONTROLS)
    yield from _proofs(report)


def _controls(report: EvidenceReport) -> Iterator[str]:
    yield from ("", "## Controls", "", "| control | asks | shown by |", "|---|---|---|")
    counts = {title: len(lines) for title, lines in report.titles()}
    for control in CONTROLS:
        shown = "; ".join(f"{TITLES[group]} ({counts[TITLES[group]]})" for group in control.shown_by)
        yield f"| {control.name} | {control.asks} | {shown} |"


def _lines(report: EvidenceReport) -> Iterator[str]:
    for title, lines in report.titles():
        yield from ("", f"## {title}", "")
        if not lines:
            yield "Nothing in this range."
            continue
        yield f"For {', '.join(control.name for control in of(lines[0].group))}."
        yield ""
        for line in lines:
            yield f"- **#{line.record.seq}** {line.at}: {plain(line.told)}"


def _proofs(report: EvidenceReport) -> Iterator[str]:
    yield from ("", "## Proofs", "")
    yield "For each record its hash, and the path from it to the checkpoint's root (RFC 6962 §2.1.1, base64). To check"
    yield "one: `loaner audit prove NUMBER`, then `loaner audit verify FILE --vkey KEY`. To make this page again:"
    yield f"`loaner evidence --from {report.start} --to {report.end} --export EXPORT --checkpoint NOTE --vkey KEY`,"
    yield "where EXPORT is what `loaner audit export` wrote, and NOTE a file with this:"
    yield from ("", "```", *report.note.rstrip("\n").split("\n"), "```", "", f"KEY is `{report.vkey}`.", "", "```")
    for line in report.lines:
        yield f"#{line.record.seq} {line.record.hash}"
        yield from (f"  {base64.b64encode(one).decode()}" for one in line.path)
    yield "```"


def plain(told: str) -> str:
    """Text that a reader of Markdown shows as it is."""
    return _ACTS.sub(r"\\\1", marked(told, prose=False).replace("\n", " "))
