"""The table of scopes: what each operation may ask for, when, and who holds it to that.

One row per operation, from the same rules by which calls are carried out, so that it cannot say anything else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from loaner.catalog import cost
from loaner.catalog.operation import Operation
from loaner.catalog.rule import PLACEHOLDER

COLUMNS = (
    "tool",
    "provider",
    "request",
    "permissions",
    "cases",
    "resource",
    "enforced_by",
    "effect",
    "idempotent",
    "tokens",
    "source",
)


def row(operation: Operation) -> dict[str, Any]:
    """One operation. ``permissions`` is what every call of it needs; ``cases`` is what adds to that, and when."""
    rule, limits = operation.rule, operation.provider.limits
    cases = [
        {"when": case.when, "mode": case.mode, "permissions": sorted(case.permissions)}
        | ({"resource": case.resource} if case.resource else {})
        for case in operation.scope.cases()
    ]
    cases += [
        {"when": "the app has only that", "mode": "instead", "permissions": sorted(alternative)}
        for alternative in rule.alternatives
    ]
    cases += [
        {"when": f"{PLACEHOLDER.findall(one)[0]} is given", "mode": "beside", "permissions": [], "resource": one}
        for one in rule.beside
    ]
    return {
        "tool": operation.tool,
        "provider": operation.provider.name,
        "request": operation.request,
        "permissions": sorted(operation.scope.permissions),
        "cases": cases,
        "resource": rule.resource,
        "enforced_by": {
            "permissions": limits.permissions,
            "resource": limits.resource if ":" in rule.resource else None,
            "call": limits.call,
        },
        "effect": operation.effect,
        "idempotent": operation.idempotent,
        "tokens": {"listed": cost.listed(operation), "answered": cost.answered(operation)},
        "source": operation.source,
    }


def rows(operations: Iterable[Operation]) -> list[dict[str, Any]]:
    return [row(operation) for operation in operations]


def case_told(case: dict[str, Any]) -> str:
    """``+workflows:write when path starts with .github/workflows/``."""
    sign = "+" if case["mode"] == "add" else "instead "
    changed = [sign + permission for permission in case["permissions"]]
    where = "and about" if case["mode"] == "beside" else "on"
    changed += [f"{where} {case['resource']}"] if "resource" in case else []
    return f"{', '.join(changed)} when {case['when']}"


def enforced_told(enforced: dict[str, str | None]) -> str:
    """``permissions, resource: provider; call: loaner``."""
    by: dict[str, list[str]] = {}
    for what, who in enforced.items():
        if who:
            by.setdefault(who, []).append(what)
    return "; ".join(f"{', '.join(whats)}: {who}" for who, whats in by.items())
