"""What a provider says of a credential that it made, or of one account, is no word on the grant behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from journeys.town import Town, error_of, town
from loaner.errors import RateLimited
from loaner.limits.key import LimitKey
from loaner.limits.limiter import Limiter
from loaner.provider_call import Answer, replication
from loaner.store.tables import grants

READ = ("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1})
ELSEWHERE = ("github_issue_read", {"owner": "otherorg", "repo": "web", "issue_number": 1})
ME = ("github_get_me", {})
COMMENT = ("github_add_issue_comment", {"owner": "acme", "repo": "web", "issue_number": 1, "body": "From a test"})
Change = Callable[[Answer], Answer]


@pytest.fixture
async def linked(tmp_path: Path) -> AsyncIterator[Town]:
    """A town where alice has connected GitHub."""
    async with town(tmp_path / "home") as built:
        async with built.agent() as agent:
            assert not (await built.call(agent, *ME)).is_error
        await built.settled()
        yield built


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What is waited for a provider to know a new credential; nobody waits."""
    asked = list[float]()

    async def sleep(seconds: float) -> None:
        asked.append(seconds)

    monkeypatch.setattr(replication, "sleep", sleep)
    return asked


async def told(town: Town, call: tuple[str, dict[str, Any]] = READ) -> dict[str, Any] | None:
    """What the agent is refused with; ``None`` for a success."""
    async with town.agent() as agent:
        answer = await agent.call_tool(*call)
    return error_of(answer) if answer.is_error else None


async def grant(town: Town) -> Any:
    columns = (grants.c.state, grants.c.version, grants.c.expires_at)
    return await town.loaner.store.read(lambda c: c.execute(select(*columns)).one())


def answers(town: Town, monkeypatch: pytest.MonkeyPatch, path: str, *changes: Change) -> list[int]:
    """The provider does what is asked and answers otherwise: as each change says, then the last for good.

    Gives the statuses that loaner got to see there.
    """
    exchange, seen = town.loaner.transport.exchange, list[int]()

    async def otherwise(method: str, url: str, **named: Any) -> Answer:
        answer = await exchange(method, url, **named)
        if path in url:
            answer = changes[min(len(seen), len(changes) - 1)](answer)
            seen.append(answer.status)
        return answer

    monkeypatch.setattr(town.loaner.transport, "exchange", otherwise)
    return seen


def status(code: int, message: str = "injected", **headers: str) -> Change:
    body = {"message": message, "documentation_url": "https://docs.github.com/rest"}
    return lambda answer: replace(answer, status=code, body=body, headers=httpx2.Headers({**answer.headers, **headers}))


def unchanged(answer: Answer) -> Answer:
    return answer


def users(town: Town) -> int:
    return len(town.ledger(provider="github", kind="user"))


@pytest.mark.parametrize("first", [401, 403])
async def test_a_token_that_is_not_known_at_its_first_use_is_used_again_and_nothing_is_renewed(
    linked: Town, waits: list[float], first: int
) -> None:
    linked.running.sandbox.switches.github_first_use_status = first
    before = await grant(linked)
    for _ in range(5):
        assert await told(linked) is None
    assert (waits, await grant(linked), users(linked)) == ([0.5] * 5, before, 1)
    await linked.settled()
    assert await linked.open_loans() == []


async def test_a_write_that_a_new_token_was_refused_is_sent_again_and_done_once(
    linked: Town, waits: list[float]
) -> None:
    linked.running.sandbox.switches.github_first_use_status = 401
    async with linked.agent() as agent:
        assert not (await linked.call(agent, *COMMENT)).is_error
    uses = [use for one in linked.ledger(kind="scoped") for use in one["uses"]]
    posted = [use["status"] for use in uses if use["path"].endswith("/comments")]
    refused = [use for use in uses if use["status"] == 401]
    assert (posted, len(refused), waits) == ([401, 201], 2, [0.5] * 2), "the look at the name, and the write itself"


async def test_a_token_that_stays_unknown_costs_neither_grant_nor_approval(
    linked: Town, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    before = await grant(linked)
    async with linked.agent() as agent:
        assert (await linked.decide(await agent.call_tool(*COMMENT))).state == "approved"
        with monkeypatch.context() as meanwhile:
            seen = answers(linked, meanwhile, "/comments", status(401))
            refused = error_of(await agent.call_tool(*COMMENT))
        assert (refused["code"], refused["retry"]) == ("provider_unavailable", "now")
        assert (seen, waits) == ([401] * 4, [0.5, 1, 2])
        assert (await grant(linked), users(linked)) == (before, 1)
        monkeypatch.undo()
        assert not (await agent.call_tool(*COMMENT)).is_error, "the approval was not used up"


async def test_a_permission_that_the_token_lacks_is_refused_at_once(
    linked: Town, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    lacking = status(
        403, "Resource not accessible by integration", **{"x-accepted-github-permissions": "actions=write"}
    )
    answers(linked, monkeypatch, "/issues/", lacking)
    assert (await told(linked) or {})["code"] == "provider_forbidden"
    assert waits == []


async def test_a_token_that_is_older_than_the_window_is_refused_for_good(
    linked: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only in its first seconds may a credential be unknown for being new."""
    within = linked.loaner.catalog.providers["github"].lending.replication.within
    waited = list[float]()

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        linked.advance(seconds=within)

    monkeypatch.setattr(replication, "sleep", sleep)
    seen = answers(linked, monkeypatch, "/issues/", status(401))
    assert (await told(linked) or {})["code"] == "provider_unavailable"
    assert (within, waited, seen) == (5, [0.5], [401, 401])
    assert users(linked) == 1


async def test_a_refused_token_whose_grant_the_provider_says_is_dead_is_renewed(
    linked: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody ends the grant's token between the mint and the call."""
    ledger = linked.running.sandbox.ledger

    def ended(answer: Answer) -> Answer:
        for entry in ledger:
            if entry.kind == "user":
                ledger.revoke(entry, "evicted")
        return replace(answer, status=401)

    with monkeypatch.context() as meanwhile:
        answers(linked, meanwhile, "/issues/", ended)
        refused = await told(linked)
        assert refused
        assert refused["do"] == "Repeat the call now."
    assert users(linked) == 2
    assert await told(linked) is None


@pytest.mark.parametrize("code", [404, 422])
async def test_an_account_where_the_app_is_not_installed_ends_no_grant(linked: Town, code: int) -> None:
    linked.running.sandbox.switches.github_unknown_target_status = code
    before = await grant(linked)
    for _ in range(2):
        refused = await told(linked, ELSEWHERE)
        assert refused
        assert refused["code"] == "scope_not_grantable"
        assert "otherorg" in refused["message"] + refused["do"]
    assert (await grant(linked), users(linked)) == (before, 1)
    assert await told(linked) is None


async def test_an_account_that_is_out_of_reach_is_asked_once_and_for_nothing_else(
    linked: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another permission would do for the call, and changes nothing about where the app is installed."""
    linked.running.sandbox.switches.github_unknown_target_status = 404
    elsewhere = (COMMENT[0], COMMENT[1] | {"owner": "otherorg"})
    assert linked.loaner.catalog[COMMENT[0]].bind(elsewhere[1]).scope.alternatives
    async with linked.agent() as agent:
        assert (await linked.decide(await agent.call_tool(*elsewhere))).state == "approved"
        seen = answers(linked, monkeypatch, "/token/scoped", unchanged)
        assert error_of(await agent.call_tool(*elsewhere))["code"] == "scope_not_grantable"
    assert seen == [404]


@pytest.mark.parametrize("unusable", [503, 520])
async def test_a_404_that_the_check_does_not_explain_ends_no_grant(
    linked: Town, monkeypatch: pytest.MonkeyPatch, unusable: int
) -> None:
    linked.running.sandbox.switches.github_unknown_target_status = 404
    before = await grant(linked)
    answers(linked, monkeypatch, "/token", lambda one: replace(one, status=unusable) if one.status == 200 else one)
    assert (await told(linked, ELSEWHERE) or {})["code"] == "provider_unavailable"
    assert await grant(linked) == before


@pytest.mark.parametrize("headers", [{}, {"x-ratelimit-remaining": "4990", "x-ratelimit-reset": "1900000000"}])
async def test_a_refusal_of_one_account_is_no_limit_and_holds_no_other(
    linked: Town, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    with monkeypatch.context() as meanwhile:
        suspended = status(403, "This installation has been suspended", **headers)
        answers(linked, meanwhile, "/token/scoped", suspended)
        refused = await told(linked, ELSEWHERE)
    assert refused
    assert refused["code"] == "provider_forbidden"
    assert "suspended" in refused["message"]
    assert "otherorg" in refused["message"]
    assert await told(linked) is None
    assert await told(linked, ME) is None
    assert all(left.left for left in await linked.loaner.limiter.left(linked.loaner.catalog.providers))


async def test_an_organisation_that_wants_a_sign_in_of_its_own_names_the_page(
    linked: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = {"x-github-sso": "required; url=https://evil.example/orgs/otherorg/sso?authorization_request=1"}
    answers(linked, monkeypatch, "/token/scoped", status(403, **elsewhere))
    refused = await told(linked, ELSEWHERE)
    assert refused
    assert f"{linked.sandbox_url}/github/orgs/otherorg/sso " in refused["do"]


SECONDARY = {"documentation_url": "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary"}


@pytest.mark.parametrize(
    ("change", "seconds"),
    [
        (lambda one: replace(one, status=403, body=SECONDARY), 60),
        (
            lambda one: replace(one, status=429, headers=httpx2.Headers({**one.headers, "retry-after": "99999999"})),
            3600,
        ),
        (lambda one: replace(one, status=403, headers=httpx2.Headers({**one.headers, "retry-after": "7"})), 7),
    ],
)
async def test_a_limit_at_the_mint_holds_the_account_that_it_was_said_of_alone(
    linked: Town, monkeypatch: pytest.MonkeyPatch, change: Change, seconds: int
) -> None:
    with monkeypatch.context() as meanwhile:
        answers(linked, meanwhile, "/token/scoped", change)
        refused = await told(linked, ELSEWHERE)
        assert refused
        assert (refused["code"], refused["retry_after"]) == ("rate_limited", seconds)
    again = await told(linked, ELSEWHERE)
    assert again
    assert "held back by loaner" in again["message"]
    await held_in_another_process(linked)
    assert await told(linked) is None
    linked.advance(seconds=seconds + 1)
    assert (await told(linked, ELSEWHERE) or {})["code"] == "scope_not_grantable"


async def held_in_another_process(town: Town) -> None:
    """It knows nothing but the store."""
    loaner = town.loaner
    (grant,), bound = await loaner.grants.everybodys(), loaner.catalog[ELSEWHERE[0]].bind(ELSEWHERE[1])
    other = Limiter(loaner.store, loaner.now, loaner.settings.limiter)
    with pytest.raises(RateLimited):
        await other.granted(
            LimitKey.of(bound.operation.provider, grant.connector, grant.account_id), bound, lambda _: None
        )


async def test_a_limit_that_is_used_up_is_everybodys(linked: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as meanwhile:
        answers(linked, meanwhile, "/token/scoped", status(403, **{"x-ratelimit-remaining": "0"}))
        assert (await told(linked, ELSEWHERE) or {})["code"] == "rate_limited"
    assert "held back" in (await told(linked) or {})["message"]


async def test_a_limit_that_is_told_by_its_page_alone_is_a_limit_in_a_call_too(
    linked: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(linked, monkeypatch, "/issues/", lambda one: replace(one, status=403, body=SECONDARY))
    refused = await told(linked)
    assert refused
    assert (refused["code"], refused["retry_after"]) == ("rate_limited", 60)


async def test_a_write_that_a_limit_kept_from_being_done_keeps_its_approval(
    linked: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with linked.agent() as agent:
        assert (await linked.decide(await agent.call_tool(*COMMENT))).state == "approved"
        with monkeypatch.context() as meanwhile:
            answers(linked, meanwhile, "/comments", status(429, **{"retry-after": "5"}))
            assert error_of(await agent.call_tool(*COMMENT))["code"] == "rate_limited"
        linked.advance(seconds=6)
        assert not (await agent.call_tool(*COMMENT)).is_error
