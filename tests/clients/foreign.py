"""Python clients of other makers, each in an environment of its own: what they need does not go with what we need.

Their locks lie beside this file, with hashes; `./run lock` writes them. Git ignores the environments.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE.parent.parent / ".conformance"
NAMES = ("fastmcp", "langchain")


def _folder(name: str) -> Path:
    lock = (HERE / f"{name}.lock").read_bytes()
    return CACHE / f"{name}-{hashlib.sha256(lock + sys.version.encode()).hexdigest()[:12]}"


def python(name: str) -> Path:
    """The interpreter that has this client."""
    return _folder(name) / "bin" / "python"


def installed(name: str) -> bool:
    """Whether `install` has finished for the present lock."""
    return (_folder(name) / "finished").exists()


def install(name: str) -> bool:
    """Install one client unless it is there; False where no package index can be reached."""
    if installed(name):
        return True
    venv.create(_folder(name), with_pip=True, clear=True)
    wanted = ["install", "-qq", "--no-compile", "--require-hashes", "-r", str(HERE / f"{name}.lock")]
    quick = os.environ | {"PIP_RETRIES": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    if subprocess.run([python(name), "-m", "pip", *wanted], env=quick, check=False).returncode:
        return False
    (_folder(name) / "finished").touch()
    return True
