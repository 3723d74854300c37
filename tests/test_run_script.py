"""The shell's contract: `./run` names every verb it has, refuses the rest, and the README names only what exists."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RUN = ROOT / "run"
VERBS = {
    *("demo", "serve", "test", "lint", "types", "contracts", "format", "bench", "soak", "injection", "conformance"),
    *("build", "docs", "lock", "audit-deps", "clean", "proof"),
}


def run(*arguments: str, script: Path = RUN, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script, *arguments], capture_output=True, text=True, check=False, cwd="/", env=os.environ | environment
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what `./run` needs before anything is installed, in a place with a space in its name."""
    place = tmp_path / "a place"
    place.mkdir()
    shutil.copy(RUN, place)
    shutil.copytree(ROOT / "locks", place / "locks")
    shutil.copy(ROOT / "pyproject.toml", place)
    return place


def test_help_lists_every_verb_and_is_what_a_bare_run_says() -> None:
    said = run("help")
    assert said.returncode == 0
    assert said.stdout == run().stdout
    assert {verb for verb in VERBS if re.search(rf"(?:^| ){verb} ", said.stdout, re.MULTILINE)} == VERBS


def test_an_unknown_verb_is_refused_before_anything_is_installed(checkout: Path) -> None:
    said = run("tset", script=checkout / "run")
    assert said.returncode == 1
    assert "no verb 'tset'" in said.stderr
    assert not (checkout / ".venv").exists()


def test_a_python_that_is_too_old_is_named_as_the_reason(checkout: Path) -> None:
    tools = checkout / "tools"
    tools.mkdir()
    for name in ("sh", "cat", "cksum", "dirname", "mkdir", "rm", "env"):
        (tools / name).symlink_to(shutil.which(name) or name)
    old = tools / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    said = run("demo", script=checkout / "run", PATH=str(tools))
    assert said.returncode == 1
    assert "needs Python 3.11" in said.stderr
    assert not (checkout / ".venv.lock").exists()


def test_an_install_that_stopped_half_way_is_begun_anew_and_never_counts_as_made(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    for name in (".unfinished", "left over"):
        (checkout / ".venv" / name).touch()
    (checkout / "locks" / "runtime.txt").write_text("anyio==4.16.0 --hash=sha256:" + "0" * 64 + "\n")  # pip refuses
    said = run("demo", script=checkout / "run", PYTHON=sys.executable, PIP_NO_INDEX="1")
    assert said.returncode != 0
    assert not (checkout / ".venv" / "left over").exists()
    assert (checkout / ".venv" / ".unfinished").exists()
    assert not (checkout / ".venv" / ".made-runtime").exists()
    assert not (checkout / ".venv.lock").exists()


@pytest.mark.parametrize("script", ["run", ".ci/run"])
def test_shell_scripts_are_clean(script: str) -> None:
    checker = Path(sys.executable).with_name("shellcheck")
    found = subprocess.run([checker, ROOT / script], capture_output=True, text=True, check=False)
    assert found.stdout + found.stderr == ""


def test_every_verb_the_documents_name_exists() -> None:
    named = {
        (path.name, verb)
        for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        for verb in re.findall(r"(?<![\w/])\./run ([a-z][a-z-]*)", path.read_text("utf-8"))
    }
    assert {(where, verb) for where, verb in named if verb not in VERBS | {"help"}} == set()
