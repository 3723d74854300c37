"""A person at a terminal: verbs run in this process, and the long-running ones as real processes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from loaner.cli._app import run
from promises import WATCH
from verbs import logs_restored


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def error(self) -> dict[str, Any]:
        """The one error object of ``--json``."""
        [line] = self.err.splitlines()
        told: dict[str, Any] = json.loads(line)["error"]
        return told

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Terminal:
    home: Path
    patch: pytest.MonkeyPatch
    processes: list[Process] = field(default_factory=list)

    def type(self, *arguments: str, **variables: str) -> Done:
        """Run one verb. Whatever it prints is watched for secrets, and a traceback fails the test."""
        out, err = io.StringIO(), io.StringIO()
        with (
            logs_restored(),
            self.patch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            patch.setenv("LOANER_HOME", str(self.home))
            for name, value in variables.items():
                patch.setenv(name, value)
            code = run(arguments)
        done = Done(code, out.getvalue(), err.getvalue())
        if arguments[:2] != ("sandbox", "token"):  # the one verb that is asked for a token, and of the sandbox only
            WATCH.hear("output", done.out)
        WATCH.hear("output", done.err)
        assert "Traceback" not in done.err
        return done

    def start(self, *arguments: str, **variables: str) -> Process:
        """Start a verb that goes on until it is stopped."""
        process = Process(arguments, {**os.environ, "LOANER_HOME": str(self.home), **variables})
        self.processes.append(process)
        return process

    def close(self) -> None:
        for process in self.processes:
            process.stop()
        end_sandbox(self.home)


def end_sandbox(home: Path) -> None:
    """End the sandbox that the servers of this home share; it waits for another window otherwise."""
    with contextlib.suppress(OSError):
        os.kill(json.loads((home / "sandbox.json").read_text())["pid"], signal.SIGTERM)


class Process:
    """``loaner …`` as a process of its own."""

    def __init__(self, arguments: tuple[str, ...], environment: dict[str, str], *, cwd: Path | None = None) -> None:
        self._running = subprocess.Popen(
            [sys.executable, "-P", "-W", "error::ResourceWarning", "-m", "loaner", *arguments],
            cwd=cwd,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.out = self.err = ""

    @property
    def pid(self) -> int:
        return self._running.pid

    def line(self) -> str:
        """The next line on stdout."""
        assert self._running.stdout
        line = self._running.stdout.readline()
        self.out += line
        return line

    def told(self) -> str:
        """The next line on stderr."""
        assert self._running.stderr
        line = self._running.stderr.readline()
        self.err += line
        return line

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it, and hear what it still had to say; the exit code."""
        if self._running.returncode is None:
            self._running.send_signal(how)
            out, err = self._running.communicate(timeout=60)
            self.out, self.err = self.out + out, self.err + err
            WATCH.hear("output", self.out + self.err)
            assert "Traceback" not in self.err
        assert self._running.returncode is not None
        return self._running.returncode


@contextlib.contextmanager
def terminal_in(home: Path) -> Iterator[Terminal]:
    """A terminal whose working folder and settings are empty."""
    with pytest.MonkeyPatch.context() as patch:
        home.mkdir(exist_ok=True)
        patch.chdir(home)
        patch.setenv("XDG_CONFIG_HOME", str(home))
        for name in [name for name in os.environ if name.startswith("LOANER_")]:
            patch.delenv(name)
        terminal = Terminal(home, patch)
        try:
            yield terminal
        finally:
            terminal.close()
