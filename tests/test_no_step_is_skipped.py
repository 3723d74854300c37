"""The journey's own claim: whoever leaves out a step of a call is told so by the type checker."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
JOURNEY = ROOT / "src" / "loaner" / "journey.py"
STEPS = {
    "record",
    "caller",
    "operation",
    "bound",
    "scope",
    "ruling",
    "connector",
    "consent",
    "borrower",
    "loan",
    "reply",
}


class LeavesOut(ast.NodeTransformer):
    """Takes one step out: the statement that binds a name, or that part of an ``async with``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.found = 0

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if any(isinstance(target, ast.Name) and target.id == self.name for target in node.targets):
            self.found += 1
            return ast.Pass()
        return node

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        kept = [item for item in node.items if getattr(item.optional_vars, "id", "") != self.name]
        self.found += len(node.items) - len(kept)
        node.items = kept
        return node if kept else node.body


def carry(tree: ast.Module) -> ast.AsyncFunctionDef:
    return next(node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef) and node.name == "carry")


def bound(tree: ast.Module) -> Iterator[str]:
    """What the steps of a call bind, in ``carry`` alone; not what only notes how it went."""
    for node in ast.walk(carry(tree)):
        if isinstance(node, ast.Assign) and not isinstance(node.value, ast.Constant | ast.Attribute):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
            yield node.optional_vars.id


def test_a_step_that_is_left_out_does_not_type_check(tmp_path: Path) -> None:
    whole = ast.parse(JOURNEY.read_text("utf-8"))
    names = set(bound(whole))
    assert names >= STEPS
    (tmp_path / "journey_with_all.py").write_text(ast.unparse(whole))
    for name in names:
        tree, leaves_out = deepcopy(whole), LeavesOut(name)
        leaves_out.visit(carry(tree))
        assert leaves_out.found, name
        (tmp_path / f"journey_without_{name}.py").write_text(ast.unparse(ast.fix_missing_locations(tree)))
    command = [sys.executable, "-m", "mypy", "--follow-imports=silent", "--no-error-summary"]
    files = sorted(map(str, tmp_path.glob("*.py")))
    said = subprocess.run([*command, *files], cwd=ROOT, check=False, capture_output=True, text=True)
    assert said.returncode == 1, said.stdout + said.stderr
    wrong = {Path(line.partition(":")[0]).stem for line in said.stdout.splitlines() if ": error: " in line}
    assert wrong == {f"journey_without_{name}" for name in names}
