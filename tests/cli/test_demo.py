"""The demo, as a newcomer runs it: it shows the whole main job, or it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


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
