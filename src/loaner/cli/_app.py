"""All verbs under one name, and how their failures are told."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import PurePath

import typer

from loaner import __version__
from loaner.cli import (
    _config,
    accept_clock,
    audit,
    backup,
    connector,
    demo,
    doctor,
    evidence,
    explain,
    init,
    install,
    inventory,
    keys,
    loans,
    policy,
    prune,
    restore,
    resume,
    revoke,
    sandbox,
    scopes,
    serve,
    status,
    tools,
    trust,
    usage,
)
from loaner.cli._say import say
from loaner.errors import Exit, LoanerError, UsageError

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
app.command("init")(init.init)
app.command("install")(install.install)
app.command("inventory")(inventory.inventory)
app.command("explain")(explain.explain)
app.command("tools")(tools.tools)
app.command("scopes")(scopes.scopes)
app.command("status")(status.status)
app.command("usage")(usage.usage)
app.command("evidence")(evidence.evidence)
app.command("doctor")(doctor.doctor)
app.command("trust")(trust.trust)
app.command("loans")(loans.loans)
app.command("revoke")(revoke.revoke)
app.command("resume")(resume.resume)
app.command("accept-clock")(accept_clock.accept_clock)
app.command("backup")(backup.backup)
app.command("restore")(restore.restore)
app.command("prune")(prune.prune)
app.add_typer(audit.app, name="audit")
app.add_typer(connector.app, name="connector")
app.add_typer(keys.app, name="keys")
app.add_typer(policy.app, name="policy")
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
    config: str | None = typer.Option(  # taken out beforehand by `run`, so that it may stand after the verb too
        None, "--config", metavar="FILE", help="The settings file, for every verb; else LOANER_CONFIG or your own."
    ),
) -> None:
    """Every tool call gets a loaner key."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line. Returns its exit code; stderr gets one clear error, never a traceback."""
    as_json = "--json" in arguments
    config = None
    try:
        typed, config = _config.without(arguments)
        with _config.named(config):
            outcome = app(_with_bare_sandbox(typed), standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        return int(Exit.INTERRUPTED)
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - whatever it is, it is told in our words
        leaves = _flat(error)
        if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
            return int(Exit.INTERRUPTED)
        if hasattr(error, "show") and not as_json:  # Typer's own errors of use come with the usage
            error.show()
            return int(Exit.USAGE)
        failure = next((leaf for leaf in leaves if isinstance(leaf, LoanerError)), None) or _put(leaves[0])
        tell(failure, as_json=as_json, settings_file=_config.looked_for(config, failure))
        return int(failure.exit)
    return outcome if isinstance(outcome, int) else int(Exit.OK)


def _put(error: BaseException) -> LoanerError:
    """An error that is not ours, in our words. The text of an unforeseen one may hold anything, so it stays out."""
    if hasattr(error, "format_message"):
        return UsageError(str(error.format_message()), do="Try --help.")
    place = traceback.extract_tb(error.__traceback__)
    at = f"{PurePath(place[-1].filename).name}:{place[-1].lineno}" if place else "nowhere"
    return LoanerError(f"loaner failed in a way it does not know: {type(error).__name__} at {at}.")


def tell(failure: LoanerError, *, as_json: bool, settings_file: str = "") -> None:
    """One error, on stderr: words for people, or one JSON object."""
    if as_json:
        where = {"settings_file": settings_file} if settings_file else {}
        print(json.dumps({"error": failure.facts() | where}), file=sys.stderr)
    else:
        say(f"loaner: {failure.told()}", file=sys.stderr)
        if settings_file:
            say(f"  (settings file: {settings_file})", file=sys.stderr)
        if failure.log:
            say(f"  ({failure.log})", file=sys.stderr)


def _with_bare_sandbox(arguments: list[str]) -> list[str]:
    """``serve --sandbox`` may stand without a URL, which the option parser cannot say."""
    if arguments[:1] != ["serve"]:
        return arguments
    following = [*arguments[1:], "--"]
    return [
        f"--sandbox={EMBEDDED}" if argument == "--sandbox" and after.startswith("-") else argument
        for argument, after in zip(arguments, following, strict=True)
    ]


def _flat(error: BaseException) -> list[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for each in error.exceptions for leaf in _flat(each)]
