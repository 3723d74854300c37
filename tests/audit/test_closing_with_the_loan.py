"""The record of a call that had a loan closes in the transaction that ends the loan (MUST 57)."""

from __future__ import annotations

from typing import Any

import pytest
from audit_parts import ALICE, Call, Clock, all_of
from sqlalchemy import Connection

from loaner.audit import Draft, closing
from loaner.audit.verify import verify
from loaner.store import Store


async def ended(store: Store, said: dict[str, Any], at: Clock, how: str, *, confirmed: bool) -> None:
    await store.write(lambda connection: closing.close(connection, said, how=how, confirmed=confirmed, at=at()))


@pytest.fixture
def said(now: Clock) -> dict[str, Any]:
    draft = Draft.begun(Call(), ALICE, now)
    draft.succeeded()
    return draft.body()


async def test_the_record_says_how_the_credential_ended(store: Store, said: dict[str, Any], now: Clock):
    await ended(store, said, now, "revoked", confirmed=True)
    [record] = all_of(store)
    assert (record.body["outcome"], record.body["returned_how"], record.body["returned_confirmed"]) == (
        "ok",
        "revoked",
        True,
    )


async def test_a_later_confirmation_is_a_record_of_its_own_and_rewrites_nothing(
    store: Store, said: dict[str, Any], now: Clock
):
    await ended(store, said, now, "not confirmed: down", confirmed=False)
    [first] = all_of(store)
    await ended(store, said, now, "not confirmed: still down", confirmed=False)
    assert all_of(store) == [first]
    await ended(store, said, now, "revoked", confirmed=True)
    assert all_of(store)[0] == first
    assert (all_of(store)[1].body["kind"], all_of(store)[1].body["of"]) == ("return", first.body["id"])
    assert verify(all_of(store)).ok


async def test_a_loan_that_cannot_be_ended_closes_no_record(store: Store, said: dict[str, Any], now: Clock):
    def work(connection: Connection) -> None:
        closing.close(connection, said, how="revoked", confirmed=True, at=now())
        raise LookupError

    with pytest.raises(LookupError):
        await store.write(work)
    assert all_of(store) == []
