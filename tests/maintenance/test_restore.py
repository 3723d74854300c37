"""``loaner restore``: what it refuses, what it leaves in the records, and what a kill in the middle leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from sqlalchemy import Connection, func, select

from audit.audit_parts import filled
from cli.terminal import Terminal
from databases import with_store
from loaner.audit import event
from loaner.blocks import blocks
from loaner.errors import Exit
from loaner.keys import FileKey
from loaner.store.restored import restored_at
from loaner.store.tables import approvals, passkeys, web_sessions
from maintenance.operator_parts import writable

LONG_AGO, LATER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)


def approve(connection: Connection) -> None:
    """An approval that counts, whatever the clock says, and its record."""
    connection.execute(
        approvals.insert().values(
            id="a", subject="s", agent="a", environment="e", connector="c", operations=[], resources=[], uses_left=1,
            policy_version="p", proven_by="none", phrase="x", created_at=LONG_AGO, expires_at=LATER,
        )
    )  # fmt: skip
    event.note(connection, "approval_given", subject="i s", at=datetime.now(UTC), approval_id="a")


@pytest.fixture
def kept(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a key, three records, an approval and a session; its backup."""
    monkeypatch.setenv("LOANER_HOME", str(with_store(terminal.home)))
    FileKey(terminal.home / "key")
    with writable() as store:
        anyio.run(filled, store, 2)
        with store.engine.begin() as connection:
            approve(connection)
            connection.execute(
                web_sessions.insert().values(id_hash="h", wrong_codes=0, created_at=LONG_AGO, expires_at=LATER)
            )
            connection.execute(
                passkeys.insert().values(
                    id="removed since", subject="s", public_key=b"k", tag="t", sign_count=0, created_at=LONG_AGO
                )
            )
    file = terminal.home.parent / "kept.backup"
    assert terminal.type("backup", str(file)).code == 0
    return file


@contextmanager
def store_held(home: Path) -> Iterator[None]:
    """Another process has the store open, and has told nobody that it serves."""
    code = (
        "import sys; from loaner.store import engine; x = engine.create(sys.argv[1]); print('open', flush=1); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, f"sqlite:///{home}/loaner.db"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stdout.readline() == "open\n"
        try:
            yield
        finally:
            process.kill()


def facts_of_the_store() -> tuple[int, int, list[str], bool]:
    """Approvals that count, sessions, what is blocked, and whether it knows that it was restored."""
    with writable() as store, store.engine.connect() as connection:
        alive = select(func.count()).select_from(approvals).where(approvals.c.ended_at.is_(None))
        sessions = select(func.count()).select_from(web_sessions)
        return (
            connection.execute(alive).scalar_one(),
            connection.execute(sessions).scalar_one(),
            [block.kind for block in blocks.listed(connection)],
            restored_at(connection) is not None,
        )


AS_BACKED_UP = (1, 1, [], False)
RESTORED = (0, 0, ["all"], True)


def test_nothing_that_lets_a_call_through_survives(terminal: Terminal, kept: Path) -> None:
    assert facts_of_the_store() == AS_BACKED_UP
    done = terminal.type("restore", str(kept), "--yes")
    assert done.code == 0, done.err
    assert "loaner resume --all-tokens" in done.out
    assert facts_of_the_store() == RESTORED


def test_a_store_that_another_process_has_open_is_not_replaced(terminal: Terminal, kept: Path) -> None:
    with store_held(terminal.home):
        refused = terminal.type("restore", str(kept), "--yes")
        assert (refused.code, "the store is in use" in refused.err) == (Exit.USAGE, True)
    assert facts_of_the_store() == AS_BACKED_UP
    assert terminal.type("restore", str(kept), "--yes").code == 0, "a process that was killed holds nothing"


def test_a_running_server_is_named(terminal: Terminal, kept: Path) -> None:
    (terminal.home / "servers").mkdir()
    running = f'{{"pid": {os.getpid()}, "base_url": "", "mcp_url": null, "sandbox": null}}'
    (terminal.home / "servers" / "1.json").write_text(running)
    refused = terminal.type("restore", str(kept), "--yes")
    assert (refused.code, "a server of this home is running" in refused.err) == (Exit.USAGE, True)


def test_nobody_is_asked_where_nobody_is(terminal: Terminal, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    refused = terminal.type("restore", str(kept))
    assert (refused.code, "--yes" in refused.err) == (Exit.USAGE, True)


def test_the_replaced_store_is_kept_aside(terminal: Terminal, kept: Path) -> None:
    with writable() as store:
        anyio.run(filled, store, 2)
    told = terminal.type("restore", str(kept), "--yes", "--json").rows[0]
    aside = Path(told["replaced"])
    assert aside.parent == terminal.home
    said = terminal.type("audit", "verify", LOANER_STORE=f"sqlite:///{aside}")
    assert said.out.startswith("✓ 5 records")
    assert terminal.type("restore", str(kept), "--yes", "--json").rows[0]["replaced"] != told["replaced"]


def test_a_passkey_that_was_removed_since_stays_removed(terminal: Terminal, kept: Path) -> None:
    with writable() as store, store.engine.begin() as connection:
        connection.execute(passkeys.delete())
    assert terminal.type("restore", str(kept), "--yes").code == 0
    with writable() as store, store.engine.connect() as connection:
        assert connection.execute(select(passkeys.c.id)).all() == []


def test_the_chain_goes_on_after_the_backup_and_says_so(terminal: Terminal, kept: Path) -> None:
    with writable() as store:
        anyio.run(filled, store, 2)
    assert terminal.type("restore", str(kept), "--yes").code == 0
    assert terminal.type("audit", "verify").out.startswith("✓ 4 records")
    body = terminal.type("audit", "tail", "-n", "1", "--json").rows[0]["body"]
    assert body["kind"] == "restore"
    assert "3 records" in body["reason"]
    assert "the replaced store had 5 records" in body["reason"]


def test_whoever_kept_a_newer_checkpoint_notices(terminal: Terminal, kept: Path) -> None:
    with writable() as store:
        anyio.run(filled, store, 2)
    newer = terminal.home.parent / "checkpoint"
    newer.write_text(terminal.type("audit", "checkpoint").out)
    assert terminal.type("audit", "verify", "--checkpoint", str(newer)).code == 0
    assert terminal.type("restore", str(kept), "--yes").code == 0
    said = terminal.type("audit", "verify", "--checkpoint", str(newer))
    assert (said.code, "restored from a backup" in said.out) == (Exit.AUDIT_BROKEN, True)
    with writable() as store:
        anyio.run(filled, store, 9)
    said = terminal.type("audit", "verify", "--checkpoint", str(newer))
    assert (said.code, "restored from a backup" in said.out) == (Exit.AUDIT_BROKEN, True), "grown past it, too"


def test_checkpoints_of_a_key_that_is_not_here_do_not_break_the_restored_records(
    terminal: Terminal, kept: Path
) -> None:
    assert terminal.type("audit", "checkpoint").code == 0
    assert terminal.type("backup", str(kept), "--force").code == 0
    (terminal.home / "checkpoint.key").unlink()
    assert terminal.type("restore", str(kept), "--yes").code == 0
    assert terminal.type("audit", "checkpoint").code == 0
    assert terminal.type("audit", "verify").code == 0


def test_a_damaged_store_is_replaced_and_what_it_knew_is_said_to_be_lost(terminal: Terminal, kept: Path) -> None:
    (terminal.home / "loaner.db").write_bytes(b"\xff" * 40_000)
    told = terminal.type("restore", str(kept), "--yes", "--json").rows[0]
    assert told["unread"] == ["blocks", "loans", "grants", "passkeys"]
    assert Path(told["replaced"]).read_bytes() == b"\xff" * 40_000
    assert facts_of_the_store() == RESTORED


def killed(home: Path, backup: Path, point: str, passes: int) -> None:
    code = (
        "import sys; from loaner import failpoints; from loaner.cli import main;"
        f"failpoints.arm({point!r}, passes={passes}); sys.argv[1:] = ['restore', {str(backup)!r}, '--yes']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize(
    ("point", "passes", "decided"),
    [
        ("restore.built", 0, False),
        ("restore.decided", 0, True),
        ("restore.moved", 0, True),
        ("restore.replaced", 0, True),
    ],
)
def test_a_restore_that_is_killed_leaves_the_old_store_or_one_that_nobody_opens(
    terminal: Terminal, kept: Path, point: str, passes: int, decided: bool
) -> None:
    killed(terminal.home, kept, point, passes)
    if not decided:
        assert facts_of_the_store() == AS_BACKED_UP
        assert terminal.type("restore", str(kept), "--yes").code == 0, "it begins anew"
    elif point != "restore.replaced":
        refused = terminal.type("status")
        assert (refused.code, "a restore of this store was interrupted" in refused.err) == (1, True)
        again = terminal.type("restore", str(kept), "--yes")
        assert (again.code, "Finish it first" in again.err) == (Exit.USAGE, True)
        assert terminal.type("restore").code == 0
    assert facts_of_the_store() == RESTORED
    assert len(list(terminal.home.glob("loaner.db.replaced-*"))) == 1
    assert {file.name for file in terminal.home.glob("loaner.db*") if "replaced" not in file.name} == {
        "loaner.db", "loaner.db.in-use",
    }  # fmt: skip
    assert terminal.type("audit", "verify").code == 0


def test_there_is_nothing_to_finish_where_nothing_was_interrupted(terminal: Terminal, kept: Path) -> None:
    refused = terminal.type("restore")
    assert (refused.code, "no restore was interrupted" in refused.err) == (Exit.USAGE, True)


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_a_store_that_something_else_restored_is_brought_to_the_same_state(
    where: str, terminal: Terminal, kept: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if where == "postgresql":
        server = request.getfixturevalue("postgresql")
        monkeypatch.setenv("LOANER_STORE", server.database(request.getfixturevalue("postgresql_template")))
        with writable() as store, store.engine.begin() as connection:
            approve(connection)
        refused = terminal.type("restore", str(kept), "--yes")
        assert (refused.code, "restore --in-place" in refused.err) == (Exit.USAGE, True)
    done = terminal.type("restore", "--in-place", "--yes", "--json")
    assert done.code == 0, done.err
    assert done.rows[0]["voided"]["approvals"] == 1
    assert facts_of_the_store() == RESTORED
    assert terminal.type("audit", "verify").code == 0
