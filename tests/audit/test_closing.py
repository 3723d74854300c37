"""One record per call, closed on every way out (MUSTs 42, 57 and 59)."""

from __future__ import annotations

import anyio
import pytest
from audit_parts import ALICE, Call, Clock, all_of, body
from structlog.testing import capture_logs

from loaner.audit import Audit, append
from loaner.errors import (
    ConsentDenied,
    ConsentExpired,
    ConsentNeeded,
    Invitation,
    LoanerError,
    NotFound,
    OutcomeUnknown,
    PolicyDenied,
    ProviderUnavailable,
    RecordUnwritable,
    UnknownTool,
)
from loaner.store import Store

INVITED = Invitation("h", "http://127.0.0.1/consent/h", "WDJB-MJHT", 600, "post one message")


async def only(store: Store) -> dict[str, object]:
    [record] = all_of(store)
    return record.body


async def test_a_call_that_ends_well_is_recorded(audit: Audit, store: Store):
    async with audit.opened(Call(), ALICE) as draft:
        draft.answered(type("Reply", (), {"status": 201})())
    said = await only(store)
    assert (said["outcome"], said["status"], said["sub"], said["agent"]) == ("ok", 201, "alice", "claude-code")
    assert said["agent_verified"] is False
    assert "code" not in said


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (UnknownTool("no"), "refused", "unknown_tool"),
        (PolicyDenied("no", rule="r"), "refused", "policy_denied"),
        (ConsentNeeded(INVITED, tool="t", need="n", fresh=True), "consent_needed", "consent_required"),
        (ConsentNeeded(INVITED, tool="t", need="n", fresh=False), "consent_needed", "consent_pending"),
        (ConsentExpired("late"), "consent_needed", "consent_expired"),
        (ConsentDenied("no"), "denied", "consent_denied"),
        (NotFound("gone"), "failed", "not_found"),
        (ProviderUnavailable("down"), "failed", "provider_unavailable"),
        (OutcomeUnknown("who knows"), "unknown", "outcome_unknown"),
    ],
)
async def test_a_failure_is_recorded_by_its_code_and_passes_on(
    audit: Audit, store: Store, error: LoanerError, outcome: str, code: str
):
    with pytest.raises(type(error)):
        async with audit.opened(Call(), ALICE):
            raise error
    said = await only(store)
    assert (said["outcome"], said["code"]) == (outcome, code)


async def test_an_unexpected_failure_leaves_its_kind_and_none_of_its_words(audit: Audit, store: Store):
    with pytest.raises(RuntimeError):
        async with audit.opened(Call(), ALICE):
            raise RuntimeError("the-canary")
    [record] = all_of(store)
    assert (record.body["outcome"], record.body["code"]) == ("failed", "internal")
    assert "canary" not in record.text


async def test_a_cancelled_call_is_recorded_as_unknown(audit: Audit, store: Store):
    with anyio.CancelScope() as scope:
        async with audit.opened(Call(), ALICE):
            scope.cancel()
            await anyio.sleep_forever()
    said = await only(store)
    assert (said["outcome"], said["code"]) == ("unknown", "cancelled")


async def test_a_success_stays_one_when_the_client_leaves_before_it_hears_of_it(audit: Audit, store: Store):
    with anyio.CancelScope() as scope:
        async with audit.opened(Call(), ALICE) as draft:
            draft.succeeded()
            scope.cancel()
            await anyio.sleep_forever()
    assert (await only(store))["outcome"] == "ok"


async def test_an_abandoned_call_is_recorded_as_unknown(audit: Audit, store: Store):
    opened = audit.opened(Call(), ALICE)
    draft = await opened.__aenter__()
    assert not await opened.__aexit__(GeneratorExit, GeneratorExit(), None)
    assert (await only(store))["outcome"] == "unknown"
    assert draft.code == "cancelled"


async def test_a_record_in_the_lender_s_hands_is_completed_and_not_appended(audit: Audit, store: Store):
    opened = audit.opened(Call(), ALICE)
    draft = await opened.__aenter__()
    draft.handed_over = True
    assert not await opened.__aexit__(NotFound, NotFound("gone"), None)
    assert all_of(store) == []
    assert (draft.outcome, draft.code) == ("failed", "not_found")


async def test_a_result_that_cannot_be_recorded_is_withheld(audit: Audit, store: Store):
    store.close()
    with pytest.raises(RecordUnwritable):
        async with audit.opened(Call(), ALICE):
            pass


async def test_a_refusal_that_cannot_be_recorded_stays_a_refusal_and_is_logged(audit: Audit, store: Store):
    store.close()
    with capture_logs() as logs, pytest.raises(UnknownTool):
        async with audit.opened(Call(), ALICE):
            raise UnknownTool("no")
    assert [entry["event"] for entry in logs] == ["record_unwritable"]


async def test_closing_a_call_twice_leaves_the_first_record(store: Store, now: Clock):
    said = body()
    first = await store.write(lambda connection: append(connection, {**said, "outcome": "ok"}, now()))
    again = await store.write(lambda connection: append(connection, {**said, "outcome": "failed"}, now()))
    assert first == again == 1
    assert (await only(store))["outcome"] == "ok"


async def test_records_are_found_by_number_and_by_call_and_only_by_their_owner(audit: Audit, store: Store):
    for letter in "abc":
        async with audit.opened(Call(id=letter * 32), ALICE):
            pass
    assert [record.seq for record in await audit.tail(2)] == [2, 3]
    assert [record.seq for record in await audit.tail(2, after_seq=1)] == [2, 3]
    assert await audit.show(2) == await audit.show("b" * 32)
    assert await audit.show(9) is None
    assert await audit.show(2, subject="local bob") is None
    assert await audit.tail(subject="local bob") == []
    assert len(await audit.tail(subject=ALICE.subject.key)) == 3
