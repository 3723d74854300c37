"""A program that has everything imported, and forks a server, or a recovery, for each line on its stdin.

Kept apart from the tests' process, because forking is only safe without threads. Says ``{"pid"}`` for each child it
made and ``{"pid", "status"}`` when one ended.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import anyio
import httpcore2  # noqa: F401 - otherwise each child imports it anew
from httpx2._transports import default

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from crash import jobs
from loaner import assembly, catalog, failpoints, settings, web
from loaner.cli import _listening, _sandboxed, loans, serve
from loaner.mcp_server import http, stdio

_PRELOADED = (web, _listening, loans, http, stdio)


def main() -> None:
    # Reading seventy connector files and the machine's certificates takes longer than all the rest of a start, and is
    # the same each time.
    load, context = catalog.load, default.create_ssl_context
    read: dict[str, Any] = {}
    trusted = context()
    catalog.load = lambda **where: read.get(str(where)) or read.setdefault(str(where), load(**where))
    default.create_ssl_context = lambda *_, **__: trusted
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


def start(job: dict[str, Any]) -> None:
    os.environ["LOANER_HOME"] = job["home"]
    assembly.read_catalog(_sandboxed.on_sandbox(settings.load(), job["sandbox"]))
    pid = os.fork()
    if pid == 0:
        child(job)
    tell({"pid": pid})


def child(job: dict[str, Any]) -> None:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.environ |= {"LOANER_HOME": job["home"], "LOANER_SANDBOX": job["sandbox"], "LOANER_STORE": job["store"]}
        os.environ |= job.get("settings", {})
        log = os.open(Path(job["home"]) / "stderr.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        if job.get("point"):
            failpoints.arm(job["point"], passes=job.get("passes", 0))
        if job["do"] == "serve":
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
