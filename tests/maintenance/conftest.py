from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cli.terminal import Terminal, terminal_in
from journeys.town import providers
from maintenance.operator_parts import Operator


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with terminal_in(tmp_path / "home") as at:
        yield at


@pytest.fixture
async def operator(terminal: Terminal) -> AsyncIterator[Operator]:
    """Somebody at a terminal beside providers that outlive each server."""
    async with providers(terminal.home) as running:
        yield Operator(terminal, running, terminal.home.parent / "kept.backup")
