"""The fork server's other end: children that are started, waited for, let go on, and killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.abc

PROGRAM = Path(__file__).with_name("forkserver.py")


@dataclass
class Child:
    pid: int
    ready: anyio.Event = field(default_factory=anyio.Event)
    """It waits for :meth:`go`, or is over."""
    ended: anyio.Event = field(default_factory=anyio.Event)
    status: int | None = None

    async def wait(self, seconds: float = 60) -> int:
        with anyio.fail_after(seconds):
            await self.ended.wait()
        assert self.status is not None
        return self.status

    async def stops(self) -> bool:
        """Wait until it stops to be let go on; whether it does, and has not ended before."""
        with anyio.fail_after(60):
            await self.ready.wait()
        return not self.ended.is_set()

    def go(self) -> None:
        self.ready = anyio.Event()
        os.kill(self.pid, signal.SIGUSR1)

    async def kill(self) -> None:
        if not self.ended.is_set():
            os.kill(self.pid, signal.SIGKILL)
            await self.wait()


class Forks:
    """The other end of ``forkserver.py``."""

    def __init__(self, process: anyio.abc.Process) -> None:
        self.process = process
        self.children: dict[int, Child] = {}
        self._started, self._made = anyio.create_memory_object_stream[Child](100)
        self._turn = anyio.Lock()
        self.over = ""

    async def listen(self) -> None:
        assert self.process.stdout
        waiting = b""
        async for chunk in self.process.stdout:
            *lines, waiting = (waiting + chunk).split(b"\n")
            for line in lines:
                said = json.loads(line)
                if "ready" in said:
                    self.children[said["pid"]].ready.set()
                elif "status" in said:
                    self._over(self.children.pop(said["pid"]), said["status"])
                else:  # known from here on, for it may be ready, or over, in the next line
                    self.children[said["pid"]] = child = Child(said["pid"])
                    await self._started.send(child)
        # Raised in the fixture's task group it would cancel the runner of every later test of this worker.
        self.over = f"the fork server ended with status {await self.process.wait()}"
        for child in self.children.values():
            self._over(child, -1)
        self._started.close()

    async def start(self, **job: Any) -> Child:
        assert self.process.stdin
        assert not self.over, self.over
        async with self._turn:
            await self.process.stdin.send(json.dumps(job).encode() + b"\n")
            try:
                return await self._made.receive()
            except anyio.EndOfStream:
                raise AssertionError(self.over) from None

    def _over(self, child: Child, status: int) -> None:
        child.status = status
        child.ended.set()
        child.ready.set()


@contextlib.asynccontextmanager
async def forks() -> AsyncIterator[Forks]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LOANER_")}
    async with await anyio.open_process(
        [sys.executable, "-W", "ignore", str(PROGRAM)], stderr=None, env=environment
    ) as process:
        server = Forks(process)
        async with anyio.create_task_group() as tasks, server._started, server._made:
            tasks.start_soon(server.listen)
            yield server
            for child in list(server.children.values()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGKILL)
            process.terminate()
            tasks.cancel_scope.cancel()
