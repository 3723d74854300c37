"""Which permissions a tool has in a task: what its calls need, where nothing but the proposal leads to more.

An argument that the proposal fixes, or that a resource's own name gives, leads to its case of the rule; a free one
does not, so that the agent cannot choose its way to a wider credential. What is not among these asks, as ever.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any

from loaner.catalog.operation import Operation
from loaner.catalog.rule import PLACEHOLDER
from loaner.errors import InvalidArguments

Sets = tuple[tuple[str, ...], ...]


def permissions(operation: Operation, fixed: Mapping[str, Any], resources: Collection[str]) -> Sets:
    """The sets of permissions that a person agrees to with this tool; each call needs no more than one of them.

    Raises :class:`InvalidArguments` where the proposal leads to none: its rule has cases only, and none is chosen.
    """
    usual = {name: param.default for name, param in operation.params.items() if param.default is not None} | {
        name: tuple(value) if isinstance(value, list) else value for name, value in fixed.items() if value is not None
    }
    found: list[frozenset[str]] = []
    for arguments in [usual, *(usual | given for one in resources for given in _given(operation, one))]:
        try:
            found.append(_needed(operation, arguments))
        except InvalidArguments:
            continue  # this name leads to none; another may
    if not found:
        tested = sorted({case.param for case in operation.rule.when})
        raise InvalidArguments(
            f"{operation.tool}: say {' or '.join(tested)} in its arguments; its scope follows from it."
        )
    return tuple(dict.fromkeys(tuple(sorted(one)) for one in (*found, *operation.rule.alternatives)))


def beyond(operation: Operation, agreed: Sets) -> tuple[str, ...]:
    """For the person: what an argument may lead to that is not agreed to, and which."""
    known = frozenset(one for each in agreed for one in each)
    return tuple(
        dict.fromkeys(
            f"{', '.join(sorted(case.permissions))} when {case.when}"
            for case in operation.scope.cases()
            if not case.permissions <= known
        )
    )


def _needed(operation: Operation, arguments: Mapping[str, Any]) -> frozenset[str]:
    needed = operation.rule.permissions_for(arguments)
    for param in operation.params.values():
        if not param.lookup:
            continue
        with suppress(InvalidArguments):  # a name may stand where an id does, or no name is known there at all
            needed |= operation.provider.lookups[param.lookup].permissions_for(arguments)
    return needed


def _given(operation: Operation, resource: str) -> Iterator[dict[str, Any]]:
    """The arguments that a resource's name gives, by each template of the operation that it fits."""
    for template in (*operation.rule.templates("resource"), *operation.rule.templates("narrower")):
        for form in dict.fromkeys((template, template.partition(":")[2])):
            pattern = re.sub(r"\\\{([A-Za-z_]+)\\\}", r"(?P<\1>.+?)", re.escape(form))
            names = PLACEHOLDER.findall(form)
            if names and len(set(names)) == len(names) and (fits := re.fullmatch(pattern, resource)):
                yield fits.groupdict()
