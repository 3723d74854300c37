"""A server may write no file any more, from one instant of a call on: the agent is told, and no key stays behind."""

from __future__ import annotations

import resource
from typing import Any

import anyio
import pytest

from crash.forks import Child
from crash.kit import Shop

Call = tuple[str, dict[str, Any]]
READ: Call = ("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1})
WRITE: Call = ("github_issue_create", {"owner": "acme", "repo": "web", "title": "From a test"})
HELD: Call = ("linear_get_issue", {"id": "ENG-1"})
SEALED, UNLIMITED = 1, resource.RLIM_INFINITY


async def started(shop: Shop) -> Child:
    """A server that has told where it listens."""
    server = await shop.serve()
    await shop.until_done(*HELD)
    return server


def full(server: Child) -> None:
    """No file of the server takes another byte: its store, its journal, nor its log."""
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (SEALED, UNLIMITED))


def emptied(server: Child) -> None:
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))


def code(answer: dict[str, Any] | None) -> str | None:
    """The code that the agent gets; ``None`` for a success."""
    assert answer is not None, "the server is gone"
    return str(answer["_meta"]["dev.loaner/error"]["code"]) if answer.get("isError") else None


async def none_alive(shop: Shop) -> None:
    """The keys are given back beside the answer, from memory."""
    with anyio.fail_after(10):
        while any(entry.kind == "scoped" and shop.ledger.is_alive(entry) for entry in shop.ledger):  # noqa: ASYNC110
            await anyio.sleep(0.01)


async def accounted(shop: Shop, server: Child) -> dict[str, Any]:
    """There is room again, and the server still serves; then the books of loaner and the providers agree."""
    emptied(server)
    assert await shop.until_done(*READ)
    await server.kill()
    found: dict[str, Any] = await shop.run("recover")
    shop.books.balance(found)
    return found


async def test_full_before_a_call_nothing_is_minted(linked: Shop) -> None:
    server = await started(linked)
    before = len(list(linked.ledger))
    full(server)
    assert code(await linked.call(*READ)) == "store_unusable"
    assert code(await linked.call(*HELD)) == "store_unusable"
    assert len(list(linked.ledger)) == before
    await accounted(linked, server)


@pytest.mark.parametrize(("event", "told"), [("mint", "store_unusable"), ("used", None), ("revoke", None)])
async def test_full_in_the_middle_of_a_read(linked: Shop, event: str, told: str | None) -> None:
    server = await started(linked)
    with linked.when(event, "github", "scoped", lambda: full(server)):
        assert code(await linked.call(*READ)) == told
    await none_alive(linked)
    await accounted(linked, server)


async def test_a_write_whose_outcome_cannot_be_written_is_not_said_to_have_failed(linked: Shop) -> None:
    server = await started(linked)
    asked = await linked.call(*WRITE)
    assert asked
    assert await linked.consent(asked) == "approved"
    with linked.when("used", "github", "scoped", lambda: full(server)):
        assert code(await linked.call(*WRITE)) == "outcome_unknown"
    await none_alive(linked)
    await accounted(linked, server)


async def test_a_pair_that_came_when_the_disk_was_full_is_kept_until_it_can_be_written(linked: Shop) -> None:
    server = await started(linked)
    linked.expire("linear")
    with linked.when("mint", "linear", "refresh", lambda: full(server)):
        assert code(await linked.call(*HELD)) == "store_unusable"
    assert code(await linked.call(*HELD)) == "store_unusable"
    emptied(server)
    assert code(await linked.call(*HELD)) is None
    await accounted(linked, server)


async def test_what_a_person_allowed_when_the_disk_was_full_is_ended(linked: Shop) -> None:
    server = await started(linked)
    linked.disconnect("linear")
    asked = await linked.call(*HELD)
    assert asked
    with linked.when("mint", "linear", "refresh", lambda: full(server)):
        assert await linked.consent(asked) != "approved"
    emptied(server)
    assert await linked.until_done(*HELD)
    await accounted(linked, server)
