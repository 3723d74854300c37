"""What a copy of a server's memory gives away once its calls are over: dead keys, and what it cannot do without.

Python wipes nothing. So what was lent may well be found, and that it opens nothing is what counts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from crash.kit import Shop
from crash.test_kill import HELD, READ
from promises import WATCH, token_shaped

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is searched through /proc")
CALLS = 12


def memory_of(pid: int) -> bytes:
    """Everything that a process can read of itself."""
    return b"\0".join(_regions(pid))


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def _regions(pid: int) -> Iterator[bytes]:
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in lines:
            place, access, *_ = line.split()
            if access.startswith("r") and not line.endswith(("[vvar]", "[vvar_vclock]", "[vsyscall]")):
                begin, end = (int(number, 16) for number in place.split("-"))
                memory.seek(begin)
                yield memory.read(end - begin)


async def test_a_key_that_is_found_after_its_call_opens_nothing(linked: Shop) -> None:
    server = await linked.serve()
    for _ in range(CALLS):
        await linked.until_done(*READ)
        await linked.until_done(*HELD)
    lent = [entry for entry in linked.ledger if entry.kind == "scoped"]
    assert len(lent) >= CALLS
    with anyio.fail_after(10):
        while any(map(linked.ledger.is_alive, lent)):  # noqa: ASYNC110 - the other process is no event of ours
            await anyio.sleep(0.02)
    memory, environment = memory_of(server.pid), environment_of(server.pid)
    await server.kill()

    assert (linked.home / "key").read_bytes() in memory, "what a server cannot do without is there, so the search works"
    found = set(token_shaped(memory))
    opens = {entry.kind for entry in linked.ledger if entry.fingerprint in found and linked.ledger.is_alive(entry)}
    assert opens <= {"user", "refresh"}, "the tokens of the grants that were used last, and nothing else"
    assert WATCH.minted.isdisjoint(token_shaped(environment))
