"""kill -9 at every failpoint, for real: afterwards nothing is lost, and nothing lives that is not listed (MUST 34).

Points are inside loaner. ``STRUCK`` are the instants when the provider has acted and its answer is on the way, which no
program can see from inside.
"""

from __future__ import annotations

import signal
from typing import Any

import pytest

from crash.forks import Child
from crash.kit import Shop
from loaner.failpoints import POINTS

Call = tuple[str, dict[str, Any]]
READ: Call = ("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1})
WRITE: Call = ("github_issue_create", {"owner": "acme", "repo": "web", "title": "From a test"})
HELD: Call = ("linear_get_issue", {"id": "ENG-1"})
ME: Call = ("github_get_me", {})
CALL = (
    "intent.before",
    "intent.written",
    "mint.before",
    "mint.answered",
    "credential.sealed",
    "call.before",
    "call.answered",
    "revoke.before",
    "revoke.answered",
    "return.written",
    "audit.appended",
)
STRUCK = [("mint", "scoped"), ("used", "scoped"), ("revoke", "scoped")]
REFRESH = ("refresh.leased", "refresh.answered", "refresh.written")
CONSENT = ("consent.answered", "consent.kept", "consent.settled")


async def survived(shop: Shop, server: Child) -> dict[str, Any]:
    """The server died of SIGKILL; another one starts, sweeps, and then the books of loaner and the providers agree."""
    assert await server.wait() == -signal.SIGKILL, (shop.home / "stderr.log").read_text()[-2000:]
    found: dict[str, Any] = await shop.run("recover")
    shop.books.balance(found)
    return found


def test_every_point_is_tried() -> None:
    assert {*CALL, "outcome.written", *REFRESH, *CONSENT} == set(POINTS)


@pytest.mark.parametrize("point", CALL)
async def test_a_call_killed_at(linked: Shop, point: str) -> None:
    server = await linked.serve(point)
    await linked.call(*READ)
    await survived(linked, server)
    await linked.works(*READ)


@pytest.mark.parametrize(("event", "kind"), STRUCK)
async def test_a_call_killed_while_the_provider_answers(linked: Shop, event: str, kind: str) -> None:
    server = await linked.serve()
    with linked.struck(server, event, "github", kind):
        await linked.call(*READ)
        await survived(linked, server)


async def test_a_write_killed_once_its_outcome_is_durable(linked: Shop) -> None:
    server = await linked.serve("outcome.written")
    asked = await linked.call(*WRITE)
    assert asked
    assert await linked.consent(asked) == "approved"
    await linked.call(*WRITE)
    found = await survived(linked, server)
    outcomes = [
        record["outcome"] for record in found["records"] if record.get("tool") == WRITE[0] and record["kind"] == "call"
    ]
    assert outcomes.count("ok") == 1


@pytest.mark.parametrize("point", ["intent.written", "call.before", "call.answered"])
async def test_a_held_token_is_dropped_and_its_call_recorded(linked: Shop, point: str) -> None:
    server = await linked.serve(point)
    await linked.call(*HELD)
    found = await survived(linked, server)
    assert [loan for loan in found["loans"] if loan["provider"] == "linear" and loan["fingerprint"]] == []
    assert found["records"][-1]["tool"] == HELD[0]


@pytest.mark.parametrize("point", REFRESH)
@pytest.mark.parametrize("call", [ME, HELD], ids=["github", "linear"])
async def test_a_refresh_killed_at(linked: Shop, point: str, call: Call) -> None:
    linked.expire(call[0].partition("_")[0])
    server = await linked.serve(point)
    await linked.call(*call)
    await survived(linked, server)
    await linked.works(*call)


async def test_a_refresh_killed_while_the_provider_answers(linked: Shop) -> None:
    linked.expire("linear")
    server = await linked.serve()
    with linked.struck(server, "mint", "linear", "refresh"):
        await linked.call(*HELD)
        found = await survived(linked, server)
    assert [loan for loan in found["loans"] if loan["resource"].startswith("account:")]
    await linked.works(*HELD)


@pytest.mark.parametrize("point", [*CONSENT, "mint"])
async def test_a_consent_killed_at(linked: Shop, point: str) -> None:
    linked.disconnect("linear")
    server = await linked.serve(None if point == "mint" else point)
    asked = await linked.call(*HELD)
    assert asked
    if point == "mint":
        with linked.struck(server, "mint", "linear", "refresh"):
            await linked.consent(asked)
    else:
        await linked.consent(asked)
    await survived(linked, server)
    await linked.works(*HELD)
