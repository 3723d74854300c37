"""The proof of minimality as one table: each operation, the least it may ask for, and what the tests saw of it.

Runs the minimality tests, where each operation goes from an MCP client to the emulated provider and back, and puts
their results beside the table of scopes. An operation passes only where its derived scope works, every smaller one is
refused, and the provider's ledger shows exactly that credential, used once and dead.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree as ET

from loaner import catalog
from loaner.catalog import table

ROOT = Path(__file__).resolve().parent.parent
TESTS = "tests/journeys/test_minimality.py"


def results() -> dict[str, list[bool]]:
    """What the tests said of each tool: one entry for each example."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", TESTS, f"--junit-xml={report}"]
        subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
        cases = ET.parse(report).getroot().iter("testcase")  # noqa: S314 - pytest wrote it just now
    seen: dict[str, list[bool]] = {}
    for case in cases:
        _, bracket, example = case.attrib["name"].partition("[")
        if bracket:
            tool = example.rstrip("]").partition("-")[2]
            seen.setdefault(tool, []).append(not list(case))
    return seen


def main() -> int:
    seen = results()
    print(
        "| operation | minimal scope | source | minimality proven | ledger shows exactly that | by a real MCP client |"
    )
    print("|---|---|---|---|---|---|")
    failed = 0
    for row in table.rows(catalog.load().operations):
        said = seen.get(row["tool"], [])
        passed = bool(said) and all(said)
        failed += not passed
        scope = ", ".join(row["permissions"]) or ("by case" if row["cases"] else "none")
        more = "".join(f"; {table.case_told(case)}" for case in row["cases"])
        mark = f"yes ({len(said)}×)" if passed else "NO"
        exactly = mark if row["enforced_by"]["permissions"] == "provider" else f"{mark}, held; excess recorded"
        print(f"| {row['tool']} | {scope}{more} on {row['resource']} | {row['source']} | {mark} | {exactly} | {mark} |")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
