"""The fixtures of other suites, on PostgreSQL: what is imported beside this file is run on it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from databases import Server
from house import House, house
from journeys.town import Town, town
from loaner.audit import Audit
from loaner.store import LocalKey, Store, open_store

sys.path.append(str(Path(__file__).parents[1] / "audit"))
SUITES = (
    "consent.test_approvals",
    "consent.test_questions",
    "audit.test_chain",
    "audit.test_closing_with_the_loan",
    "lending.test_ways_out",
    "lending.test_refresh",
    "journeys.test_one_call",
    "stop.test_elsewhere",
    "stop.test_stop",
)
for suite in SUITES:
    pytest.register_assert_rewrite(suite)

from audit_parts import Clock  # noqa: E402 - found by the line above

from stop.conftest import linked  # noqa: E402, F401 - a town where alice has connected two providers


@pytest.fixture
def now() -> Clock:
    return Clock()


@pytest.fixture
def url(postgresql: Server, postgresql_template: str) -> str:
    return postgresql.database(postgresql_template)


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with open_store(url, LocalKey(bytes(32))) as opened:
        yield opened


@pytest.fixture
def audit(store: Store, now: Clock) -> Audit:
    return Audit(store, now)


@pytest.fixture
async def local(tmp_path: Path, url: str) -> AsyncIterator[House]:
    async with house(tmp_path, store_url=url) as built:
        yield built


@pytest.fixture
async def acme(tmp_path: Path, url: str) -> AsyncIterator[Town]:
    async with town(tmp_path / "home", store=url) as built:
        yield built
