"""``loaner audit`` as a person and a script meet it."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from audit_parts import ALICE, Call, Clock, body
from sqlalchemy import Connection, delete, update

from databases import with_store
from loaner.audit import Audit, append
from loaner.audit.chain import canonical
from loaner.audit.record import FIELDS
from loaner.cli._app import run
from loaner.cli._open import opened_store
from loaner.errors import Exit
from loaner.scope import Limit, Scope
from loaner.settings import load
from loaner.store import LocalKey, open_store
from loaner.store import engine as engines
from loaner.store.tables import records


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: Clock) -> Iterator[Path]:
    """A home with three records in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOANER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    with_store(tmp_path / "home")

    async def fill() -> None:
        async with open_store(load().store_url, LocalKey(bytes(32))) as store:
            for letter, agent in zip("abc", ("claude-code", "\x1b[31mred", "=cmd()"), strict=True):
                async with Audit(store, now).opened(Call(id=letter * 32), ALICE) as draft:
                    draft.agent = agent
                    draft.effect = "write"
                    limits = (Limit("resource", "acme/web", "provider"),)
                    draft.needed(Scope("github", frozenset({"issues:write"}), "repository:acme/web", limits=limits))

    anyio.run(fill)
    return tmp_path / "home"


class Said:
    """What one command line printed, and its exit code."""

    def __init__(self, capfd: pytest.CaptureFixture[str], *arguments: str) -> None:
        self.code = run(["audit", *arguments])
        self.out, self.err = capfd.readouterr()


@pytest.fixture
def loaner(home: Path, capfd: pytest.CaptureFixture[str]):
    return lambda *arguments: Said(capfd, *arguments)


@contextlib.contextmanager
def written() -> Iterator[Connection]:
    engine = engines.create(load().store_url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def spoil(seq: int, **values: object) -> None:
    """What someone with the file in their hands could do."""
    with written() as connection:
        if values:
            connection.execute(update(records).where(records.c.seq == seq).values(**values))
        else:
            connection.execute(delete(records).where(records.c.seq >= seq))


def test_the_tail_is_one_line_a_record_and_acts_on_no_terminal(loaner):
    said = loaner("tail")
    assert said.code == 0
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines] == ["#1", "#2", "#3"]
    assert "issues:write on acme/web" in lines[0]
    assert "alice via claude-code (reported)" in lines[0]
    assert "\x1b[31mred" not in said.out
    assert "U+001B[31mred" in said.out


def test_the_tail_for_scripts_is_the_export(loaner):
    assert loaner("tail", "-n", "2", "--json").out == "".join(loaner("export").out.splitlines(keepends=True)[1:])


@pytest.mark.parametrize("which", ["2", "#2", "b" * 32])
def test_one_record_is_shown_by_number_or_call(loaner, which: str):
    said = loaner("show", which)
    assert said.code == 0
    assert "record     #2" in said.out
    assert json.loads(loaner("show", which, "--json").out)["body"]["id"] == "b" * 32


def test_a_record_that_is_not_there_is_an_error_in_words(loaner):
    said = loaner("show", "9")
    assert said.code == Exit.USAGE
    assert "there is no record '9'" in said.err


def test_a_good_store_verifies(loaner):
    said = loaner("verify")
    assert (said.code, said.out[:30]) == (0, "✓ 3 records, chain intact   he")
    assert json.loads(loaner("verify", "--json").out)["ok"] is True


def test_a_broken_chain_exits_8_and_names_the_first_bad_record(loaner):
    spoil(2, body=canonical(body()))
    said = loaner("verify")
    assert said.code == Exit.AUDIT_BROKEN == 8
    assert "record 2" in said.out
    told = json.loads(loaner("verify", "--json").out)
    assert (told["ok"], told["first_bad"], told["records"]) == (False, 2, 1)


def test_the_exit_code_reaches_the_shell(home: Path):
    spoil(1, hash="f" * 64)
    done = subprocess.run(
        [sys.executable, "-m", "loaner", "audit", "verify"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 8
    assert done.stdout.startswith("✗ record 1")
    assert done.stderr == ""


def test_an_export_verifies_where_there_is_no_loaner(loaner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "out.jsonl"
    assert loaner("export", "--out", str(out)).code == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    monkeypatch.setenv("LOANER_HOME", str(tmp_path / "elsewhere"))
    assert loaner("verify", str(out)).code == 0
    out.write_bytes(out.read_bytes().replace(b"acme/web", b"acme/wet", 1))
    said = loaner("verify", str(out))
    assert (said.code, "record 1" in said.out) == (8, True)


def test_a_store_that_is_not_there_is_not_called_good(loaner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOANER_HOME", str(tmp_path / "elsewhere"))
    said = loaner("verify")
    assert said.code == Exit.USAGE
    assert "there is no store" in said.err
    assert not (tmp_path / "elsewhere" / "loaner.db").exists()


def test_a_checkpoint_held_elsewhere_shows_a_truncation(loaner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    signed = loaner("checkpoint")
    assert signed.code == 0
    kept = tmp_path / "kept.txt"
    kept.write_text(signed.out)
    vkey = signed.err.split("--vkey ")[1].strip()
    assert loaner("verify", "--checkpoint", str(kept)).code == 0
    assert json.loads(loaner("verify", "--checkpoint", str(kept), "--json").out)["checkpoint"] == 3

    spoil(3)
    for arguments in ((), ("--checkpoint", str(kept)), ("--checkpoint", str(kept), "--vkey", vkey)):
        said = loaner("verify", *arguments)
        assert (said.code, "the records end at 2" in said.out) == (8, True)
    assert loaner("checkpoint").code == 8

    out = tmp_path / "cut.jsonl"
    loaner("export", "--out", str(out))
    monkeypatch.setenv("LOANER_HOME", str(tmp_path / "elsewhere"))
    assert loaner("verify", str(out)).code == 0
    assert loaner("verify", str(out), "--checkpoint", str(kept)).code == Exit.USAGE  # whose?
    assert loaner("verify", str(out), "--checkpoint", str(kept), "--vkey", vkey).code == 8


def test_a_checkpoint_is_not_signed_over_altered_records(loaner):
    spoil(2, subject="local bob")
    said = loaner("checkpoint")
    assert (said.code, said.out) == (8, "")
    assert "Nothing was signed" in said.err


def test_the_signing_key_is_private(loaner, home: Path):
    loaner("checkpoint")
    key = home / "checkpoint.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [path.name for path in home.glob(".checkpoint*")] == []
    key.chmod(0o644)
    assert loaner("checkpoint").code == Exit.SETTINGS
    assert "chmod 600" in loaner("checkpoint").err


def test_a_proof_is_checked_with_the_public_key_alone(loaner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert loaner("prove", "2").code == Exit.USAGE
    vkey = json.loads(loaner("checkpoint", "--json").out)["vkey"]
    out = tmp_path / "two.tlog-proof"
    assert loaner("prove", "2", "--out", str(out)).code == 0
    monkeypatch.setenv("LOANER_HOME", str(tmp_path / "elsewhere"))
    said = loaner("verify", str(out), "--vkey", vkey)
    assert (said.code, said.out[:27]) == (0, "✓ record 2 is among the 3 o")
    out.write_text(out.read_text().replace("index 1", "index 0"))
    assert loaner("verify", str(out), "--vkey", vkey).code == 8


def test_a_spreadsheet_runs_nothing_of_a_record(loaner):
    rows = list(csv.DictReader(io.StringIO(loaner("export", "--format", "csv").out, newline="")))
    assert [row["agent"] for row in rows] == ["claude-code", "U+001B[31mred", "'=cmd()"]
    assert set(rows[0]) == {"seq", "at", "more", "hash", *FIELDS}
    assert rows[0]["limits"] == "resource:acme/web:by-provider"
    assert (rows[0]["needed_permissions"], rows[0]["agent_verified"], rows[0]["more"]) == ("issues:write", "no", "")


def test_an_ocsf_event_has_what_its_class_requires(loaner):
    first, *_ = [json.loads(line) for line in loaner("export", "--format", "ocsf").out.splitlines()]
    assert (first["class_uid"], first["category_uid"], first["type_uid"]) == (6003, 6, 600399)
    assert (first["activity_name"], first["status"], first["severity_id"]) == ("Write", "Success", 1)
    assert first["time"] == 1795348800123
    assert first["actor"]["user"]["uid"] == "alice"
    assert first["api"]["operation"] == "github_create_issue"
    assert first["src_endpoint"]["name"] == "this computer"
    assert first["resources"] == [{"name": "acme/web", "type": "repository"}]
    assert first["unmapped"]["needed_permissions"] == ["issues:write"]
    assert first["metadata"]["sequence"] == 1


def test_a_record_of_another_kind_is_exported_too(loaner, now: Clock):
    async def add() -> None:
        async with open_store(load().store_url, LocalKey(bytes(32))) as store:
            said = body(kind="return", of="a" * 32, detail="x")
            await store.write(lambda connection: append(connection, said, now()))

    anyio.run(add)
    for arguments in (
        ["export", "--format", "csv"],
        ["export", "--format", "ocsf"],
        ["tail"],
        ["show", "4"],
        ["verify"],
    ):
        assert loaner(*arguments).code == 0
    assert '""detail"":""x""' in loaner("export", "--format", "csv").out


def test_a_reader_of_an_export_may_leave_early(home: Path):
    with written() as connection:
        for _ in range(300):
            append(connection, body(reason="x" * 250), Clock()())
    with subprocess.Popen(
        [sys.executable, "-m", "loaner", "audit", "export"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_an_export_to_nowhere_is_an_error_in_words(loaner, tmp_path: Path):
    said = loaner("export", "--out", str(tmp_path / "missing" / "out"))
    assert (said.code, "cannot be written" in said.err) == (Exit.USAGE, True)


def test_an_unknown_format_is_refused(loaner):
    said = loaner("export", "--format", "xml")
    assert (said.code, "jsonl, csv, ocsf" in said.err) == (Exit.USAGE, True)


def test_no_verb_of_the_audit_holds_the_key_to_what_is_sealed(home: Path):
    with opened_store() as store:
        from loaner.secret import Secret
        from loaner.store import Unsealable

        with pytest.raises(Unsealable):
            store.sealed.seal(Secret("x"), "row")
