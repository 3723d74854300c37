"""kill -9 while a loan is out that several calls have used: it is given back, and each of them keeps its record."""

from __future__ import annotations

import anyio
import pytest

from crash.kit import Shop

READ = {"owner": "acme", "repo": "web", "issue_number": 1}
TASK = {"purpose": "read issues", "operations": [{"tool": "github_issue_read"}], "resources": ["acme/web"]}
SHORT = {"LOANER_LIMITER__SHARE_BELOW": "1", "LOANER_LIMITER__SHARE_SECONDS": "15"}


@pytest.mark.parametrize("point", [None, "call.before", "call.answered"])
async def test_a_shared_loan_survives_its_server(linked: Shop, point: str | None) -> None:
    server = await linked.serve(**SHORT)
    await linked.until_done("loaner_propose_task", TASK)
    if point:
        await server.kill()
        server = await linked.serve(point, passes=2, **SHORT)
    known = {entry.fingerprint for entry in linked.ledger}
    before = len((await linked.run("recover"))["records"])
    async with anyio.create_task_group() as calls:
        for _ in range(3):
            calls.start_soon(linked.call, "github_issue_read", READ)
    await (server.wait() if point else server.kill())
    (key,) = [entry for entry in linked.ledger if entry.kind == "scoped" and entry.fingerprint not in known]
    assert linked.ledger.is_alive(key)

    found = await linked.run("recover")

    assert not linked.ledger.is_alive(key)
    assert [loan for loan in found["loans"] if loan["fingerprint"]] == []
    assert linked.books.unaccounted(found) == []
    records = found["records"][before:]
    assert {(one["tool"], one["rung"], one["fingerprint"], one["returned_confirmed"]) for one in records} == {
        ("github_issue_read", "shared", key.fingerprint, True)
    }
    assert len({one["id"] for one in records}) == len(records) == 3
    if point is None:
        assert [one["outcome"] for one in records] == ["ok"] * 3
