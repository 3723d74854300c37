"""``loaner audit``: read the records, verify them, export them, sign and prove them."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loaner.cli import _files
from loaner.cli._json import LINES, OBJECT
from loaner.cli._say import say
from loaner.errors import Exit, UsageError

if TYPE_CHECKING:
    from loaner.audit import Record
    from loaner.audit.note import Signer
    from loaner.audit.tree import Signed
    from loaner.settings import Settings

app = typer.Typer(help="What happened: one chained record per call.", no_args_is_help=True, rich_markup_mode=None)

AsLines = Annotated[bool, typer.Option("--json", help=LINES)]
AsJson = Annotated[bool, typer.Option("--json", help=OBJECT)]


@app.command()
def tail(
    count: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many of the last records.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for new ones, until Ctrl-C.")] = False,
    as_json: AsLines = False,
) -> None:
    """Print the last records, the oldest first.

    \b
    Examples:
      loaner audit tail -n 50
      loaner audit tail --follow --json | jq .body.tool
    """
    from loaner.audit import read
    from loaner.cli._open import opened_store

    with opened_store() as store:
        records = store.read_now(partial(read.tail, count=count))
        last = records[-1].seq if records else 0
        if not records and not count:
            last = max((record.seq for record in store.read_now(partial(read.tail, count=1))), default=0)
        _print(records, as_json=as_json)
        if not records and not follow and not as_json:
            say("no records yet")
        while follow:
            time.sleep(0.5)
            records = store.read_now(partial(read.tail, count=1000, after_seq=last))
            _print(records, as_json=as_json)
            last = records[-1].seq if records else last


@app.command()
def show(
    which: Annotated[str, typer.Argument(metavar="SEQ|ID", help="A record's number, or its call's id.")],
    as_json: AsJson = False,
) -> None:
    """Print everything that one record says.

    \b
    Examples:
      loaner audit show 12
      loaner audit show '#12' --json
    """
    from loaner.audit import read
    from loaner.cli import _told
    from loaner.cli._open import opened_store

    which = which.removeprefix("#")
    short = which.isascii() and which.isdecimal() and len(which) < 16  # noqa: PLR2004 - an id is 32 long
    with opened_store() as store:
        record = store.read_now(partial(read.show, which=int(which) if short else which))
    if record is None:
        raise UsageError(f"there is no record {which[:40]!r}.", do="Numbers and ids: loaner audit tail --json")
    if as_json:
        _print([record], as_json=True)
        return
    for label, said in _told.page(record):
        say(f"{label:11}{said}")


@app.command()
def verify(
    file: Annotated[Path | None, typer.Argument(help="An export or a proof; the store when none is given.")] = None,
    checkpoint: Annotated[list[Path] | None, typer.Option(help="A checkpoint that was kept elsewhere.")] = None,
    vkey: Annotated[
        str | None, typer.Option(help="Whose checkpoints: name+id+key. This loaner's when not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check every record, an export or a proof.

    Exits 8 and names the first bad one if any was changed, moved, dropped or cut off.

    \b
    Examples:
      loaner audit verify
      loaner audit verify --checkpoint kept.note
      loaner audit verify records.jsonl --vkey KEY
    """
    from loaner.cli import _verifying

    verdict = _verifying.verdict(file, checkpoint or [], vkey)
    if as_json:
        print(json.dumps(verdict.facts()))
    else:
        say(verdict.told())
    if not verdict.ok:
        raise typer.Exit(int(Exit.AUDIT_BROKEN))


@app.command()
def export(
    form: Annotated[str, typer.Option("--format", help="jsonl (verifiable), csv or ocsf.")] = "jsonl",
    out: Annotated[
        Path | None, typer.Option(help="A file, readable by you alone; standard output when not given.")
    ] = None,
) -> None:
    """Write all records out.

    \b
    Examples:
      loaner audit export --out records.jsonl
      loaner audit export --format ocsf | head
    """
    from loaner.audit import csv, ocsf
    from loaner.audit import export as exports
    from loaner.audit.read import every
    from loaner.cli._open import opened_store

    forms: dict[str, Callable[[Iterable[Record]], Iterator[str]]] = {
        "jsonl": exports.jsonl,
        "csv": csv.csv,
        "ocsf": ocsf.ocsf,
    }
    if form not in forms:
        raise UsageError(f"there is no format {form!r}.", do=f"One of: {', '.join(forms)}.")
    with opened_store() as store, _files.target(out) as file:
        store.read_now(lambda connection: file.writelines(line.encode() for line in forms[form](every(connection))))


@app.command()
def checkpoint(as_json: AsJson = False) -> None:
    """Verify all records and sign a checkpoint.

    Keep what it prints where loaner's host cannot write.

    \b
    Examples:
      loaner audit checkpoint > kept.note
    """
    import anyio

    from loaner.audit.signing import signer_of
    from loaner.cli import _verifying
    from loaner.cli._open import opened_store
    from loaner.settings import load

    settings = load()
    with opened_store(settings) as store:
        signer = signer_of(settings)
        _verifying.store_verdict(store, signer.verifier).must_be_ok()
    signed = anyio.run(_signed, settings, signer)
    if as_json:
        root = base64.b64encode(signed.root).decode()
        print(json.dumps({"size": signed.size, "root": root, "note": signed.note, "vkey": str(signer.verifier)}))
        return
    print(signed.note, end="")
    say(
        f"Keep it elsewhere, and check it with:\n  loaner audit verify --checkpoint FILE --vkey {signer.verifier}",
        file=sys.stderr,
    )


async def _signed(settings: Settings, signer: Signer) -> Signed:
    from loaner.audit import Audit
    from loaner.clock import utc_now
    from loaner.store import open_store
    from loaner.store.looking import NoKey

    async with open_store(settings.store_url, NoKey()) as store:
        return await Audit(store, utc_now).checkpoint(signer)


@app.command()
def prove(
    seq: Annotated[int, typer.Argument(min=1, help="The record's number.")],
    out: Annotated[Path | None, typer.Option(help="A file; standard output when not given.")] = None,
) -> None:
    """Prove that one record is under a checkpoint.

    The proof holds that record and no other.

    \b
    Examples:
      loaner audit prove 12 --out 12.proof
      loaner audit verify 12.proof --vkey KEY
    """
    from loaner.audit.proof import prove as proof_of
    from loaner.cli._open import opened_store

    with opened_store() as store:
        proof = store.read_now(partial(proof_of, seq=seq))
    with _files.target(out) as file:
        file.write(proof.encode())


def _print(records: list[Record], *, as_json: bool) -> None:
    if as_json:
        for record in records:
            sys.stdout.write(record.line())
        sys.stdout.flush()
        return
    from rich.console import Console

    from loaner.cli import _told

    console = Console(highlight=False, markup=False, emoji=False)
    for record in records:
        console.print(_told.line(record), soft_wrap=True)
