"""``tests/conformance/node.py``, which is imported by its bare name only from beside it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType


def _node() -> ModuleType:
    file = Path(__file__).parents[1] / "conformance" / "node.py"
    spec = importlib.util.spec_from_file_location("conformance_node", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


node = _node()
