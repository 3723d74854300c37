"""Reference data that lives outside the repository: tests that compare with it skip plainly where it is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def shared(name: str) -> Path:
    """The path of a reference file, or a skipped test."""
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"reference data {name} is not here")
    return path
