"""The one sandbox of a ``LOANER_HOME``: a process of its own, shared by the servers of all windows.

It ends by itself once no server has used it for a while. So a window that is closed, and a host that only looks whether
the server starts, neither end nor change the emulated world.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import structlog

from loaner.cli import _sandboxed, _servers
from loaner.errors import LoanerError, StoreUnusable, UsageError
from loaner.grants import endings
from loaner.sandbox.run import STATE_FILE

if TYPE_CHECKING:
    from loaner.assembly import Loaner

log = structlog.get_logger(__name__)
UNUSED_SECONDS = 600.0
"""How long it waits for a server to use it."""
_LOOK_EVERY = 1.0
_GONE = "its sandbox is no more"


class NoSandbox(LoanerError):
    """The sandbox's process did not come up."""

    code = "sandbox_failed"


async def joined(home: Path) -> str:
    """The base URL of this home's sandbox, which is started where none answers."""
    return await anyio.to_thread.run_sync(_joined, home)


async def forget_the_gone(loaner: Loaner) -> None:
    """Grants of a sandbox that is no more are nothing any more; those of one that answers are not touched. Where the
    store cannot be read, the next start does it."""
    environment = loaner.settings.environment
    try:
        places = await loaner.store.read(lambda c: endings.places(c, environment))
    except StoreUnusable as failure:
        log.warning("grants of sandboxes that are gone were not looked for", reason=failure.log)
        return
    for place in places:
        try:
            await _sandboxed.refuse_nothing(place.split(" ")[0])
        except UsageError:
            await loaner.revocations.forget(place, how=_GONE)
            await loaner.store.write(partial(endings.forget, environment=environment, place=place, reason=_GONE))


async def unused(home: Path, url: str) -> None:
    """Return once no server of this home has used the sandbox at ``url`` for a while, or the home is gone."""
    left = UNUSED_SECONDS
    while left > 0 and (home / STATE_FILE).exists():
        await anyio.sleep(_LOOK_EVERY)
        used = any(server.sandbox == url for server in _servers.running(home))
        left = UNUSED_SECONDS if used else left - _LOOK_EVERY


def _joined(home: Path) -> str:
    with _one_at_a_time(home):
        with contextlib.suppress(UsageError):
            url = _sandboxed.running(home)
            anyio.run(_sandboxed.refuse_nothing, url)
            return url
        return _started(home)


def _started(home: Path) -> str:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "loaner", "sandbox", "--while-used"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "LOANER_HOME": str(home)},
        cwd=home,
        start_new_session=True,  # a Ctrl-C in one window is not for the others
    )
    assert process.stdout  # noqa: S101 - it is a pipe
    with process.stdout as told:
        line = told.readline()
    if not line:
        raise NoSandbox("the sandbox did not start.", do="Try: loaner sandbox")
    process.returncode = 0  # it outlives us on purpose, so that Python needs not warn of it
    return str(json.loads(line)["base_url"])


@contextlib.contextmanager
def _one_at_a_time(home: Path) -> Iterator[None]:
    """Two windows that open at once start one sandbox between them."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with (home / "sandbox.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
