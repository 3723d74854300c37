"""Every byte of a long export holds it together, and a long chain costs time but no memory."""

from __future__ import annotations

import io
import os
import random
import time
import tracemalloc
from datetime import UTC, datetime
from itertools import islice

import pytest
from audit_parts import all_of, body, filled

from loaner.audit import append
from loaner.audit.chain import GENESIS
from loaner.audit.export import read_jsonl
from loaner.audit.read import every
from loaner.audit.verify import NotARecord, _wrong, verify
from loaner.store import Store

LONG = 1000
BATCH = 1000
MANY = int(os.environ.get("SOAK_RECORDS", "200000"))
RUN = {
    "agent": "claude-code",
    "agent_verified": False,
    "environment": "development",
    "origin": "this computer (stdio, pid 4242)",
    "tool": "github_issue_read",
    "effect": "read",
    "provider": "github",
    "connector": "github",
    "resource": "repository:acme/web",
    "needed_permissions": ["issues:read"],
    "granted_permissions": ["issues:read", "metadata:read"],
    "outcome": "ok",
    "status": 200,
    "used": 1,
    "fingerprint": "f" * 64,
}


async def lines_of(store: Store) -> list[bytes]:
    await filled(store, LONG, **RUN)
    return [record.line().encode() for record in all_of(store)]


def flipped(line: bytes, place: int, chance: random.Random) -> bytes:
    return line[:place] + bytes([line[place] ^ chance.randrange(1, 256)]) + line[place + 1 :]


async def test_a_byte_changed_anywhere_in_a_long_export_is_told_where(store: Store):
    lines, chance = await lines_of(store), random.Random(58)  # noqa: S311 - to repeat a failure
    assert verify(read_jsonl(io.BytesIO(b"".join(lines)))).count == LONG
    for which in [0, LONG - 1, *(chance.randrange(LONG) for _ in range(18))]:
        bad = flipped(lines[which], chance.randrange(len(lines[which])), chance)
        verdict = verify(read_jsonl(io.BytesIO(b"".join([*lines[:which], bad, *lines[which + 1 :]]))))
        assert (verdict.ok, verdict.first_bad) == (False, which + 1)


@pytest.mark.soak
async def test_every_byte_of_a_long_export_changed_in_turn_is_detected(store: Store):
    """What stands before a changed line verifies as it did, so each time only the line and the next are read."""
    lines, chance, began = await lines_of(store), random.Random(57), time.perf_counter()  # noqa: S311 - to repeat
    head, flips = GENESIS, 0
    for number, line in enumerate(lines, 1):
        following = lines[number] if number < LONG else b""
        for place in range(len(line)):
            flips += 1
            try:
                record = next(read_jsonl(io.BytesIO(flipped(line, place, chance) + following)))
            except NotARecord:
                continue
            assert _wrong(record, number, head), (number, place)
        [good] = read_jsonl(io.BytesIO(line))
        assert _wrong(good, number, head) is None
        head = good.hash
    assert flips == sum(map(len, lines))
    print(f"\n{flips} bytes changed, {flips} detected, {time.perf_counter() - began:.0f} s")  # noqa: T201 - numbers


@pytest.mark.soak
async def test_many_records_take_time_but_no_memory(store: Store):
    singly, at, sizes = MANY // 20, datetime(2026, 11, 22, 12, 0, tzinfo=UTC), []
    began = time.perf_counter()
    for _ in range(singly):  # each in a transaction of its own, as calls close them
        said = body(**RUN)
        await store.write(lambda connection, said=said: append(connection, said, at))
    alone = singly / (time.perf_counter() - began)

    began = time.perf_counter()
    for _ in range(singly, MANY, BATCH):
        await filled(store, BATCH, **RUN)
    together = (MANY - singly) / (time.perf_counter() - began)

    began = time.perf_counter()
    verdict = store.read_now(lambda connection: verify(every(connection)))
    verifying = time.perf_counter() - began
    assert (verdict.ok, verdict.count) == (True, MANY)

    for part in (singly, MANY):  # tracing slows everything down, so it is not what was timed
        tracemalloc.start()
        store.read_now(lambda connection, part=part: verify(islice(every(connection), part)))
        sizes.append(tracemalloc.get_traced_memory()[1] / 2**20)
        tracemalloc.stop()
    few, all_ = sizes
    assert all_ < few * 1.5 + 1, "MiB at the most: of a twentieth, and of all"
    print(  # noqa: T201 - a soak tells its numbers
        f"\n{MANY} records: {alone:.0f} appended a second, {together:.0f} where {BATCH} share a transaction;"
        f" {MANY / verifying:.0f} verified a second, with {few:.1f} MiB for {singly} and {all_:.1f} MiB for all"
    )
