"""``loaner prune``: take out of the store what is over and old. It only says what it would do, until ``--yes``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loaner.cli._json import OBJECT
from loaner.cli._say import say
from loaner.errors import UsageError

if TYPE_CHECKING:
    from loaner.maintenance.prune import Plan, Retention
    from loaner.settings import Settings


def prune(
    closed_days: Annotated[
        int | None, typer.Option(min=1, help="Closed loans and answered requests older than so many days.")
    ] = None,
    records_days: Annotated[
        int | None, typer.Option(min=1, help="Records older than so many days; needs --export.")
    ] = None,
    export: Annotated[Path | None, typer.Option(help="A new file for the records that are taken out.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without, it is only said what would go.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help=OBJECT)] = False,
) -> None:
    """Delete what is over, once it is exported.

    Closed loans, answered consent requests, and records once they are exported and signed for. The days come from
    `retention` in the settings where no option says them. Open loans, live grants, approvals and blocks are never
    touched, and servers may run.

    \b
    Examples:
      loaner prune --records-days 400                                  # what would go
      loaner prune --records-days 400 --export old.jsonl --yes
    """
    import anyio

    from loaner.cli._open import opened_store
    from loaner.clock import utc_now
    from loaner.maintenance.prune import Retention, plan
    from loaner.settings import load

    settings = load()
    kept = settings.retention
    retention = Retention(closed_days or kept.closed_days, records_days or kept.records_days)
    if retention.closed_days is None and retention.records_days is None:
        raise UsageError(
            "nothing says how long things are kept.",
            do="Give --closed-days or --records-days, or set retention.closed_days or retention.records_days.",
        )
    if not yes:
        with opened_store(settings) as store:
            found = store.read_now(lambda connection: plan(connection, retention, utc_now()))
        _tell(_facts(found, done=False, export=export), as_json=as_json)
        return
    with opened_store(settings):
        pass  # where there is no store, none is made
    if records_days and export is None:
        raise UsageError("records are deleted only once they are exported.", do="Add: --export FILE")
    _tell(anyio.run(_prune, settings, retention, export, as_json), as_json=as_json)


async def _prune(settings: Settings, retention: Retention, export: Path | None, as_json: bool) -> dict[str, Any]:
    from dataclasses import replace

    from loaner.audit.signing import signer_of
    from loaner.cli import _progress
    from loaner.clock import utc_now
    from loaner.identity.local_person import local_subject
    from loaner.maintenance import prune as pruning
    from loaner.store import open_store
    from loaner.store.looking import NoKey

    told = _progress.shown("pruning", as_json=as_json)
    async with open_store(settings.store_url, NoKey()) as store:
        await pruning.sweep(store, told)
        found = store.read_now(lambda connection: pruning.plan(connection, retention, utc_now()))
        digest = None
        if found.records and export is not None:
            signer, by = signer_of(settings), local_subject().key
            digest = await pruning.prune_records(store, found, export, signer, by=by, now=utc_now, told=told)
        elif export is None:
            found = replace(found, through=found.pruned)
        loans, consents = await pruning.closed(store, retention, utc_now(), told)
    return _facts(replace(found, loans=loans, consents=consents), done=True, export=export) | {"sha256": digest}


def _facts(found: Plan, *, done: bool, export: Path | None) -> dict[str, Any]:
    return {
        "done": done,
        "loans": found.loans,
        "consents": found.consents,
        "records": found.records,
        "records_through": found.through if found.records else None,
        "export": str(export) if export and found.records else None,
    }


def _tell(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(facts))
        return
    say("✓ deleted" if facts["done"] else "would delete (add --yes to do it):")
    say(f"  {facts['loans']:,} closed loans, {facts['consents']:,} answered consent requests")
    if facts["records"]:
        where = f"exported to {facts['export']}" if facts["export"] else "with --export FILE, where they go first"
        say(f"  {facts['records']:,} records, up to {facts['records_through']:,}: {where}")
    if facts["done"]:
        say("  the file keeps its size; the room in it is used again")
