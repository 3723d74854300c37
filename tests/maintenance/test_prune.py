"""``loaner prune``: what is over goes, what counts stays, and the records that remain verify."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import delete, func, select, update

from audit.audit_parts import filled
from cli.terminal import Terminal
from databases import with_store
from loaner.errors import Exit
from loaner.store.tables import checkpoints, consents, facts, loans, records, tiles
from maintenance.operator_parts import writable

OLD = datetime(2026, 11, 22, 12, tzinfo=UTC)
"""As ``filled`` has it: some days ago."""
DAYS = ("--records-days", "1")


@pytest.fixture
def home(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with 600 old records: two whole tiles, and a part of one."""
    monkeypatch.setenv("LOANER_HOME", str(with_store(terminal.home)))
    with writable() as store:
        anyio.run(filled, store, 600)
    return terminal.home


def loan(loan_id: str, state: str, *, call_id: str = "", at: datetime = OLD) -> dict[str, Any]:
    return {
        "id": loan_id, "call_id": call_id, "subject": "local alice", "agent": "a", "environment": "development",
        "provider": "github", "connector": "github", "grant_id": "g", "style": "down_scoped", "state": state,
        "owner": "? 0 0", "permissions": [], "resource": "r", "intent_at": at, "latest_expiry": at,
        "returned_at": None if state in {"intent", "lent", "returning"} else at, "attempts": 0, "record": {},
    }  # fmt: skip


def count(table: Any) -> int:
    with writable() as store, store.engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def put(table: Any, *rows: dict[str, Any]) -> None:
    with writable() as store, store.engine.begin() as connection:
        connection.execute(table.insert(), list(rows))


def test_it_only_says_what_would_go_until_it_is_told_to(terminal: Terminal, home: Path) -> None:
    out = home.parent / "out.jsonl"
    put(loans, loan("closed", "returned"))
    said = terminal.type("prune", *DAYS, "--closed-days", "1", "--export", str(out), "--json").rows[0]
    assert (said["done"], said["records"], said["records_through"], said["loans"]) == (False, 512, 512, 1)
    assert (count(records), count(loans), out.exists()) == (600, 1, False)
    assert "add --yes" in terminal.type("prune", *DAYS).out


def test_what_remains_verifies_and_so_does_what_went(terminal: Terminal, home: Path) -> None:
    out = home.parent / "out.jsonl"
    done = terminal.type("prune", *DAYS, "--export", str(out), "--yes", "--json")
    assert done.code == 0, done.err
    assert (done.rows[0]["records"], stat.S_IMODE(out.stat().st_mode)) == (512, 0o600)
    assert count(records) == 600 - 512 + 1, "and the record that says so"
    verdict = terminal.type("audit", "verify", "--json").rows[0]
    assert (verdict["ok"], verdict["records"], verdict["pruned"], verdict["checkpoint"]) == (True, 601, 512, 600)
    assert "records 1 to 512 were pruned" in terminal.type("audit", "verify").out
    assert terminal.type("audit", "verify", str(out)).code == 0
    [last] = terminal.type("audit", "tail", "-n", "1", "--json").rows
    assert last["body"]["kind"] == "prune"
    assert done.rows[0]["sha256"] in last["body"]["reason"]


def test_the_log_goes_on_and_is_pruned_again_and_the_exports_are_the_whole_of_it(
    terminal: Terminal, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = home.parent / "checkpoint"
    for number in (1, 2):
        monkeypatch.setattr("loaner.clock.utc_now", lambda days=number: datetime.now(UTC) + timedelta(days=5 * days))
        assert terminal.type("prune", *DAYS, "--export", f"{home.parent}/{number}.jsonl", "--yes").code == 0
        with writable() as store:
            anyio.run(filled, store, 300)
        kept.write_text(terminal.type("audit", "checkpoint").out)
        assert terminal.type("audit", "verify", "--checkpoint", str(kept)).code == 0
        seq = 590 + 300 * number
        proof = home.parent / "proof"
        assert terminal.type("audit", "prove", str(seq), "--out", str(proof)).code == 0
        assert terminal.type("audit", "verify", str(proof)).code == 0
    rest = home.parent / "rest.jsonl"
    assert terminal.type("audit", "export", "--out", str(rest)).code == 0
    whole = home.parent / "whole.jsonl"
    whole.write_text("".join((home.parent / name).read_text() for name in ("1.jsonl", "2.jsonl", "rest.jsonl")))
    said = terminal.type("audit", "verify", str(whole), "--checkpoint", str(kept), "--json").rows[0]
    assert (said["ok"], said["records"]) == (True, 1202)
    alone = terminal.type("audit", "verify", str(rest))
    assert (alone.code, "put the exports before it in front of it" in alone.out) == (Exit.AUDIT_BROKEN, True)


def test_a_checkpoint_over_what_was_pruned_is_not_taken_for_held(terminal: Terminal, home: Path) -> None:
    kept, out = home.parent / "checkpoint", home.parent / "out.jsonl"
    with writable() as store, store.engine.begin() as connection:
        connection.execute(delete(records).where(records.c.seq > 300))
    kept.write_text(terminal.type("audit", "checkpoint").out)
    with writable() as store:
        anyio.run(filled, store, 300)
    assert terminal.type("prune", *DAYS, "--export", str(out), "--yes").code == 0
    refused = terminal.type("audit", "verify", "--checkpoint", str(kept))
    assert (refused.code, "512 were pruned" in refused.err) == (Exit.USAGE, True)
    assert terminal.type("audit", "verify", str(out), "--checkpoint", str(kept)).code == 0


def test_records_go_only_behind_an_export_that_is_new_and_whole(terminal: Terminal, home: Path) -> None:
    out = home.parent / "out.jsonl"
    refused = terminal.type("prune", *DAYS, "--yes")
    assert (refused.code, "--export FILE" in refused.err) == (Exit.USAGE, True)
    out.write_text("an earlier one")
    refused = terminal.type("prune", *DAYS, "--export", str(out), "--yes")
    assert (refused.code, out.read_text()) == (Exit.USAGE, "an earlier one")
    with writable() as store, store.engine.begin() as connection:
        connection.execute(update(records).where(records.c.seq == 17).values(body="{}"))
    refused = terminal.type("prune", *DAYS, "--export", f"{out}.2", "--yes")
    assert refused.code == Exit.AUDIT_BROKEN
    assert count(records) == 600


TAMPERED = {
    "more records go": lambda c: c.execute(delete(records).where(records.c.seq < 560)),
    "another record follows": lambda c: c.execute(
        update(records).where(records.c.seq == 513).values(prev_hash="0" * 64)
    ),
    "a tile is another": lambda c: c.execute(update(tiles).where(tiles.c.number == 0).values(root="0" * 64)),
    "a tile is gone": lambda c: c.execute(delete(tiles).where(tiles.c.number == 1)),
    "the statement is gone": lambda c: c.execute(delete(facts).where(facts.c.name == "pruned")),
    "the statement says less": lambda c: c.execute(
        update(facts).values(value=func.replace(facts.c.value, "512", "256"))
    ),
    "the checkpoint is another's": lambda c: c.execute(
        update(checkpoints).values(note=func.replace(checkpoints.c.note, "600", "601"))
    ),
}


@pytest.mark.parametrize("spoil", TAMPERED.values(), ids=TAMPERED)
def test_nobody_prunes_more_unnoticed(terminal: Terminal, home: Path, spoil: Any) -> None:
    assert terminal.type("prune", *DAYS, "--export", f"{home.parent}/out.jsonl", "--yes").code == 0
    with writable() as store, store.engine.begin() as connection:
        spoil(connection)
    said = terminal.type("audit", "verify")
    assert said.code == Exit.AUDIT_BROKEN


def test_a_statement_of_somebody_else_stands_for_nothing(terminal: Terminal, home: Path) -> None:
    """Whoever can write to the store, and holds another key, drops a tile more and says so in good form."""
    from loaner.audit import pruned, tree
    from loaner.audit.note import Signer
    from loaner.audit.pruned import Floor
    from loaner.audit.read import show

    name = json.loads(terminal.type("audit", "checkpoint", "--json").out)["vkey"].partition("+")[0]
    with writable() as store, store.engine.begin() as connection:
        last = show(connection, 256)
        assert last
        signer = Signer(name, bytes(32))
        floor = Floor(256, last.hash, tree.stored(connection).root(256), "0" * 64)
        pruned.declare(connection, floor.signed(signer))
        connection.execute(delete(records).where(records.c.seq <= 256))
    said = terminal.type("audit", "verify")
    assert (said.code, "the statement about the pruned records" in said.out) == (Exit.AUDIT_BROKEN, True)


def test_what_is_young_stays(terminal: Terminal, home: Path) -> None:
    said = terminal.type("prune", "--records-days", "3650", "--closed-days", "3650", "--json").rows[0]
    assert (said["records"], said["loans"], said["consents"]) == (0, 0, 0)


def test_the_record_of_a_call_whose_loan_is_open_stays(terminal: Terminal, home: Path) -> None:
    with writable() as store, store.engine.connect() as connection:
        call_id = connection.execute(select(records.c.id).where(records.c.seq == 300)).scalar_one()
    put(loans, loan("open", "returning", call_id=call_id))
    said = terminal.type("prune", *DAYS, "--json").rows[0]
    assert said["records_through"] == 256


def test_only_loans_that_are_over_go(terminal: Terminal, home: Path) -> None:
    now = datetime.now(UTC)
    put(
        loans,
        *(loan(state, state) for state in ("intent", "lent", "returning", "returned", "expired", "failed")),
        loan("young", "returned", at=now),
        loan("perhaps alive", "failed", at=OLD) | {"latest_expiry": now + timedelta(days=1)},
    )
    assert terminal.type("prune", "--closed-days", "1", "--yes").code == 0
    with writable() as store, store.engine.connect() as connection:
        left = set(connection.execute(select(loans.c.id)).scalars())
    assert left == {"intent", "lent", "returning", "young", "perhaps alive"}


def test_only_requests_that_were_answered_go(terminal: Terminal, home: Path) -> None:
    same = {
        "code_shown": b"", "need": "n", "caller": "c", "subject": "s", "agent": {}, "environment": "e", "origin": "o",
        "tool": "t", "provider": "p", "connector": "c", "wants_grant": False, "wants_approval": True, "digest": "d",
        "shown": {}, "policy_version": "p", "told": False, "created_at": OLD, "expires_at": OLD,
    }  # fmt: skip
    states = ("pending", "linking", "approved", "denied", "expired", "failed")
    put(consents, *(same | {"handle": state, "code_hash": state, "state": state} for state in states))
    said = terminal.type("prune", "--closed-days", "1", "--yes", "--json").rows[0]
    assert said["consents"] == 4
    with writable() as store, store.engine.connect() as connection:
        assert set(connection.execute(select(consents.c.handle)).scalars()) == {"pending", "linking"}


def test_the_days_come_from_the_settings_too(terminal: Terminal, home: Path) -> None:
    refused = terminal.type("prune")
    assert (refused.code, "retention.closed_days" in refused.err) == (Exit.USAGE, True)
    put(loans, loan("closed", "returned"))
    said = terminal.type("prune", "--json", LOANER_RETENTION__CLOSED_DAYS="1").rows[0]
    assert said["loans"] == 1


def test_an_interrupted_run_goes_on(terminal: Terminal, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from loaner.maintenance import prune

    async def nothing(*_: Any) -> int:
        return 0

    with monkeypatch.context() as patch:
        patch.setattr(prune, "_deleted", nothing)
        assert terminal.type("prune", *DAYS, "--export", f"{home.parent}/out.jsonl", "--yes").code == 0
    assert count(records) == 601, "declared, and not deleted yet"
    assert terminal.type("audit", "verify").code == 0
    assert terminal.type("prune", "--closed-days", "1", "--yes").code == 0
    assert count(records) == 89
    assert terminal.type("audit", "verify").code == 0


def test_evidence_over_what_was_pruned_is_one_error_and_the_rest_is_the_same(terminal: Terminal, home: Path) -> None:
    old, new, note = home.parent / "old.jsonl", home.parent / "new.jsonl", home.parent / "note"
    assert terminal.type("prune", *DAYS, "--export", str(old), "--yes").code == 0
    note.write_text(terminal.type("audit", "checkpoint", "--json").rows[0]["note"])
    reaching = terminal.type("evidence", "--from", "2026-11-22", "--to", "2099-01-01", "--json")
    assert (reaching.code, reaching.out) == (2, "")
    assert reaching.error["message"].startswith("records 1 to 512 are not here any more (pruned)")
    assert terminal.type("usage", "--from", "2026-11-22").code == 2
    later, out = ("--from", "2026-11-23", "--to", "2099-01-01"), home.parent / "report"
    assert terminal.type("evidence", *later, "--out", str(out)).code == 0
    report = out.read_bytes()
    assert b"#601" in report
    terminal.type("audit", "export", "--out", str(new))
    old.write_bytes(old.read_bytes() + new.read_bytes())
    again = terminal.type("evidence", *later, "--export", str(old), "--checkpoint", str(note), "--out", str(out))
    assert again.code == 0, again.err
    assert out.read_bytes() == report
