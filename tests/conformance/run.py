"""Run the official MCP conformance scenarios of both eras against `loaner serve --http --sandbox`, then the tests
with clients that nobody here wrote: the Inspector, the TypeScript client, FastMCP's, LangChain's.

The suite runs every scenario that a revision requires. Those that loaner cannot meet because it has no such feature
are named, with the reason, in `baseline-<era>.yml`; an entry that passes after all fails the run, so the list stays
true. The full reports are left in `.conformance/<era>/`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import anyio
import node
import proxy
import served

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "clients"))
import foreign  # noqa: E402 - found by the line above

ERAS = ("2025-11-25", "2026-07-28")


async def score(era: str, url: str) -> int:
    """Run one era's required scenarios at `url`; print the suite's summary; answer its exit code."""
    reports = node.CACHE / era
    shutil.rmtree(reports, ignore_errors=True)
    baseline = HERE / f"baseline-{era}.yml"
    finished = await anyio.run_process(
        [
            *node.command("conformance"),
            *("server", "--url", url, "--requirements", era, "--expected-failures", str(baseline)),
            *("--output-dir", str(reports)),
        ],
        env=node.environment(),
        check=False,
    )
    said = finished.stdout.decode()
    _, marker, summary = said.partition("=== SUMMARY ===")
    sys.stdout.write(f"\n== MCP {era}\n{summary if marker else said}{finished.stderr.decode()}")
    return finished.returncode


async def main(eras: list[str]) -> int:
    """Serve, add the token on the way, score each era; 0 when nothing unexpected failed."""
    async with (
        served.over_http("conformance") as server,
        proxy.adding_bearer(server.url, server.tokens["alice"]) as url,
    ):
        codes = [await score(era, f"{url}/mcp") for era in eras]
    return max(codes)


def install(*, clients: bool) -> None:
    """Get what the runs need, once. Without Node's packages there are no scenarios; a Python client may be missing."""
    node.install()
    for client in foreign.NAMES if clients else ():
        if not foreign.install(client):
            sys.stdout.write(f"conformance: {client}'s client cannot be installed here; its tests are skipped\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="./run conformance", description=__doc__)
    parser.add_argument("--era", choices=ERAS, action="append", help="only this revision (may be repeated), no clients")
    parser.add_argument("--install-only", action="store_true", help="get what it needs and stop")
    chosen = parser.parse_args()
    install(clients=not chosen.era)
    if chosen.install_only:
        sys.exit(0)
    code = anyio.run(main, chosen.era or list(ERAS))
    if not chosen.era:
        tests = [sys.executable, "-m", "pytest", "-q", "-m", "foreign", str(HERE), str(HERE.parent / "clients")]
        code = max(code, subprocess.run(tests, check=False).returncode)
    sys.exit(code)
