"""Nothing that is shipped can arm a failpoint: only a test, from inside the process that it ends."""

from __future__ import annotations

import ast
from pathlib import Path

import loaner

PACKAGE = Path(loaner.__file__).parent


def takes_more_than_reached(source: str) -> bool:
    """Does this module name ``failpoints`` for anything but ``from loaner.failpoints import reached``?"""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import) and any("failpoints" in one.name for one in node.names):
            return True
        if isinstance(node, ast.ImportFrom):
            names = {one.name for one in node.names}
            if "failpoints" in names or ("failpoints" in (node.module or "") and names != {"reached"}):
                return True
        if isinstance(node, ast.Constant) and node.value == "loaner.failpoints":
            return True
    return False


def test_no_module_of_loaner_can_arm_a_failpoint() -> None:
    modules = [file for file in PACKAGE.rglob("*.py") if file.name != "failpoints.py"]
    assert len(modules) > 100
    assert [file for file in modules if takes_more_than_reached(file.read_text(encoding="utf-8"))] == []


def test_the_look_finds_every_way_to_arm_one() -> None:
    for way in (
        "from loaner.failpoints import arm",
        "from loaner import failpoints",
        "import loaner.failpoints",
        "from loaner.failpoints import *",
        'importlib.import_module("loaner.failpoints")',
    ):
        assert takes_more_than_reached(way), way
    assert not takes_more_than_reached("from loaner.failpoints import reached")
