from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from github_steps import GitHub

from loaner.sandbox.run import RunningSandbox, serving


@pytest.fixture
async def sandbox(anyio_backend: str) -> AsyncIterator[RunningSandbox]:
    """A sandbox of this test's own, on a free port."""
    async with serving() as running:
        yield running


@pytest.fixture
async def github(sandbox: RunningSandbox) -> AsyncIterator[GitHub]:
    async with httpx2.AsyncClient(headers={"user-agent": "tests"}, verify=False) as http:
        yield GitHub(sandbox, http)
