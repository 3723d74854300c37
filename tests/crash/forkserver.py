"""A program that has everything imported, and forks a server, or a recovery, for each line on its stdin.

Kept apart from the tests' process, because forking is only safe without threads. A child says ``{"pid"}`` before it
does anything, so that nothing of it is heard earlier, and ``{"pid", "ready"}`` when it stops to be let go on; that one
ended is said for it, ``{"pid", "status"}``.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpcore2  # noqa: F401 - otherwise each child imports it anew
from httpx2._transports import default

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from crash import jobs, measuring
from loaner import assembly, catalog, failpoints, settings, web
from loaner.cli import _listening, _sandboxed, loans, serve
from loaner.mcp_server import http, stdio
from loaner.store import engine as engines

_PRELOADED = (web, _listening, loans, http, stdio)
_REHEARSED: set[str] = set()
WHERE = ("LOANER_HOME", "LOANER_SANDBOX", "LOANER_STORE")


def main() -> None:
    # Reading seventy connector files, the rules and the machine's certificates takes longer than all the rest of a
    # start, and is the same each time. An engine keeps the statements that it has put together, and no connection.
    trusted = default.create_ssl_context()
    default.create_ssl_context = lambda *_, **__: trusted
    remember(
        settings, "load", lambda: str(sorted(pair for pair in os.environ.items() if pair[0].startswith("LOANER_")))
    )
    remember(catalog, "load", lambda **named: str(named))
    remember(assembly, "read_policy", lambda folder, *_, **named: f"{folder} {named}")
    remember(engines, "create", str)
    wake, ended = os.pipe()
    os.set_blocking(ended, False)
    signal.set_wakeup_fd(ended, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    gc.freeze()
    commands = sys.stdin.buffer.raw
    waiting = b""
    while True:
        ready, _, _ = select.select([commands, wake], [], [])
        if wake in ready:
            os.read(wake, 4096)
            reap()
        if commands in ready:
            said = commands.read(65536)
            if not said:
                return
            waiting += said
            *lines, waiting = waiting.split(b"\n")
            for line in lines:
                start(json.loads(line))


def remember(module: Any, name: str, key: Callable[..., str]) -> None:
    """Have a function of a module called once for the same arguments."""
    function, known = getattr(module, name), dict[str, Any]()

    def again(*args: Any, **named: Any) -> Any:
        same = key(*args, **named)
        if same not in known:
            known[same] = function(*args, **named)
        return known[same]

    setattr(module, name, again)


def start(job: dict[str, Any]) -> None:
    os.environ |= {name: job[name.removeprefix("LOANER_").lower()] for name in WHERE}
    assembly.read_catalog(_sandboxed.on_sandbox(settings.load(), job["sandbox"]))
    if job["do"] == "carry" and job["store"] not in _REHEARSED:
        # The first call of a process puts its SQL together. Here, it is that of all of them.
        _REHEARSED.add(job["store"])
        anyio.run(jobs.rehearse, job)
        while threading.active_count() > 1:  # a thread that ends may hold what a child would wait for
            time.sleep(0.001)
        gc.collect()
        gc.freeze()
    if os.fork() == 0:
        child(job)


def child(job: dict[str, Any]) -> None:
    code = 1
    try:
        tell({"pid": os.getpid()})
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.environ |= job.get("settings", {})
        job["tell"] = os.dup(1)
        # Blocked before there are threads, so that a child can wait for it in the one that asks.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        log = os.open(Path(job["home"]) / "stderr.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        if job["do"] == "serve":
            if job["measured"]:
                measuring.answer_measures(job)
            if job["point"]:
                failpoints.arm(job["point"], passes=job["passes"])
            chosen = settings.load()
            port = chosen.http.model_copy(update={"port": job["port"]})
            anyio.run(serve._serve, chosen.model_copy(update={"http": port}), True)
        else:
            anyio.run(getattr(jobs, job["do"]), job)
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, the child must not go on as the fork server
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def reap() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        tell({"pid": pid, "status": os.waitstatus_to_exitcode(status)})


def tell(what: dict[str, Any]) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    main()
