"""The meaning of each field of a model: the docstring that stands under it in the source, as Markdown.

Read from the source here and not by pydantic, so that no start of loaner pays for it.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import textwrap
from functools import cache
from typing import Any

from pydantic import BaseModel


def note(model: type[BaseModel], field: str) -> str:
    """What stands under a field, in one line; empty where nothing does."""
    for owner in model.__mro__:
        if field in (found := _notes(owner)):
            return found[field]
    return ""


def about(model: type[BaseModel]) -> str:
    """The docstring of a model, in one line."""
    return plain(model.__doc__ or "") if "__doc__" in vars(model) else ""


def plain(text: str) -> str:
    """A docstring in Markdown and on one line."""
    text = re.sub(r":[a-z]+:`~?([^`]*)`", lambda found: f"`{found[1].rpartition('.')[2]}`", text)
    return " ".join(text.replace("``", "`").split())


@cache
def _notes(owner: type[Any]) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    except (OSError, TypeError):
        return {}
    body = next(node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    notes = {}
    for field, after in itertools.pairwise(body):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
            notes[field.target.id] = plain(after.value.value)
    return notes
