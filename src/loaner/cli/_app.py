"""All verbs under one name, and how their failures are told."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import typer

from loaner import __version__
from loaner.cli import (
    _config,
    _output,
    accept_clock,
    audit,
    backup,
    completion,
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
    provider,
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
from loaner.cli._help import DEVELOP, INSPECT, STOP, USE, Grouped
from loaner.cli._say import say
from loaner.errors import Exit, LoanerError, UsageError

app = typer.Typer(
    name="loaner",
    cls=Grouped,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Every tool call gets a loaner key: least scope, one use, given back, recorded.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo", rich_help_panel=USE)(demo.demo)
app.command("serve", rich_help_panel=USE)(serve.serve)
app.command("init", rich_help_panel=USE)(init.init)
app.command("install", rich_help_panel=USE)(install.install)
app.command("inventory", rich_help_panel=INSPECT)(inventory.inventory)
app.command("explain", rich_help_panel=INSPECT)(explain.explain)
app.command("tools", rich_help_panel=INSPECT)(tools.tools)
app.command("scopes", rich_help_panel=INSPECT)(scopes.scopes)
app.command("status", rich_help_panel=INSPECT)(status.status)
app.command("usage", rich_help_panel=INSPECT)(usage.usage)
app.command("evidence", rich_help_panel=INSPECT)(evidence.evidence)
app.command("doctor", rich_help_panel=INSPECT)(doctor.doctor)
app.command("completion", rich_help_panel=USE)(completion.completion)
app.command("trust", rich_help_panel=USE)(trust.trust)
app.command("loans", rich_help_panel=INSPECT)(loans.loans)
app.command("revoke", rich_help_panel=STOP)(revoke.revoke)
app.command("resume", rich_help_panel=STOP)(resume.resume)
app.command("accept-clock", rich_help_panel=STOP)(accept_clock.accept_clock)
app.command("backup", rich_help_panel=STOP)(backup.backup)
app.command("restore", rich_help_panel=STOP)(restore.restore)
app.command("prune", rich_help_panel=STOP)(prune.prune)
app.add_typer(audit.app, name="audit", rich_help_panel=INSPECT)
app.add_typer(connector.app, name="connector", rich_help_panel=USE)
app.add_typer(keys.app, name="keys", rich_help_panel=STOP)
app.add_typer(policy.app, name="policy", rich_help_panel=DEVELOP)
app.add_typer(provider.app, name="provider", rich_help_panel=DEVELOP)
app.add_typer(sandbox.app, name="sandbox", rich_help_panel=DEVELOP)

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
            outcome = _ran(typed)
        sys.stdout.flush()
    except (typer.Abort, KeyboardInterrupt):
        return int(Exit.INTERRUPTED)
    except SystemExit as ended:  # Typer's and Rich's way to say that nobody reads any more
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        _output.discard()
        return int(Exit.OK)
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - whatever it is, it is told in our words
        leaves = _flat(error)
        if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
            return int(Exit.INTERRUPTED)
        if any(isinstance(leaf, BrokenPipeError) for leaf in leaves) and _output.is_left():
            _output.discard()
            return int(Exit.OK)
        failure = next((leaf for leaf in leaves if isinstance(leaf, LoanerError)), None) or _put(leaves[0])
        tell(failure, as_json=as_json, settings_file=_config.looked_for(config, failure))
        return int(failure.exit)
    return outcome if isinstance(outcome, int) else int(Exit.OK)


def _ran(typed: list[str]) -> Any:
    if completion.VARIABLE in os.environ:
        from typer._completion_classes import completion_init

        completion_init()
    return app(_with_bare_sandbox(typed) or ["--help"], standalone_mode=False, prog_name="loaner")


def _put(error: BaseException) -> LoanerError:
    """An error that is not ours, in our words. The text of an unforeseen one may hold anything, so it stays out."""
    if hasattr(error, "format_message"):
        context = getattr(error, "ctx", None)
        return UsageError(
            str(error.format_message()), do=f"See: {context.command_path if context else 'loaner'} --help"
        )
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
