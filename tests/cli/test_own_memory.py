"""A program of the same user finds no secret in a running loaner: what the system is asked for, and what it answers
(MUST 61)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli.terminal import Terminal

PR_GET_DUMPABLE = 3
AFTER_A_VERB = f"""
import contextlib, ctypes, sys
from loaner.cli import main
sys.argv = ["loaner", "--version"]
with contextlib.suppress(SystemExit):
    main()
print(ctypes.CDLL(None).prctl({PR_GET_DUMPABLE}, 0, 0, 0, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux can be asked for it")
def test_no_other_program_of_the_user_reads_its_memory_or_environment() -> None:
    told = subprocess.run([sys.executable, "-c", AFTER_A_VERB], check=True, capture_output=True, text=True).stdout
    assert told.splitlines()[-1] == "0"


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="the system does not tell")
def test_a_server_leaves_no_core_dump(terminal: Terminal) -> None:
    server = terminal.start("serve", "--http", "--sandbox", "--port", "0")
    assert "MCP at" in server.told()
    limits = Path(f"/proc/{server.pid}/limits").read_text().splitlines()
    (core,) = [line.split()[4:6] for line in limits if line.startswith("Max core file size")]
    assert core == ["0", "0"]
