"""``loaner policy``: is it valid, does it rule as its cases say, and which rule decides a call. Nothing is sent."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loaner.cli._json import LINES, OBJECT
from loaner.cli._say import say
from loaner.cli.explain import _pairs
from loaner.errors import Exit

if TYPE_CHECKING:
    from loaner.catalog import Catalog
    from loaner.policy import CedarPolicy

app = typer.Typer(help="The rules: check them, test them, ask them.", no_args_is_help=True, rich_markup_mode=None)

Folder = Annotated[
    Path | None, typer.Option("--policy", help="A folder of *.cedar files; the configured one if not said.")
]
AsLines = Annotated[bool, typer.Option("--json", help=LINES)]
AsJson = Annotated[bool, typer.Option("--json", help=OBJECT)]


def _read(folder: Path | None) -> tuple[CedarPolicy, Catalog, Path | None]:
    from loaner import settings as reading
    from loaner.assembly import whole_catalog
    from loaner.policy import load

    settings = reading.load()
    everything = whole_catalog(settings)
    folder = folder or settings.policy_folder
    return load(folder, everything.operations, read_only=settings.tools.read_only), everything, folder


@app.command()
def check(policy: Folder = None, as_json: AsJson = False) -> None:
    """Read the rules, and say whether they hold.

    They are parsed and validated against the tools that exist. Exits 78, with file and line, if that fails.

    \b
    Examples:
      loaner policy check
    """
    read, _, folder = _read(policy)
    if as_json:
        rules = [{"rule": rule.name, "where": rule.where} for rule in read.rules.rules]
        told = {"version": read.version, "folder": str(folder) if folder else None, "rules": rules}
        print(json.dumps(told | {"warnings": [{"where": one.where, "warning": one.told()} for one in read.warnings]}))
        return
    for rule in read.rules.rules:
        say(f"{rule.where:30} {rule.name}")
    for one in read.warnings:
        say(f"warning: {one.where}: {one.told()}.")
    say(f"{len(read.rules.rules)} rules, version {read.version}{'' if folder else ', built in'}")


@app.command("test")
def run_cases(policy: Folder = None, as_json: AsLines = False) -> int:
    """Rule on the cases in tests/*.toml.

    Of the policy's folder. Exits 5 if one is not ruled as it says.

    \b
    Examples:
      loaner policy test
    """
    from loaner.errors import UsageError
    from loaner.policy.cases import problem, read_cases

    read, everything, folder = _read(policy)
    if folder is None:
        raise UsageError(
            "the built-in rules have no cases.", do="Set policy in the settings file, or give --policy FOLDER."
        )
    failed = 0
    for file, case in read_cases(folder):
        wrong = problem(case, read, everything)
        failed += wrong is not None
        if as_json:
            print(json.dumps({"file": file, "case": case.name, "ok": wrong is None, "problem": wrong}))
        else:
            say(f"{'ok  ' if wrong is None else 'FAIL'} {case.name}{f': {wrong} ({file})' if wrong else ''}")
    return int(Exit.POLICY if failed else Exit.OK)


@app.command()
def explain(
    tool: Annotated[str, typer.Argument(help="A tool, e.g. github_issue_create.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="Its arguments, as key=value.")] = None,
    agent: Annotated[str, typer.Option(help="The agent that would ask.")] = "an-agent",
    verified: Annotated[bool, typer.Option("--verified", help="As if a token vouched for the agent.")] = False,
    environment: Annotated[str, typer.Option(help="Where it would be asked.")] = "development",
    at: Annotated[datetime | None, typer.Option(help="When, in UTC.")] = None,
    policy: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Say which rule decides a call, and where.

    \b
    Examples:
      loaner policy explain github_issue_read owner=acme repo=web issue_number=1
    """
    from datetime import UTC

    from loaner.clock import utc_now
    from loaner.policy.cases import PolicyCase, ruling_of, verdict

    read, everything, _ = _read(policy)
    case = PolicyCase(
        name="explain",
        tool=tool,
        arguments=everything[tool].from_text(_pairs(arguments or [])),
        agent=agent,
        verified=verified,
        environment=environment,
        at=at.replace(tzinfo=UTC) if at else utc_now(),
        expect="allowed",
    )
    ruling = ruling_of(case, read, everything)
    rule = next((one for one in read.rules.rules if one.name == ruling.rule), None)
    told = {
        "ruling": verdict(ruling),
        "rule": ruling.rule,
        "reason": ruling.reason,
        "where": rule.where if rule else None,
    }
    if as_json:
        print(json.dumps(told))
        return
    say(f"{told['ruling']}   rule “{ruling.rule}” ({told['where'] or 'no line: it is what happens without a rule'})")
    say(f"  {ruling.reason}")
    if rule:
        say("\n".join(f"  | {line}" for line in rule.text.splitlines()))
