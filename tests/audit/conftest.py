from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from audit_parts import Clock

from loaner.audit import Audit
from loaner.store import LocalKey, Store, open_store
from loaner.store.engine import create
from loaner.store.schema import bring_up_to_date


@pytest.fixture
def now() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store, migrated once and copied for each test."""
    file = tmp_path_factory.mktemp("template") / "loaner.db"
    engine = create(f"sqlite:///{file}")
    bring_up_to_date(engine)
    engine.dispose()
    return file


@pytest.fixture
def url(template: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(template, tmp_path / 'loaner.db')}"


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with open_store(url, LocalKey(bytes(32))) as store:
        yield store


@pytest.fixture
def audit(store: Store, now: Clock) -> Audit:
    return Audit(store, now)
