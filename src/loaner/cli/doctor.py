"""``loaner doctor``: what stands in the way, check by check; with ``--token -``, of one access token."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from loaner.cli._json import OBJECT
from loaner.cli._say import say
from loaner.errors import Exit, UsageError

_LONGEST = 64 * 1024


def doctor(
    token: Annotated[
        str | None, typer.Option(metavar="-", help="Check one access token instead; it is read from stdin.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=OBJECT)] = False,
) -> int:
    """Check settings, issuer, providers and store.

    Or one access token, check by check. Nothing is changed. Exits 1 where a check fails.

    \b
    Examples:
      loaner doctor
      pbpaste | loaner doctor --token -
    """
    import anyio

    from loaner.cli import _checking_token, _checks, _logging

    if token not in {None, "-"}:
        raise UsageError("a token in the command line would be seen by others.", do="Give it on stdin: --token -")
    _logging.to_stderr()
    report = anyio.run(_checking_token.of, _read()) if token else anyio.run(_checks.everything)
    if as_json:
        print(json.dumps(report.facts()))
    else:
        for line in report.lines():
            say(line)
    return int(Exit.OK if report.first_failed is None else Exit.ERROR)


def _read() -> str:
    """What is pasted from an ``Authorization`` header is taken too."""
    written = sys.stdin.read(_LONGEST).strip()
    written = written.removeprefix("Authorization:").strip()
    scheme, _, rest = written.partition(" ")
    token = rest.strip() if scheme.lower() == "bearer" else written
    if not token:
        raise UsageError("there is no token on stdin.", do="For example: pbpaste | loaner doctor --token -")
    return token
