"""A person's machine: their own settings file, and the folder that a host happens to start loaner in."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from loaner.errors import SettingsInvalid
from loaner.settings import Settings, load


@dataclass
class Place:
    own: Path
    project: Path
    home: Path
    patch: pytest.MonkeyPatch

    def write(self, text: str, file: Path | None = None) -> Path:
        file = file or self.own
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def read(self, text: str = "", **flags: object) -> Settings:
        """What loading makes of the person's own file and these flags."""
        self.write(text)
        return load(**flags)

    def refusal(self, text: str = "", **flags: object) -> str:
        """What it says where it refuses them."""
        with pytest.raises(SettingsInvalid) as refused:
            self.read(text, **flags)
        return refused.value.told()


@contextlib.contextmanager
def place_in(top: Path) -> Iterator[Place]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("LOANER_")]:
            patch.delenv(name)
        project = top / "project"
        project.mkdir()
        patch.chdir(project)
        patch.setenv("HOME", str(top))
        patch.setenv("XDG_CONFIG_HOME", str(top / "config"))
        patch.setenv("XDG_STATE_HOME", str(top / "state"))
        yield Place(top / "config" / "loaner" / "config.toml", project, top / "state" / "loaner", patch)
