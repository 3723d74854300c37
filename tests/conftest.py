from __future__ import annotations

import pytest

from desk import desk

pytest_plugins = ["databases", "promises", "quick", "verbs"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


__all__ = ["desk"]
