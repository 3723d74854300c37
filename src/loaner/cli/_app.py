"""All verbs under one name, and how their failures are told."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import typer

from loaner import __version__
from loaner.cli import audit, connector, demo, explain, loans, revoke, sandbox, scopes, serve, status, tools
from loaner.errors import Exit, LoanerError

app = typer.Typer(
    name="loaner",
    help="Every tool call gets a loaner key: least scope, one use, given back, recorded.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("explain")(explain.explain)
app.command("tools")(tools.tools)
app.command("scopes")(scopes.scopes)
app.command("status")(status.status)
app.command("loans")(loans.loans)
app.command("revoke")(revoke.revoke)
app.add_typer(audit.app, name="audit")
app.add_typer(connector.app, name="connector")
app.add_typer(sandbox.app, name="sandbox")

EMBEDDED = "embedded"
"""What ``--sandbox`` means without a URL."""


def _version(wanted: bool) -> None:
    if wanted:
        print(f"loaner {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Every tool call gets a loaner key."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line. Returns its exit code; stderr gets one clear error, never a traceback."""
    arguments = _with_bare_sandbox(list(arguments))
    try:
        outcome = app(arguments, standalone_mode=False)
    except LoanerError as failure:
        tell(failure, as_json="--json" in arguments)
        return int(failure.exit)
    except BaseExceptionGroup as group:
        failures = [error for error in _flat(group) if isinstance(error, LoanerError)]
        if not failures:
            raise
        tell(failures[0], as_json="--json" in arguments)
        return int(failures[0].exit)
    except typer.Abort:
        return int(Exit.INTERRUPTED)
    except KeyboardInterrupt:
        return int(Exit.INTERRUPTED)
    except Exception as failure:
        if not hasattr(failure, "format_message"):  # Typer's own errors of use have it
            raise
        failure.show()  # type: ignore[attr-defined]
        return int(Exit.USAGE)
    return outcome if isinstance(outcome, int) else int(Exit.OK)


def tell(failure: LoanerError, *, as_json: bool) -> None:
    """One error, on stderr: words for people, or one JSON object."""
    if as_json:
        print(json.dumps({"error": failure.facts()}), file=sys.stderr)
    else:
        print(f"loaner: {failure.told()}", file=sys.stderr)
        if failure.log:
            print(f"  ({failure.log})", file=sys.stderr)


def _with_bare_sandbox(arguments: list[str]) -> list[str]:
    """``serve --sandbox`` may stand without a URL, which the option parser cannot say."""
    if arguments[:1] != ["serve"]:
        return arguments
    following = [*arguments[1:], "--"]
    return [
        f"--sandbox={EMBEDDED}" if argument == "--sandbox" and after.startswith("-") else argument
        for argument, after in zip(arguments, following, strict=True)
    ]


def _flat(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_flat(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
