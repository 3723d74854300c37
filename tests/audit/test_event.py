"""Records of what is no call: kinds and fields that nobody declared are refused."""

from __future__ import annotations

import pytest
from audit_parts import Clock, all_of

from loaner.audit import event, ocsf
from loaner.cli import _told
from loaner.store import Store


async def test_an_event_is_a_record_that_every_reader_reads(store: Store, now: Clock) -> None:
    said = {"agent": "loaner\x1b[0m", "environment": "development", "origin": "here", "outcome": "ok"}
    await store.write(lambda c: event.note(c, "revoke", subject="local olga", at=now(), resource="block:all", **said))
    (record,) = all_of(store)
    assert (record.body["sub"], record.body["kind"]) == ("olga", "revoke")
    assert "\x1b" not in record.text
    assert ocsf.event(record)["api"]["operation"] == "revoke"
    assert dict(_told.page(record))["asked"] == "revoke"


@pytest.mark.parametrize(("kind", "said"), [("party", {}), ("revoke", {"token": "x"})])
async def test_what_no_record_says_is_refused(store: Store, now: Clock, kind: str, said: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="no record says this"):
        await store.write(lambda c: event.note(c, kind, subject="local olga", at=now(), **said))
    assert all_of(store) == []
