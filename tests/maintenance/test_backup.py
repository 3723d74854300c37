"""``loaner backup``: one consistent file, checked, for its owner alone."""

from __future__ import annotations

import io
import json
import sqlite3
import stat
import tarfile
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from sqlalchemy import update

from audit.audit_parts import filled
from cli.terminal import Terminal
from databases import Server, with_store
from loaner.errors import Exit
from loaner.keys import FileKey
from loaner.store.tables import records
from maintenance.operator_parts import writable


@pytest.fixture
def kept(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a key and three records; the path for its backup."""
    monkeypatch.setenv("LOANER_HOME", str(with_store(terminal.home)))
    FileKey(terminal.home / "key")
    with writable() as store:
        anyio.run(filled, store, 3)
    return terminal.home.parent / "kept.backup"


def store_of(backup: Path, target: Path) -> Path:
    with tarfile.open(backup) as tar:
        found = tar.extractfile("loaner.db")
        assert found
        target.write_bytes(found.read())
    return target


def test_a_backup_of_a_store_that_is_written_to_is_whole(terminal: Terminal, kept: Path, tmp_path: Path) -> None:
    with writable() as store:  # as a server has it: what is new stands in the log beside the file
        anyio.run(filled, store, 4)
        done = terminal.type("backup", str(kept), "--json")
        anyio.run(filled, store, 1)
    assert done.code == 0, done.err
    assert (done.rows[0]["records"], done.rows[0]["with_key"]) == (7, False)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    with closing(sqlite3.connect(store_of(kept, tmp_path / "it.db"))) as copy:
        assert copy.execute("select count(*) from records").fetchone() == (7,)
    assert [path.name for path in kept.parent.iterdir() if path.name.startswith(".loaner-backup")] == []


def test_the_key_is_in_it_only_where_it_was_asked_for(terminal: Terminal, kept: Path) -> None:
    key = (terminal.home / "key").read_bytes()
    done = terminal.type("backup", str(kept))
    assert str(terminal.home / "key") in done.out, "where the key is, that a restore needs"
    assert key not in kept.read_bytes()
    done = terminal.type("backup", str(kept), "--force", "--with-key")
    assert "holds the sealing key" in done.err
    assert key in kept.read_bytes()


def test_a_key_that_is_kept_elsewhere_is_not_put_into_it(terminal: Terminal, kept: Path) -> None:
    done = terminal.type("backup", str(kept), "--with-key", LOANER_KEY="env:SEALING", SEALING="ab" * 32)
    assert (done.code, "env:SEALING" in done.err, kept.exists()) == (Exit.USAGE, True, False)


def test_a_file_that_exists_is_replaced_only_by_force(terminal: Terminal, kept: Path) -> None:
    kept.write_text("something else")
    refused = terminal.type("backup", str(kept))
    assert (refused.code, "--force" in refused.err, kept.read_text()) == (Exit.USAGE, True, "something else")
    assert terminal.type("backup", str(kept), "--force").code == 0
    assert tarfile.is_tarfile(kept)


def test_records_that_do_not_verify_are_not_backed_up_as_if_they_did(terminal: Terminal, kept: Path) -> None:
    with writable() as store, store.engine.begin() as connection:
        connection.execute(update(records).where(records.c.seq == 2).values(body="{}"))
    refused = terminal.type("backup", str(kept))
    assert (refused.code, "record 2" in refused.err, kept.exists()) == (Exit.AUDIT_BROKEN, True, False)


def test_a_damaged_store_is_not_backed_up_as_if_it_were_whole(terminal: Terminal, kept: Path) -> None:
    file = terminal.home / "loaner.db"
    whole = bytearray(file.read_bytes())
    size = int.from_bytes(whole[16:18], "big")
    for page in range(3, len(whole) // size):
        whole[page * size : page * size + 64] = b"\xff" * 64
    file.write_bytes(whole)
    refused = terminal.type("backup", str(kept), "--json")
    assert (refused.error["code"], kept.exists()) == ("store_unusable", False)


def test_a_home_without_a_store_makes_no_backup(terminal: Terminal) -> None:
    done = terminal.type("backup", str(terminal.home.parent / "kept.backup"))
    assert (done.code, "there is no store" in done.err) == (Exit.USAGE, True)
    assert not (terminal.home / "loaner.db").exists()


def test_of_a_database_server_it_is_said_what_to_do(terminal: Terminal, kept: Path, postgresql: Server) -> None:
    done = terminal.type("backup", str(kept), LOANER_STORE=postgresql.url("postgres"))
    assert (done.code, "pg_dump" in done.err, "restore --in-place" in done.err) == (Exit.USAGE, True, True)


def forged(kept: Path, **said: object) -> None:
    """The same backup with something else in its manifest."""
    with tarfile.open(kept) as tar:
        parts = {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]
    parts["manifest.json"] = json.dumps(json.loads(parts["manifest.json"]) | said).encode()
    with tarfile.open(kept, "w") as tar:
        for name, content in parts.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def damaged(kept: Path) -> None:
    whole = bytearray(kept.read_bytes())
    at = whole.rindex(b"alice")
    whole[at : at + 5] = b"mallo"
    kept.write_bytes(whole)


def cut(kept: Path) -> None:
    kept.write_bytes(kept.read_bytes()[:-40_000])


REFUSED = {
    "no archive": (lambda kept: kept.write_text("not a backup"), "not a backup"),
    "another archive": (lambda kept: tarfile.open(kept, "w").close(), "not a backup"),
    "changed": (damaged, "is damaged"),
    "cut off": (cut, "not a backup"),
    "of a newer loaner": (lambda kept: forged(kept, revision="9999"), "newer loaner"),
    "of a newer format": (lambda kept: forged(kept, v=2), "newer loaner"),
    "of somebody else": (lambda kept: forged(kept, records=2), "another sealing key"),
    "not there": (lambda kept: kept.unlink(), "cannot be read"),
}


@pytest.mark.parametrize(("spoil", "told"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_good_backup_is_refused_and_nothing_is_changed(
    terminal: Terminal, kept: Path, spoil, told: str
) -> None:
    assert terminal.type("backup", str(kept)).code == 0
    before = (terminal.home / "loaner.db").read_bytes()
    spoil(kept)
    refused = terminal.type("restore", str(kept), "--yes")
    assert refused.code == Exit.USAGE
    assert told in refused.err
    assert (terminal.home / "loaner.db").read_bytes() == before
    assert {file.name for file in terminal.home.glob("loaner.db*")} <= {"loaner.db", "loaner.db.in-use"}


def test_a_backup_under_another_key_is_refused_with_the_key_that_it_needs(terminal: Terminal, kept: Path) -> None:
    made = terminal.type("backup", str(kept), "--json").rows[0]
    (terminal.home / "key").write_bytes(bytes(32))
    refused = terminal.type("restore", str(kept), "--yes")
    assert (refused.code, made["key"] in refused.err) == (Exit.USAGE, True)


def test_on_a_new_machine_the_key_is_asked_for_and_none_is_made(terminal: Terminal, kept: Path) -> None:
    assert terminal.type("backup", str(kept)).code == 0
    for file in terminal.home.iterdir():
        file.unlink()
    refused = terminal.type("restore", str(kept), "--yes")
    assert (refused.code, "the sealing key is not at" in refused.err) == (Exit.USAGE, True)
    assert not (terminal.home / "key").exists()


def test_a_backup_with_its_key_is_all_that_a_new_machine_needs(terminal: Terminal, kept: Path) -> None:
    assert terminal.type("audit", "checkpoint").code == 0
    assert terminal.type("backup", str(kept), "--with-key").code == 0
    before = terminal.type("keys", "show").out
    for file in terminal.home.iterdir():
        file.unlink()
    assert terminal.type("restore", str(kept), "--yes").code == 0
    assert terminal.type("keys", "show").out == before
    assert "signed up to 3" in terminal.type("audit", "verify").out
    assert {stat.S_IMODE(file.stat().st_mode) for file in terminal.home.glob("*key*")} == {0o600}
