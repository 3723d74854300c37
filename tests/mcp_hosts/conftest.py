from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.terminal import Done, Terminal, terminal_in


class Desk:
    """A person's computer: their home, the hosts' files in it, and a terminal."""

    def __init__(self, home: Path, terminal: Terminal) -> None:
        self.home = home
        self.terminal = terminal
        self.settings = home / ".config"

    @property
    def files(self) -> dict[str, Path]:
        return {
            "claude-code": self.home / ".claude.json",
            "claude-desktop": self.settings / "Claude" / "claude_desktop_config.json",
            "codex": self.home / ".codex" / "config.toml",
            "gemini": self.home / ".gemini" / "settings.json",
            "vscode": self.settings / "Code" / "User" / "mcp.json",
            "cursor": self.home / ".cursor" / "mcp.json",
        }

    def has(self, host: str, content: bytes = b"") -> Path:
        """The host is installed; its file says this, and is not there where it says nothing."""
        file = self.files[host]
        file.parent.mkdir(parents=True, exist_ok=True)
        (self.home / ".claude").mkdir(exist_ok=True)
        if content:
            file.write_bytes(content)
        return file

    def type(self, *arguments: str, **variables: str) -> Done:
        at_home = {"HOME": str(self.home), "XDG_CONFIG_HOME": str(self.settings), "PATH": "/nowhere"}
        return self.terminal.type(*arguments, **(at_home | variables))

    def beside(self, file: Path) -> list[Path]:
        """What lies beside a file that nobody would look for."""
        return [one for one in file.parent.iterdir() if one.name.endswith(".loaner")]


@pytest.fixture
def desk_of_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    for name in ("CODEX_HOME", "CLAUDE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "person"
    home.mkdir()
    with terminal_in(tmp_path / "loaner") as terminal:
        yield Desk(home, terminal)
