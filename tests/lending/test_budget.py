"""Loaner stays inside a provider's limits before the provider has to say no, together with every other process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import Connection

from loaner import catalog
from loaner.catalog import BoundCall
from loaner.errors import RateLimited
from loaner.limits import buckets
from loaner.limits.costs import costs, unasked
from loaner.limits.key import LimitKey
from loaner.limits.limiter import Limiter, NothingLeft
from loaner.provider_call import Answer
from loaner.settings import LimiterSettings
from loaner.store import LocalKey, Store, open_store

WEB = {"owner": "acme", "repo": "web"}
CATALOG = catalog.load()
READ = CATALOG["github_issue_read"].bind(WEB | {"issue_number": 1})
WRITE = CATALOG["github_issue_create"].bind(WEB | {"title": "x"})
SEARCH = CATALOG["github_search_code"].bind(WEB | {"q": "x"})
POST = CATALOG["slack_send_message"].bind({"channel": "#a", "text": "x"})
USER = CATALOG["slack_get_user"].bind({"user": "U00BOB0002"})
LINEAR = CATALOG["linear_get_issue"].bind({"id": "ENG-1"})


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def passes(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Bank:
    """Budgets on a real store, with a clock of their own."""

    def __init__(self, store: Store, clock: Clock, **settings: Any) -> None:
        self.clock = clock
        self.store = store
        self.limiter = Limiter(store, clock, LimiterSettings(**settings))

    def account(self, bound: BoundCall, name: str = "1") -> LimitKey:
        return LimitKey(bound.operation.provider, bound.operation.provider.name, name)

    async def spend(self, bound: BoundCall, account: str = "1") -> float:
        """Seconds to wait; 0 where there was room."""
        try:
            await self.store.write(
                lambda c: self.limiter.spend(c, self.account(bound, account), bound, self.clock.at),
            )
        except NothingLeft as wanting:
            return wanting.seconds
        return 0

    async def spend_all(self, bound: BoundCall, most: int = 1000) -> int:
        """How many calls have room now."""

        def work(connection: Connection) -> int:
            for done in range(most):
                try:
                    self.limiter.spend(connection, self.account(bound), bound, self.clock.at)
                except NothingLeft:
                    return done
            return most

        return await self.store.write(work)

    async def left(self) -> dict[str, int]:
        return {one.rate_limit: one.left for one in await self.limiter.left(CATALOG.providers)}


def answer(clock: Clock, **headers: str | int) -> Answer:
    shown = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    shown["date"] = clock.at.strftime("%a, %d %b %Y %H:%M:%S GMT")
    return Answer(200, httpx2.Headers(shown), {})


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncIterator[Bank]:
    async with open_store(f"sqlite:///{tmp_path / 'loaner.db'}", LocalKey(bytes(32))) as store:
        yield Bank(store, Clock())


async def test_one_user_has_180_credentials_a_minute_at_github(bank: Bank) -> None:
    assert await bank.spend_all(READ) == 180
    assert 0 < await bank.spend(READ) < 1  # one flows back every third of a second
    bank.clock.passes(1)
    assert await bank.spend_all(READ) == 3
    bank.clock.passes(60)
    assert await bank.spend_all(READ) == 180


async def test_writes_have_their_own_and_smaller_limits(bank: Bank) -> None:
    assert await bank.spend_all(WRITE) == 80
    assert await bank.spend(READ) == 0  # reading goes on
    for _ in range(12):
        bank.clock.passes(60)
        await bank.spend_all(WRITE)
    assert await bank.spend(WRITE) > 0
    assert (await bank.left())["content changes an hour"] == 0


@pytest.mark.parametrize(("bound", "most"), [(SEARCH, 10), (POST, 3), (USER, 100), (LINEAR, 1000)])
async def test_each_provider_has_the_limits_that_it_documents(bank: Bank, bound: BoundCall, most: int) -> None:
    assert await bank.spend_all(bound) == most


async def test_another_account_has_its_own(bank: Bank) -> None:
    await bank.spend_all(READ)
    assert await bank.spend(READ, account="2") == 0


async def test_two_processes_spend_of_the_same(bank: Bank, tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path / 'loaner.db'}", LocalKey(bytes(32))) as store:
        other = Bank(store, bank.clock)
        assert await bank.spend_all(READ, most=100) == 100
        assert await other.spend_all(READ) == 80


async def test_what_the_provider_says_counts_more_than_its_documents(bank: Bank) -> None:
    account = bank.account(READ)
    ends = int(bank.clock.at.timestamp()) + 600
    core = {"x_ratelimit_resource": "core", "x_ratelimit_reset": ends}
    bank.limiter.heard(account, answer(bank.clock, x_ratelimit_limit=15000, x_ratelimit_remaining=3, **core))
    assert await bank.spend_all(READ) == 1  # an issue and its comments are two requests
    assert (await bank.left())["requests"] == 1
    bank.limiter.heard(account, answer(bank.clock, x_ratelimit_limit=15000, x_ratelimit_remaining=0, **core))
    assert 600 <= await bank.spend(READ) < 601  # empty, and full again at the end of the window only
    assert 600 <= await bank.spend(READ) < 601


async def test_a_search_that_is_used_up_stops_no_other_call(bank: Bank) -> None:
    ends = int(bank.clock.at.timestamp()) + 30
    used_up = {"x_ratelimit_resource": "code_search", "x_ratelimit_limit": 10, "x_ratelimit_remaining": 0}
    said = answer(bank.clock, x_ratelimit_reset=ends, **used_up)
    bank.limiter.heard(bank.account(SEARCH), said)
    assert await bank.spend(READ) == 0
    bank.limiter.heard(bank.account(SEARCH), said)
    assert await bank.spend(SEARCH) > 29


async def test_linears_resets_are_in_milliseconds(bank: Bank) -> None:
    ends = int(bank.clock.at.timestamp() * 1000) + 90_000
    said = {"x_ratelimit_complexity_limit": 2_000_000, "x_ratelimit_complexity_remaining": 0}
    bank.limiter.heard(bank.account(LINEAR), answer(bank.clock, x_ratelimit_complexity_reset=ends, **said))
    assert 90 <= await bank.spend(LINEAR) < 92


async def test_who_asks_to_wait_is_not_asked_again_before(bank: Bank) -> None:
    """MUST 50."""
    await bank.limiter.obey(bank.account(READ), READ, RateLimited("wait", retry_after=60))
    assert 60 <= await bank.spend(READ) < 61
    assert await bank.spend(READ, account="2") == 0
    bank.clock.passes(61)
    assert await bank.spend(READ) == 0


async def test_slack_asks_for_one_method_only(bank: Bank) -> None:
    await bank.limiter.obey(bank.account(POST), POST, RateLimited("wait", retry_after=30))
    assert 30 <= await bank.spend(POST) < 32
    assert await bank.spend(USER) == 0


async def test_nothing_is_taken_by_a_loan_that_is_not_written(bank: Bank) -> None:
    def fails(_: Connection) -> None:
        raise LookupError

    for _ in range(3):
        with pytest.raises(LookupError):
            await bank.limiter.granted(bank.account(READ), READ, fails)
    assert await bank.left() == {}
    assert await bank.limiter.granted(bank.account(READ), READ, lambda _: None) is None
    assert (await bank.left())["credentials"] == 895


async def test_a_factor_makes_room_for_others_and_none_keeps_no_budget(bank: Bank) -> None:
    assert await Bank(bank.store, bank.clock, factor=0.1).spend_all(READ) == 18
    assert await Bank(bank.store, bank.clock, factor=0).spend_all(READ) == 1000


def test_every_slack_request_has_its_tier() -> None:
    rate = CATALOG.providers["slack"].rate
    for operation in CATALOG.operations:
        if operation.provider.name == "slack":
            assert all(step.upload_to or rate.of_method(step.path or "") for step in operation.steps), operation.tool
    assert [(rate_limit.name, cost) for rate_limit, cost in costs(POST)] == [
        ("chat.postMessage", 1),
        ("messages in #a", 1),
    ]


async def test_a_channel_takes_a_message_a_second_and_a_workspace_many(bank: Bank) -> None:
    posts = [CATALOG["slack_send_message"].bind({"channel": f"#c{n}", "text": "x"}) for n in range(250)]
    assert [await bank.spend(POST) for _ in range(4)] == [0, 0, 0, pytest.approx(1, abs=0.1)]
    assert [await bank.spend(one) for one in posts].count(0) == 197
    bank.clock.passes(400)
    assert await bank.spend(POST) == 0
    (kept,) = (await bank.store.read(lambda c: buckets.read_all(c, 1))).values()
    assert set(kept.spent) == {"chat.postMessage", "messages in #a"}, "what nobody uses any more is forgotten"


async def test_everybody_in_a_slack_workspace_spends_of_the_same(bank: Bank) -> None:
    slack, github = CATALOG.providers["slack"], CATALOG.providers["github"]
    assert LimitKey.of(slack, "slack", "T1/U1").key == LimitKey.of(slack, "slack", "T1/U2").key
    assert LimitKey.of(slack, "slack", "T1/U1").key != LimitKey.of(slack, "slack", "T2/U1").key
    assert LimitKey.of(github, "github", "1").key != LimitKey.of(github, "github", "2").key


async def test_what_is_spent_without_asking_is_paid_by_the_next_call(bank: Bank) -> None:
    account = bank.account(READ)
    bank.limiter.owe(account, unasked(account.provider, "give_back"))
    bank.limiter.owe(account, unasked(account.provider, "refresh"))
    bank.limiter.owe(account, costs(READ, minting=False))
    assert await bank.spend(READ) == 0
    left = await bank.left()
    assert (left["revocations"], left["token requests"], left["requests"]) == (890, 1999, 4996)
    assert await bank.spend(READ) == 0
    assert (await bank.left())["requests"] == 4994, "and once only"
