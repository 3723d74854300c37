"""What the build does before its verbs: it gets a browser where it can, and says so where it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
VERBS = ["lint", "types", "contracts", "conformance", "test"]
NONE = "ci: there is no Chromium and it could not be installed; its tests are skipped"
Ci = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ci(tmp_path: Path) -> Ci:
    """The script in a checkout whose verbs only say their names, on a machine that has the given programs alone."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    script(tmp_path / "run", 'echo "verb $1"; [ "$1" != "${FAILING:-}" ]')
    for name in ("bash", "dirname", "env", "touch", "chmod"):
        (tools / name).symlink_to(shutil.which(name) or name)

    def run(user: int = 0, apt: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        script(tools / "id", f"echo {user}")
        if apt is not None:
            script(tools / "apt-get", f'echo "$*" >>{tmp_path}/apt; {apt}')
        path = {"PATH": str(tools), "HOME": os.environ.get("HOME", "/")}
        return subprocess.run(
            [tmp_path / ".ci" / "run"], env=path | environment, capture_output=True, text=True, check=False
        )

    return run


def script(file: Path, body: str) -> None:
    file.write_text(f"#!/usr/bin/env bash\n{body}\n")
    file.chmod(0o755)


def test_a_browser_that_is_missing_is_installed(ci: Ci, tmp_path: Path) -> None:
    chromium = tmp_path / "tools" / "chromium"
    said = ci(apt=f'[ "$1" = update ] || {{ touch {chromium}; chmod +x {chromium}; }}')
    assert NONE not in said.stdout
    assert said.returncode == 0
    asked = (tmp_path / "apt").read_text().splitlines()
    assert asked[0].startswith("update")
    assert "-y chromium" in asked[1]
    assert [line.removeprefix("verb ") for line in said.stdout.splitlines() if line.startswith("verb ")] == VERBS


@pytest.mark.parametrize("user", [0, 1000], ids=["root", "a user"])
@pytest.mark.parametrize("apt", [None, "echo no network >&2; exit 100", "exit 0"], ids=["none", "fails", "lies"])
def test_where_none_can_be_had_it_says_so_and_goes_on(ci: Ci, user: int, apt: str | None) -> None:
    said = ci(user=user, apt=apt)
    assert said.stdout.startswith(NONE)
    assert ("no network" in said.stdout) is (user == 0 and apt is not None and "network" in apt)
    assert said.returncode == 0
    assert said.stdout.count("verb ") == len(VERBS)


def test_a_browser_that_is_named_is_enough(ci: Ci, tmp_path: Path) -> None:
    said = ci(apt="exit 0", CHROMIUM="/opt/chromium")
    assert NONE not in said.stdout
    assert not (tmp_path / "apt").exists()


def test_every_verb_runs_though_one_fails_and_the_last_line_names_it(ci: Ci) -> None:
    said = ci(CHROMIUM="/opt/chromium", FAILING="types")
    assert said.returncode == 1
    assert said.stdout.count("verb ") == len(VERBS)
    assert said.stdout.splitlines()[-1] == "ci: failed: types"
