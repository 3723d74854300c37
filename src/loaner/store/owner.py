"""Which process holds something, and whether it still runs: host, pid namespace, pid and when the process started."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path


def this_process() -> str:
    """Asked anew each time, because a process that was forked is not its parent."""
    return _described(os.getpid())


def is_here(owner: str) -> bool:
    """Is the owner a process that this one could see? Of other machines only time can tell."""
    return owner.rsplit(" ", 2)[0] == _host()


def is_gone(owner: str) -> bool:
    """Is it certain that the owner does not run any more?"""
    _, pid, started = owner.rsplit(" ", 2)
    if not is_here(owner):
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    # A pid is used again; and one that is killed but not yet waited for will do nothing more.
    state, now = _stat(int(pid))
    return now != started or state == "Z"


def told(owner: str) -> str:
    """The process in words for a person: ``pid 7 on host``."""
    host, pid, _ = owner.rsplit(" ", 2)
    return f"pid {pid} on {host.partition('/')[0]}"


@cache
def _described(pid: int) -> str:
    return f"{_host()} {pid} {_stat(pid)[1]}"


@cache
def _host() -> str:
    # Containers may share a host name and still not see each other's processes.
    try:
        namespace = Path("/proc/self/ns/pid").readlink().name  # pid:[4026531836]
    except OSError:
        namespace = "0"
    return f"{socket.gethostname()}/{namespace}"


def _stat(pid: int) -> tuple[str, str]:
    """The state of a process and when it started; ``("?", "?")`` where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        return "?", "?"
