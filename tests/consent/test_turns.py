"""A turn is spent once, whoever is first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
from sqlalchemy import func, select

from loaner.consent import single_use
from loaner.store import LocalKey, open_store
from loaner.store.tables import throttles

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RACERS = 32


async def test_of_many_at_once_on_two_replicas_one_spends_it(store_url: str) -> None:
    """MUST 14: replayed, also across replicas."""
    key = LocalKey(bytes(32))
    won: list[bool] = []
    async with (
        open_store(store_url, key) as one,
        open_store(store_url, key) as other,
        anyio.create_task_group() as all_of_them,
    ):
        for number in range(RACERS):

            async def race(store: object = (one, other)[number % 2]) -> None:
                won.append(await store.write(lambda c: single_use.spend(c, "t" * 32, NOW)))  # type: ignore[attr-defined]

            all_of_them.start_soon(race)
    assert (len(won), won.count(True)) == (RACERS, 1)


async def test_what_is_over_is_forgotten_and_nothing_else(store_url: str) -> None:
    async with open_store(store_url, LocalKey(bytes(32))) as store:
        other = throttles.insert().values(key="wrong codes", count=3, window_ends=NOW)
        await store.write(lambda c: c.execute(other) and None)
        for number in range(3):
            assert await store.write(lambda c, n=number: single_use.spend(c, f"{n}", NOW + n * timedelta(minutes=5)))
        assert not await store.write(lambda c: single_use.spend(c, "2", NOW + timedelta(minutes=24)))
        assert await store.write(lambda c: single_use.spend(c, "later", NOW + timedelta(minutes=40)))
        left = await store.read(lambda c: c.execute(select(func.count()).select_from(throttles)).scalar())
    assert left == 2
