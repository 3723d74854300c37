"""Counting records: what is one loan, one call and one day."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from audit_parts import body

from loaner.audit import Record
from loaner.audit.chain import canonical
from loaner.audit.usage import Span, counted, last_used

AT = "2026-11-22T12:00:00.000Z"
OPEN = Span()


def record(**said: Any) -> Record:
    return Record(1, "0" * 64, "0" * 64, canonical(body(**{"at": AT, "agent": "a"} | said)))


def test_calls_that_share_a_loan_are_several_calls_and_one_loan() -> None:
    shared = [record(loan_id="one", outcome="ok", used=1), record(loan_id="one", outcome="ok", used=1, agent="b")]
    found = counted([*shared, record(loan_id="two", outcome="ok", used=2)], ("agent",), OPEN)
    assert (found.total.calls, found.total.loans, found.total.requests) == (3, 2, 4)
    assert {key: (row.calls, row.loans) for key, row in found.rows.items()} == {
        ("reported:a",): (2, 2),
        ("reported:b",): (1, 0),
    }


def test_a_loan_of_the_day_before_is_not_counted_again() -> None:
    before = record(loan_id="one", asked_at="2026-11-21T23:59:59.999Z", outcome="ok")
    after = record(loan_id="one", asked_at="2026-11-22T00:00:00.000Z", outcome="ok")
    whole = counted([before, after], ("day",), OPEN)
    assert {key: row.loans for key, row in whole.rows.items()} == {("2026-11-21",): 1, ("2026-11-22",): 0}
    second = Span(datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC))
    assert counted([before, after], ("day",), second).total.loans == 0


def test_only_calls_are_calls() -> None:
    others = [record(kind="return", loan_id="one", outcome="ok"), record(kind="approval_given", outcome="ok")]
    looked = record(kind="look_up", loan_id="two", outcome="ok", used=1)
    found = counted([*others, looked, record(outcome="new word")], ("agent",), OPEN).total
    assert (found.calls, found.unknown, found.ok, found.look_ups, found.loans) == (1, 1, 0, 1, 1)


def test_a_permission_is_used_where_something_was_lent_for_it() -> None:
    asked = record(connector="c", needed_permissions=["issues:write"], outcome="consent_needed")
    lent = record(connector="c", needed_permissions=["issues:read"], loan_id="one", outcome="ok")
    assert set(last_used([asked, lent])) == {("c", "issues:read")}
