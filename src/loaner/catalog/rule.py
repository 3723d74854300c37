"""How the scope of a call follows from its arguments: a table of cases, no expressions.

A rule starts from ``permissions`` and goes through its cases in order; a case that holds adds to what was collected
or stands ``instead`` of it. Nothing collected at the end is an error unless the file says ``"none"`` out loud.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from loaner.catalog.base import Definition
from loaner.errors import InvalidArguments

PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")


def _permissions(given: Any) -> Any:
    """``{ issues = "write" }`` and ``["issues:write"]`` say the same."""
    if isinstance(given, Mapping):
        return [f"{name}:{level}" for name, level in given.items()]
    return given


Permissions = Annotated[
    frozenset[str], BeforeValidator(_permissions, json_schema_input_type=dict[str, str] | list[str])
]


class Test(Definition):
    """One test of one argument, out of a closed set."""

    __test__ = False  # not pytest's

    param: str
    """The parameter that is tested."""
    equals: str | int | bool | None = None
    """It is this."""
    one_of: tuple[str, ...] = ()
    """It is one of these."""
    none_of: tuple[str, ...] = ()
    """Given, and none of these."""
    starts_with: str | None = None
    """Of a list any item, of a map any name."""
    includes: str | None = None
    """For lists."""
    several: bool | None = None
    """For lists: more than one item."""
    present: bool | None = None
    """It is given, or is not."""

    @model_validator(mode="after")
    def _is_one_test(self) -> Test:
        given = (
            self.equals,
            self.one_of or None,
            self.none_of or None,
            self.starts_with,
            self.includes,
            self.several,
            self.present,
        )
        if sum(test is not None for test in given) != 1:
            raise ValueError("exactly one of equals, one_of, none_of, starts_with, includes, several, present")
        return self

    def holds(self, arguments: Mapping[str, Any]) -> bool:
        value = arguments.get(self.param)
        if self.present is not None:
            return (value is not None) is self.present
        if self.none_of:
            return value is not None and value not in self.none_of
        if self.starts_with is not None:
            every = [value] if isinstance(value, str) else value if isinstance(value, tuple | Mapping) else ()
            return any(one.startswith(self.starts_with) for one in every)
        if self.includes is not None:
            return isinstance(value, tuple) and self.includes in value
        if self.several is not None:
            return isinstance(value, tuple) and (len(value) > 1) is self.several
        return value in self.one_of if self.one_of else value == self.equals and type(value) is type(self.equals)

    def told(self) -> str:
        if self.present is not None:
            return f"{self.param} is {'given' if self.present else 'not given'}"
        if self.none_of:
            return f"{self.param} is given and not {' or '.join(self.none_of)}"
        if self.starts_with is not None:
            return f"{self.param} starts with {self.starts_with}"
        if self.includes is not None:
            return f"{self.param} includes {self.includes}"
        if self.several is not None:
            return f"{self.param} holds {'several' if self.several else 'one'}"
        return f"{self.param} is {' or '.join(self.one_of) if self.one_of else str(self.equals)}"


class ScopeCase(Test):
    """What a test changes about the scope."""

    add: Permissions = frozenset()
    """Permissions needed besides."""
    instead: Permissions | None = None
    """Permissions needed in place of those so far."""
    resource: str | None = None
    """The resource in this case."""
    narrower: str | None = None
    """What the call is about inside of it, in this case."""

    @model_validator(mode="after")
    def _changes_something(self) -> ScopeCase:
        if not self.add and not self.instead and not self.resource and not self.narrower:
            raise ValueError("a case needs add, instead, resource or narrower")
        return self


@dataclass(frozen=True)
class CaseTold:
    """One row of the table of scopes."""

    when: str
    permissions: frozenset[str]
    mode: Literal["add", "instead"]
    resource: str | None = None


def _told(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


class ScopeRule(Definition):
    """``permissions`` may be ``"none"`` (the call needs none) or ``"cases"`` (only the cases give some)."""

    permissions: Permissions | Literal["none", "cases"]
    """What each call needs: ``{ issues = "read" }`` or ``["issues:read"]``."""
    in_words: Permissions = frozenset()
    """Which of them only the text of the operation's page asks for: answers that name what they accept leave it out."""
    resource: str = ""
    """What the call is about, with its parameters: ``repository:{owner}/{repo}``; its credential is narrowed to it."""
    narrower: str = ""
    """What the call is about inside the resource: one issue of a repository. Tasks are bound to it, credentials not."""
    beside: tuple[str, ...] = ()
    """What else a call reaches into, where its argument is given: ``team:{teamId}``, one parameter each."""
    account: str | None = None
    """The parameter that says on which account a call is that is about no one repository."""
    alternatives: tuple[Permissions, ...] = ()
    """Other permissions, each enough in place of ``permissions``."""
    when: tuple[ScopeCase, ...] = ()
    """Cases that depend on an argument, in order."""

    @model_validator(mode="after")
    def _is_not_empty_by_accident(self) -> ScopeRule:
        if not self.permissions:
            # An empty table reads like "needs nothing" and is far more often a forgotten line.
            raise ValueError('permissions are empty; say permissions = "none" if the call really needs none')
        if self.permissions == "cases" and not self.when:
            raise ValueError('permissions = "cases" needs cases')
        return self

    @property
    def every_permission(self) -> frozenset[str]:
        """All that some call may need."""
        least = self.permissions if isinstance(self.permissions, frozenset) else frozenset[str]()
        return least.union(*(case.add | (case.instead or frozenset()) for case in self.when))

    def permissions_for(self, arguments: Mapping[str, Any]) -> frozenset[str]:
        """Raises :class:`InvalidArguments` where no case gives a permission and ``none`` was not said."""
        collected = self.permissions if isinstance(self.permissions, frozenset) else frozenset[str]()
        for case in self.when:
            if case.holds(arguments):
                collected = case.instead | case.add if case.instead is not None else collected | case.add
        if not collected and self.permissions != "none":
            tested = " and ".join(sorted({case.param for case in self.when}))
            raise InvalidArguments(f"no permission is known for this {tested}.")
        return collected

    def resource_for(self, arguments: Mapping[str, Any]) -> str:
        return _filled(self._template("resource", arguments), arguments)

    def narrower_for(self, arguments: Mapping[str, Any]) -> str:
        """Empty where the call names nothing inside its resource."""
        return _filled(self._template("narrower", arguments), arguments)

    def beside_for(self, arguments: Mapping[str, Any]) -> dict[str, str]:
        """By parameter: what else this call reaches into, as the argument names it."""
        named = {PLACEHOLDER.findall(template)[0]: template for template in self.beside}
        return {name: _filled(template, arguments) for name, template in named.items() if arguments.get(name)}

    def kind_of(self, param: str) -> str | None:
        """What a parameter names all alone: ``team``, for ``team:{teamId}``."""
        alone = f":{{{param}}}"
        templates = (*self.templates("resource"), *self.beside)
        return next((one.removesuffix(alone) for one in templates if one.endswith(alone) and one.count("{") == 1), None)

    def _template(self, of: Literal["resource", "narrower"], arguments: Mapping[str, Any]) -> str:
        template: str = getattr(self, of)
        for case in self.when:
            if getattr(case, of) and case.holds(arguments):
                template = getattr(case, of)
        return template

    def templates(self, of: Literal["resource", "narrower"]) -> tuple[str, ...]:
        """Every one that may be the call's."""
        return tuple(filter(None, (getattr(self, of), *(getattr(case, of) for case in self.when))))

    def cases(self) -> tuple[CaseTold, ...]:
        return tuple(
            CaseTold(case.told(), case.instead or case.add, "instead" if case.instead else "add", case.resource)
            for case in self.when
            if case.add or case.instead or case.resource  # or it is about tasks alone
        )

    def named_params(self) -> Iterator[str]:
        """Every parameter that the rule looks at or puts into the resource."""
        for template in (*self.templates("resource"), *self.templates("narrower"), *self.beside):
            yield from PLACEHOLDER.findall(template)
        yield from (case.param for case in self.when)
        if self.account:
            yield self.account


def _filled(template: str, arguments: Mapping[str, Any]) -> str:
    missing = [name for name in PLACEHOLDER.findall(template) if name not in arguments]
    if missing:
        raise InvalidArguments(f"{', '.join(missing)} is required with what was given.")
    return PLACEHOLDER.sub(lambda found: _told(arguments[found[1]]), template)
