"""The names that resources can have, worked out from the operations' own scopes: a kind, and what a name of it is.

For what is written outside a call: a rule, a task, a query of the records. A call gets its names by being bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from loaner.catalog.form import Form
from loaner.catalog.operation import Operation
from loaner.catalog.params import Param
from loaner.catalog.rule import PLACEHOLDER


@dataclass(frozen=True)
class Template:
    """``issue:{owner}/{repo}#{issue_number}`` of one operation, able to read such a name."""

    provider: str
    kind: str
    pattern: re.Pattern[str]
    parts: tuple[tuple[Param, Form | None], ...]
    """Of each placeholder, in order."""
    between: tuple[str, ...]
    """The text before each placeholder, and after the last."""

    def canonical(self, name: str) -> str | None:
        """A name of this kind in its one spelling, or ``None`` where it cannot be one."""
        found = self.pattern.fullmatch(name)
        if found is None:
            return None
        written = []
        for (param, form), text in zip(self.parts, found.groups(), strict=True):
            values = text.split(",") if param.type == "list" else [text]
            if form and not all(form.fits(value) for value in values):
                return None
            written.append(",".join(sorted({form.canonical(value) for value in values})) if form else text)
        return "".join(f"{before}{text}" for before, text in zip(self.between, [*written, ""], strict=True))


class ResourceNames:
    """Every kind of resource that some tools know."""

    def __init__(self, operations: Iterable[Operation], *, narrower: bool = True) -> None:
        """Not ``narrower``: what a call is about for the rules, and not what is inside of that."""
        operations = list(operations)
        made: dict[tuple[str, str, str], Template] = {}
        self.whole: set[str] = set()
        """Resources without a name: ``repositories``, ``workspace``."""
        for operation in operations:
            rule = operation.rule
            inside = rule.templates("narrower") if narrower else ()
            for written in (*rule.templates("resource"), *inside):
                kind, named, template = written.partition(":")
                if not named:
                    self.whole.add(kind)
                    continue
                one = _template(operation, kind, template)
                made.setdefault((operation.provider.name, kind, one.pattern.pattern), one)
        self.templates = tuple(made.values())
        self.kinds = self.whole | {one.kind for one in self.templates}
        self.kinds |= {wider.kind for operation in operations for wider in operation.provider.wider}
        self.providers = {operation.provider.name for operation in operations}

    def canonical(self, name: str, kind: str | None = None) -> set[str]:
        """What a name may mean, each in its one spelling; more than one only where kinds share a shape."""
        found = (one.canonical(name) for one in self.templates if kind in {None, one.kind})
        return {one for one in found if one is not None}

    def resource(self, written: str) -> str:
        """``acme/Web#12`` or ``repository:acme/Web`` as a call would be called; as it is where it names nothing known,
        or where it could be two different things: then it fits no call, and whoever wrote it finds out."""
        kind, named, name = written.partition(":")
        if named and kind in self.kinds:
            found = self.canonical(name, kind)
            return f"{kind}:{found.pop()}" if len(found) == 1 else written
        found = self.canonical(written)
        return written if written in self.whole or len(found) != 1 else found.pop()


def _template(operation: Operation, kind: str, template: str) -> Template:
    pieces = list(_pieces(operation, template))
    pattern = "".join(piece if isinstance(piece, str) else f"({_shape(*piece)})" for piece in _escaped(pieces))
    parts = tuple(piece for piece in pieces if not isinstance(piece, str))
    between = tuple(piece for piece in pieces if isinstance(piece, str))
    return Template(operation.provider.name, kind, re.compile(pattern), parts, between)


def _pieces(operation: Operation, template: str) -> Iterator[str | tuple[Param, Form | None]]:
    at = 0
    for placeholder in PLACEHOLDER.finditer(template):
        yield template[at : placeholder.start()]
        param = operation.params[placeholder[1]]
        yield param, operation.provider.forms[param.form] if param.form else None
        at = placeholder.end()
    yield template[at:]


def _escaped(pieces: Iterable[str | tuple[Param, Form | None]]) -> Iterator[str | tuple[Param, Form | None]]:
    for piece in pieces:
        yield re.escape(piece) if isinstance(piece, str) else piece


def _shape(param: Param, form: Form | None) -> str:
    if param.type == "integer":
        return "[1-9][0-9]*"
    one = f"(?:{_without_groups(form.pattern)})" if form else ".+"
    return f"{one}(?:,{one})*" if param.type == "list" else one


def _without_groups(pattern: str) -> str:
    return re.sub(r"(?<!\\)\((?!\?)", "(?:", pattern)
