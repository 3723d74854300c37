"""From `git clone` to the end of `./run demo --auto`: what a newcomer waits for."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def measure() -> dict[str, Any]:
    """Clone, install from nothing, run the demo, then run it once more. Raises CalledProcessError when one fails."""
    with TemporaryDirectory(prefix="loaner-clone-") as place:
        checkout = Path(place) / "loaner"
        steps = {
            "clone": ["git", "clone", "--quiet", str(ROOT), str(checkout)],
            "install and demo": [str(checkout / "run"), "demo", "--auto"],
            "demo again": [str(checkout / "run"), "demo", "--auto"],
        }
        took: dict[str, float] = {}
        for name, command in steps.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=place)
            took[name] = time.perf_counter() - began
    print("\nfrom git clone to the end of the demo (packages from the index or pip's cache)")
    print("  " + "   ".join(f"{name} {seconds:.1f} s" for name, seconds in took.items()))
    return took
