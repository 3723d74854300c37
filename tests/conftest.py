from __future__ import annotations

import httpx2
import hypothesis
import pytest

from desk import desk

pytest_plugins = ["databases", "promises", "quick", "verbs"]

# On a machine at its limit an answer may be late, and no test is about the patience of its own HTTP client.
for limit in ("connect", "read", "write", "pool"):
    setattr(httpx2.AsyncClient.__init__.__kwdefaults__["timeout"], limit, 60.0)

hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


__all__ = ["desk"]
