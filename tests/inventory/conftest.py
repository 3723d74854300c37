from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.terminal import terminal_in
from mcp_hosts.conftest import Desk


@pytest.fixture
def desk(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """The person's own files hold keys, so they are not among those in which loaner must leave none."""
    for name in ("CODEX_HOME", "CLAUDE_CONFIG_DIR", "GH_CONFIG_DIR", "GH_HOST"):
        monkeypatch.delenv(name, raising=False)
    with terminal_in(tmp_path / "loaner") as terminal:
        yield Desk(tmp_path_factory.mktemp("person"), terminal)


def written(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file
