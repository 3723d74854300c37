"""How another program starts this loaner: by a whole path, since its own PATH and folder are anybody's guess."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from loaner.errors import UsageError


def command() -> list[str]:
    """The program and what comes before the verb. Raises :class:`UsageError` for a loaner that will not stay."""
    if {"archive-v0", "environments-v2", "builds-v0"} & set(Path(sys.prefix).parts):
        raise UsageError(
            "this loaner is a temporary one that uvx made, and a host would look for it in vain.",
            do="Install it first: uv tool install loaner, or pipx install loaner",
        )
    name = "loaner.exe" if sys.platform == "win32" else "loaner"
    beside = Path(sysconfig.get_path("scripts")) / name
    if beside.is_file():
        return [str(beside)]
    on_path = shutil.which(name)
    return [str(Path(on_path).absolute())] if on_path else [sys.executable, "-m", "loaner"]


def serving(*, sandbox: bool = False) -> tuple[str, list[str], dict[str, str]]:
    """Command, arguments and variables of a server over stdio: of these settings and this home, whoever starts it."""
    from loaner.settings.sources import NAMED_BY

    program, *before = command()
    named = os.environ.get(NAMED_BY)
    config = ["--config", named] if named else []
    home = os.environ.get("LOANER_HOME")
    variables = {"LOANER_HOME": str(Path(home).absolute())} if home else {}
    return program, [*before, "serve", *(["--sandbox"] if sandbox else []), *config], variables
