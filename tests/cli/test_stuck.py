"""``loaner loans --older-than`` and ``loaner status`` end with a code of their own where something is stuck."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from cli.terminal import Terminal
from databases import with_store
from loaner.errors import Exit
from loaner.store.tables import grants, loans
from maintenance.operator_parts import writable

NOW = datetime.now(UTC)


def loan(minutes: int) -> dict[str, Any]:
    at = NOW - timedelta(minutes=minutes)
    return {
        "id": f"{minutes:032}", "call_id": "", "subject": "local alice", "agent": "a", "environment": "development",
        "provider": "github", "connector": "github", "grant_id": "g", "style": "down_scoped", "state": "lent",
        "owner": "? 0 0", "permissions": [], "resource": "r", "intent_at": at,
        "latest_expiry": NOW + timedelta(hours=8), "attempts": 0, "record": {},
    }  # fmt: skip


def grant(minutes: int, attempts: int) -> dict[str, Any]:
    return {
        "id": f"{minutes:032}", "subject": "local alice", "provider": "slack", "connector": "slack",
        "environment": "development", "permissions": [], "account_id": "1", "account_name": "alice",
        "state": "revoking", "version": 1, "created_at": NOW - timedelta(minutes=minutes), "attempts": attempts,
    }  # fmt: skip


@pytest.fixture
def home(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOANER_HOME", str(with_store(terminal.home)))
    return terminal.home


def put(table: Any, row: dict[str, Any]) -> None:
    with writable() as store, store.engine.begin() as connection:
        connection.execute(insert(table).values(row))


def test_a_loan_that_is_young_is_under_way(terminal: Terminal, home: Path) -> None:
    put(loans, loan(minutes=3))
    assert terminal.type("status").code == 0
    young = terminal.type("loans", "--older-than", "10m")
    assert (young.code, young.out) == (0, "nothing is older than 10m\n")
    assert terminal.type("loans", "--older-than", "90s").code == Exit.STUCK == 9
    assert terminal.type("loans").code == 0, "looking at what is open is no fault"


def test_a_loan_that_stays_open_is_stuck(terminal: Terminal, home: Path) -> None:
    put(loans, loan(minutes=3))
    put(loans, loan(minutes=30))
    listed = terminal.type("loans", "--older-than", "10m", "--json")
    assert (listed.code, [row["id"] for row in listed.rows]) == (9, [f"{30:032}"])
    assert terminal.type("loans", "--older-than", "1h").code == 0
    status = terminal.type("status")
    assert status.code == 9
    assert "stuck for more than ten minutes" in status.out
    [told] = terminal.type("status", "--json").rows
    assert [row["id"] for row in told["stuck"]] == [f"{30:032}"]


def test_a_grant_is_stuck_once_ending_it_has_failed(terminal: Terminal, home: Path) -> None:
    put(grants, grant(minutes=60, attempts=0))
    assert terminal.type("status").code == 0
    put(grants, grant(minutes=61, attempts=2))
    assert terminal.type("status").code == 9
    assert len(terminal.type("loans", "--older-than", "10m", "--json").rows) == 1


@pytest.mark.parametrize("written", ["10", "ten", "-5m", "5w", ""])
def test_a_time_is_written_one_way(terminal: Terminal, home: Path, written: str) -> None:
    refused = terminal.type("loans", f"--older-than={written}")
    assert refused.code == 2
    assert "is no time" in refused.err
