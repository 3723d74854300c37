"""No dead ends: what a tool has to be given, people know, or another tool gives it and ``find`` names that one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from loaner.catalog.operation import Operation
from loaner.catalog.result import Fields


def dead_ends(operations: Mapping[str, Operation]) -> Iterator[tuple[Operation, str, str]]:
    """Each operation with a parameter that no tool leads to, the parameter, and what is wrong."""
    for operation in operations.values():
        for name, param in operation.params.items():
            if param.role not in {"selector", "resource"} or not param.must_be_given or param.choices:
                continue
            fields = operation.provider.found.get(name)
            if fields is None:
                told = f"[found] of {operation.provider.name} does not say which results give {name!r}"
                yield operation, name, f"{told}; [] where people know it"
            elif fields and not _is_given(name, fields, operation, operations):
                told = " or ".join(fields)
                yield operation, name, f"find names no tool that gives {name!r}: one whose result has {told}"


def _is_given(name: str, fields: tuple[str, ...], operation: Operation, operations: Mapping[str, Operation]) -> bool:
    """By the tool that ``find`` names or, where that has to be given the same, by the one that it names itself."""
    seen: set[str] = set()
    while operation.find and operation.find not in seen and operation.find in operations:
        seen.add(operation.find)
        operation = operations[operation.find]
        param = operation.params.get(name)
        if param is None or not param.must_be_given:
            return any(has(operation.result.keep, field.split(".")) for field in fields)
    return False


def has(keep: Fields, path: list[str]) -> bool:
    """Is there such a field?"""
    kept = keep.get(path[0])
    if kept is None or len(path) == 1:
        return kept is not None
    return isinstance(kept.each, dict) and has(kept.each, path[1:])
