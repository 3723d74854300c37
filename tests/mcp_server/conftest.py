from __future__ import annotations

import pytest

from mcp_server.fakes import FakeLoaner, fake_loaner


@pytest.fixture
def served() -> FakeLoaner:
    return fake_loaner()
