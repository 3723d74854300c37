"""The demo, as a newcomer runs it: it shows the whole main job, or it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from loaner.sandbox.person import Person


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loaner", "demo", *arguments]
    environment = {**os.environ, "LOANER_HOME": str(home)}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL, check=False
    )


def test_it_shows_a_consent_a_call_a_dead_key_and_a_record_for_each_provider(tmp_path: Path) -> None:
    done = run(tmp_path, "--auto")
    assert done.returncode == 0, done.stderr
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    said: dict[str, list[str]] = {}
    for line in lines:
        if len(line) == 3:
            said.setdefault(f"{line[0]} {line[1]}", []).append(line[2])
    for step in ("! consent", "✓ approved", "✓ called", "✓ key", "✓ record"):
        assert len(said[step]) == 3, step
    assert "issues:read" in said["✓ key"][0]
    assert "revoked at GitHub" in said["✓ key"][0]
    assert {told.split(":")[0] for told in said["✓ revoked"]} == {"github", "linear"}
    assert {told.split(":")[0] for told in said["! revoked"]} == {"slack"}, "it ends no refresh token"
    assert [told.rpartition(": ")[2].split()[0] for told in said["✓ replay"]] == ["401", "200", "401"]
    assert "token_revoked" in said["✓ replay"][1]  # Slack says no with HTTP 200
    assert "chain intact" in said["✓ verified"][0]
    assert done.stderr == ""


def test_it_needs_somebody_to_consent(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 2
    assert "loaner demo --auto" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_after_one_enter_it_goes_on_by_itself(tmp_path: Path) -> None:
    """A person without a browser here: they get the link, answer elsewhere, and press nothing more."""
    terminal, theirs = os.openpty()
    environment = {**os.environ, "LOANER_HOME": str(tmp_path), "BROWSER": "no-such-browser", "DISPLAY": ""}
    command = [sys.executable, "-m", "loaner", "demo"]
    demo = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, text=True, env=environment)
    os.close(theirs)
    told, entered = "", 0
    with demo, os.fdopen(terminal, "wb", buffering=0) as keyboard:
        assert demo.stdout
        for line in demo.stdout:
            told += line
            if "press Enter" in line:
                keyboard.write(b"\n")
                entered += 1
            elif "none could be opened here: open " in line:
                page = line.partition("open http")[2].split()[0].rstrip(".")
                sandbox = json.loads((tmp_path / "demo" / "sandbox.json").read_text())["base_url"]
                ours = f"http{page.partition('/consent')[0]}"
                assert Person("alice", sandbox).visit(f"http{page}", loaner_url=ours).state == "approved"
    assert demo.returncode == 0, told
    assert entered == 3, told
    assert "goes on automatically" in told
    assert "chain intact" in told
