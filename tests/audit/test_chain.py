"""One unbroken chain, whoever writes at the same moment, and one spelling of each record."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from datetime import UTC, datetime

import anyio
import pytest
from audit_parts import all_of, body, filled
from sqlalchemy import select

from loaner.audit import append
from loaner.audit.chain import GENESIS, canonical
from loaner.audit.read import every
from loaner.audit.verify import verify
from loaner.store import LocalKey, Store, open_store
from loaner.store.tables import records

AT = datetime(2026, 11, 22, 12, 0, 0, 999_999, UTC)


async def test_the_hash_is_what_the_documentation_says(store: Store):
    await store.write(lambda connection: append(connection, body(), AT))
    await store.write(lambda connection: append(connection, body(tool="é"), AT))
    first, second = all_of(store)
    assert first.prev_hash == GENESIS == "0" * 64
    assert second.prev_hash == first.hash
    whole = bytes.fromhex(first.hash) + (2).to_bytes(8, "big") + second.text.encode()
    assert second.hash == hashlib.sha256(whole).hexdigest()


async def test_the_body_and_the_column_agree_on_the_moment(store: Store):
    await store.write(lambda connection: append(connection, body(), AT))
    [record] = all_of(store)
    assert record.body["at"] == record.filed.at == "2026-11-22T12:00:00.999Z"


@pytest.mark.parametrize(
    ("value", "spelling"),
    [
        ({"b": 1, "a": None}, '{"a":null,"b":1}'),
        (["é", '\n\x1f\\"/', True], '["é","\\n\\u001f\\\\\\"/",true]'),
    ],
)
def test_canonical_json_is_rfc_8785(value: object, spelling: str):
    assert canonical(value) == spelling


@pytest.mark.parametrize("value", [1.0, float("nan"), 2**53, {1: "a"}, {"é": 1}, b"x", AT, {"a": [{"b": 0.5}]}])
def test_what_has_more_than_one_spelling_is_refused(value: object):
    with pytest.raises(ValueError, match=r"record|canonical"):
        canonical(value)


async def test_eight_writers_at_once_make_one_chain(store: Store):
    async def write() -> None:
        for _ in range(25):
            await store.write(lambda connection: append(connection, body(), AT))

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(write)
    verdict = verify(all_of(store))
    assert (verdict.ok, verdict.count) == (True, 200)


async def test_a_write_that_is_taken_back_leaves_no_gap(store: Store):
    def change_of_mind(connection: object) -> None:
        append(connection, body(), AT)
        raise LookupError

    async def fail() -> None:
        with pytest.raises(LookupError):
            await store.write(change_of_mind)

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(fail)
            group.start_soon(filled, store, 3)
    assert verify(all_of(store)).count == 15


def _write_from_elsewhere(url: str, letter: str, ready: object) -> None:
    async def write() -> None:
        async with open_store(url, LocalKey(bytes(32))) as store:
            ready.wait()
            for number in range(40):
                said = body(id=f"{letter}{number:031x}")
                await store.write(lambda connection, said=said: append(connection, said, AT))

    anyio.run(write)


async def test_two_processes_on_one_file_make_one_chain(url: str, store: Store):
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(2)
    processes = [context.Process(target=_write_from_elsewhere, args=(url, letter, ready)) for letter in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        await anyio.to_thread.run_sync(process.join)
    assert [process.exitcode for process in processes] == [0, 0]
    verdict = verify(all_of(store))
    assert (verdict.ok, verdict.count) == (True, 80)
    order = store.read_now(
        lambda connection: connection.execute(select(records.c.id).order_by(records.c.seq)).scalars().all()
    )
    assert len({one[0] for one in order}) == 2


async def test_all_records_are_read_in_order_across_pages(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("loaner.audit.read._PAGE", 10)
    for more in (20, 1):
        await filled(store, more)
        seqs = store.read_now(lambda connection: [record.seq for record in every(connection)])
        assert seqs == list(range(1, len(seqs) + 1))
    assert len(seqs) == 21


async def test_an_export_line_is_the_record(store: Store):
    await filled(store, 1, tool="é\\u000a")
    [record] = all_of(store)
    said = json.loads(record.line())
    assert said == {"body": record.body, "hash": record.hash, "prev_hash": record.prev_hash, "seq": 1}
    assert canonical(said) + "\n" == record.line()
