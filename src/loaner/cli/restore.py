"""``loaner restore``: put a backup in place of the store, with everything blocked until a person has looked at it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loaner.cli._json import OBJECT
from loaner.cli._say import say
from loaner.errors import UsageError

if TYPE_CHECKING:
    from loaner.maintenance.archive import Archive
    from loaner.maintenance.restore import Restored, RestoreTarget
    from loaner.settings import Settings


def restore(
    file: Annotated[
        Path | None, typer.Argument(help="A backup; none to finish a restore that was interrupted.")
    ] = None,
    in_place: Annotated[
        bool,
        typer.Option("--in-place", help="The store was restored already, by pg_restore or a snapshot of the disk."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help=OBJECT)] = False,
) -> None:
    """Restore a backup, with everything blocked.

    What was approved is void, and nothing is lent until `loaner resume --all-tokens`. The store that is replaced is
    kept beside it. Nothing of loaner may run meanwhile.

    \b
    Examples:
      loaner restore /safe/loaner.backup
    """
    from loaner.cli import _logging
    from loaner.settings import load

    settings = load()
    if in_place == (file is not None) and in_place:
        raise UsageError("name a backup, or say --in-place, not both.")
    if file is None and not in_place:
        _finish(settings, as_json=as_json)
        return
    _no_server(settings)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("nobody is here to be asked.", do="Add --yes if you mean it.")
        typer.confirm(f"Restore {file or 'in place'}? Every approval ends, and everything is blocked.", abort=True)
    _logging.to_stderr()  # of rows that no key of ours has made; standard output is for the answer
    told = _in_place(settings) if in_place else _restored(settings, file or Path())
    _tell(told, as_json=as_json)


def _finish(settings: Settings, *, as_json: bool) -> None:
    from loaner.cli import _store_file
    from loaner.maintenance import restore as restores

    aside = restores.finish(_store_file.of(settings, do="Use pg_restore, then: loaner restore --in-place"))
    if as_json:
        print(json.dumps({"finished": True, "replaced": str(aside) if aside else None}))
    else:
        say(f"✓ the restore is complete; the store that it replaced is {aside}")
        say("  see: loaner status, loaner loans, loaner audit tail")


def _restored(settings: Settings, file: Path) -> Restored:
    from loaner.clock import utc_now
    from loaner.maintenance import archive
    from loaner.maintenance import restore as restores

    backup = archive.read(file)
    with _keys(settings, backup):
        return restores.restore(backup, _place(settings), at=utc_now())


def _in_place(settings: Settings) -> Restored:
    from loaner.cli._open import opened_store
    from loaner.clock import utc_now
    from loaner.maintenance import restore as restores
    from loaner.maintenance.restore import Restored
    from loaner.store import engine as engines
    from loaner.store import in_use
    from loaner.store.schema import bring_up_to_date

    place, at = _place(settings), utc_now()
    # Of a database server nobody can tell here who else uses it.
    lock = in_use.alone(place.file) if settings.store_url.startswith("sqlite") else contextlib.nullcontext()
    with lock:
        with opened_store(settings):
            pass  # where there is no store, none is made
        engine = engines.create(settings.store_url)
        try:
            bring_up_to_date(engine)
            with place.tagging(engine).begin() as connection:
                voided, carried, loans = restores.in_place(connection, place, at=at)
        finally:
            engine.dispose()
    return Restored(voided, carried, loans, None)


def _place(settings: Settings) -> RestoreTarget:
    from sqlalchemy.engine import make_url

    from loaner.assembly import read_catalog
    from loaner.audit.signing import verifier_of
    from loaner.identity.local_person import local_subject
    from loaner.keys import key_holder
    from loaner.maintenance.restore import RestoreTarget
    from loaner.store import Sealed

    return RestoreTarget(
        file=Path(make_url(settings.store_url).database or ""),
        sealed=Sealed(key_holder(settings, look=True)),
        verifier=verifier_of(settings),
        providers=read_catalog(settings).providers,
        by=local_subject().key,
    )


def _no_server(settings: Settings) -> None:
    from loaner.cli import _servers

    if running := _servers.running(settings.home):
        pids = ", ".join(str(server.pid) for server in running)
        raise UsageError(f"a server of this home is running (process {pids}).", do="Stop it, then repeat.")


@contextlib.contextmanager
def _keys(settings: Settings, backup: Archive) -> Iterator[None]:
    """Put the backup's keys into a home that has none, before anything looks for one: a new one would be made."""
    from loaner.cli import _store_file

    _store_file.of(settings, do="Use pg_restore, then: loaner restore --in-place")
    made: list[Path] = []
    if settings.key is None and not (settings.home / "key").exists():
        if "key" not in backup.keys:
            raise UsageError(
                f"the sealing key is not at {settings.home / 'key'}, and the backup does not hold it.",
                do=f"Put it there (mode 0600); its id is {backup.manifest.key}.",
            )
        for name, content in backup.keys.items():
            if not (settings.home / name).exists():
                made.append(settings.home / name)
                with os.fdopen(os.open(made[-1], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as key:
                    key.write(content)
                    key.flush()
                    os.fsync(key.fileno())
    try:
        yield
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        raise


def _tell(done: Restored, *, as_json: bool) -> None:
    facts = _facts(done)
    if as_json:
        print(json.dumps(facts))
        return
    void = facts["voided"]
    say(f"✓ restored; the store that it replaced is {facts['replaced']}" if done.aside else "✓ restored")
    say(
        f"  void: {void['approvals']} approvals, {void['tasks']} tasks, {void['questions']} open questions, "
        f"{void['sessions']} sessions"
    )
    for block in facts["blocks"]:
        say(f"  still blocked, as in the replaced store: {block['kind']} {block['value']}".rstrip())
    for grant in facts["grants"]:
        say(f"! {grant['provider']} {grant['account']} (through {grant['connector']}): {grant['how']}")
    for loan in facts["loans"]:
        say(f"! may be alive: {loan['provider']} {loan['resource']}, dead at the latest {loan['latest_expiry']}")
    if done.carried.unread:
        say(f"! not readable in the replaced store: {', '.join(done.carried.unread)}. Blocks that were set since the")
        say("  backup are forgotten, and whoever connected an account since ends it in its settings at the provider.")
    say("everything is blocked. When you have looked at this: loaner resume --all-tokens")


def _facts(done: Restored) -> dict[str, Any]:
    from dataclasses import asdict

    from loaner.clock import iso

    return {
        "voided": asdict(done.voided),
        "blocks": [{"kind": one.kind, "value": one.value} for one in done.carried.blocks],
        "grants": done.carried.moved,
        "loans": [
            {"provider": one.provider, "resource": one.resource, "latest_expiry": iso(one.latest_expiry)}
            for one in done.loans
        ],
        "unread": done.carried.unread,
        "replaced": str(done.aside) if done.aside else None,
    }
