from __future__ import annotations

import pytest

pytest_plugins = ["databases", "promises"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
