"""``--config FILE``, before the verb or after it: the settings file of this run, and of what the run starts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from loaner.errors import LoanerError, SettingsInvalid, UsageError

FLAG = "--config"


def without(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """The command line without ``--config``, and the file that it named. Raises :class:`UsageError`."""
    left: list[str] = []
    named: list[str] = []
    coming = iter(arguments)
    for argument in coming:
        if argument == "--":
            return [*left, argument, *coming], _the_one(named)
        if argument == FLAG:
            named.append(next(coming, ""))
        elif argument.startswith(f"{FLAG}="):
            named.append(argument.removeprefix(f"{FLAG}="))
        else:
            left.append(argument)
    return left, _the_one(named)


def looked_for(config: str | None, failure: LoanerError) -> str:
    """The settings file of a run that failed by its settings; empty where that was not the fault."""
    from loaner.settings.sources import is_there, settings_file

    if not isinstance(failure, SettingsInvalid):
        return ""
    try:
        with named(config):
            file = settings_file()
            return str(file) if is_there(file) else f"{file}, which does not exist"
    except SettingsInvalid:
        return ""  # the failure is about that file, and names it


@contextmanager
def named(file: str | None) -> Iterator[None]:
    """Let ``LOANER_CONFIG`` name it while the block runs, so that it beats the variable and reaches every child."""
    from loaner.settings.paths import absolute
    from loaner.settings.sources import NAMED_BY

    if file is None:
        yield
        return
    before = os.environ.get(NAMED_BY)
    os.environ[NAMED_BY] = str(absolute(file, setting=FLAG, base=Path.cwd()))
    try:
        yield
    finally:
        if before is None:
            del os.environ[NAMED_BY]
        else:
            os.environ[NAMED_BY] = before


def _the_one(named: list[str]) -> str | None:
    if len(named) > 1 or named == [""] or (named and named[0].startswith("-")):
        raise UsageError(f"{FLAG} takes one file.", do=f"For example: loaner {FLAG} ~/loaner.toml status")
    return named[0] if named else None
