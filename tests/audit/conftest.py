from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from audit_parts import Clock

from databases import with_store
from loaner.audit import Audit
from loaner.store import LocalKey, Store, open_store


@pytest.fixture
def now() -> Clock:
    return Clock()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{with_store(tmp_path)}/loaner.db"


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with open_store(url, LocalKey(bytes(32))) as store:
        yield store


@pytest.fixture
def audit(store: Store, now: Clock) -> Audit:
    return Audit(store, now)
