"""``loaner backup``: one file from which the store can be restored, made while servers run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loaner.cli._json import OBJECT
from loaner.cli._say import say
from loaner.errors import UsageError

if TYPE_CHECKING:
    from loaner.settings import Settings


def backup(
    file: Annotated[Path, typer.Argument(help="The file to make.")],
    with_key: Annotated[
        bool, typer.Option("--with-key", help="Put the sealing key into it too: whoever has the file has every grant.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help=OBJECT)] = False,
) -> None:
    """Back up the store of a running server.

    One file, readable by you alone, and checked before it counts as made.

    \b
    Examples:
      loaner backup /safe/loaner.backup
    """
    from loaner.audit.signing import verifier_of
    from loaner.cli import _progress, _store_file
    from loaner.clock import utc_now
    from loaner.keys import key_holder
    from loaner.maintenance import backup as backups
    from loaner.settings import load
    from loaner.store import Sealed

    settings = load()
    store = _store_file.of(settings, do=_PG_DUMP)
    if not store.exists():
        raise UsageError(f"there is no store at {store}.", do="Set LOANER_HOME to the one that the server uses.")
    keys = _keys(settings) if with_key else {}
    source = backups.BackupSource(store, Sealed(key_holder(settings, look=True)), verifier_of(settings), keys)
    told = _progress.shown("copying", as_json=as_json)
    made = backups.make(source, file.absolute(), at=utc_now(), replacing=force, told=told)
    if as_json:
        facts = {"file": str(file), "made_at": made.made_at, "records": made.records, "head": made.head}
        print(json.dumps(facts | {"key": made.key, "with_key": made.with_keys}))
        return
    say(f"✓ {file}: {made.records:,} records, intact; as of {made.made_at}")
    if made.with_keys:
        say("! it holds the sealing key: keep it as you keep a password", file=sys.stderr)
    else:
        say(f"  to restore it, the sealing key is needed too ({_where(settings)}); it is not in the backup")


_PG_DUMP = (
    "Back it up with PostgreSQL's own tools: pg_dump --format=custom --file=loaner.dump DATABASE. To restore it, stop "
    "every server, then: pg_restore --clean --if-exists --dbname=DATABASE loaner.dump; loaner restore --in-place"
)


def _keys(settings: Settings) -> dict[str, bytes]:
    from loaner.maintenance.archive import KEYS

    if settings.key:
        raise UsageError(
            f"the sealing key is kept elsewhere ({_where(settings)}), and only its reference is here.",
            do="Back the key up there, and leave --with-key out.",
        )
    return {name: (settings.home / name).read_bytes() for name in KEYS if (settings.home / name).exists()}


def _where(settings: Settings) -> str:
    return settings.key or str(settings.home / "key")
