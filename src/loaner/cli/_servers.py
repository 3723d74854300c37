"""Where the servers of one ``LOANER_HOME`` are reached: a file each, gone when the server is."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = "servers"


@dataclass(frozen=True)
class Server:
    pid: int
    base_url: str
    mcp_url: str | None
    sandbox: str | None
    """Base URL of the sandbox that it uses, or ``None`` for one that serves real providers."""


@contextlib.contextmanager
def announced(home: Path, server: Server) -> Iterator[None]:
    """Leave word of a server while the block runs."""
    file = home / FOLDER / f"{server.pid}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    _forget_the_dead(file.parent)
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps(asdict(server)))
    draft.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _forget_the_dead(folder: Path) -> None:
    """Word of servers that ended without a chance to take it back. Who only looks leaves it."""
    for file in folder.glob("*.json"):
        with contextlib.suppress(OSError, ValueError):
            try:
                os.kill(int(file.stem), 0)
            except ProcessLookupError:
                file.unlink(missing_ok=True)


def forget(home: Path, pid: int) -> None:
    """Remove word of a server that ends without unwinding."""
    (home / FOLDER / f"{pid}.json").unlink(missing_ok=True)


def running(home: Path) -> list[Server]:
    """The servers that are running now, the newest first."""
    found = []
    for file in sorted((home / FOLDER).glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True):
        try:
            server = Server(**json.loads(file.read_text()))
            os.kill(server.pid, 0)
        except (OSError, ValueError, TypeError):
            continue
        else:
            found.append(server)
    return found
