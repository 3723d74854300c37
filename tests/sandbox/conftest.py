from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from loaner.sandbox.run import RunningSandbox, serving


@pytest.fixture
async def sandbox(anyio_backend: str) -> AsyncIterator[RunningSandbox]:
    """A sandbox of this test's own, on a free port."""
    async with serving() as running:
        yield running
