"""A task as an agent, a file or a signed token proposes it, checked against the catalogue before anyone is asked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from loaner.catalog import Catalog
from loaner.catalog.mentions import NOBODY, NOTIFIES
from loaner.catalog.operation import Operation
from loaner.characters import hides
from loaner.connectors import Connectors
from loaner.consent.tasks import permissions
from loaner.consent.tasks.scope import MAX_COUNT, MAX_MINUTES, Item, TaskScope, plain_value
from loaner.errors import InvalidArguments, UnknownTool
from loaner.identity.caller import Caller


def _shows(name: str) -> str:
    if hidden := hides(name):
        raise ValueError(f"it must not hold line breaks or characters that show nothing ({hidden})")
    return name


_Line = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_shows)]


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, strict=True)


class Wanted(_Checked):
    tool: _Line
    count: int = Field(default=10, ge=1, le=MAX_COUNT)
    arguments: dict[str, str | int | bool | list[str] | dict[str, str]] = Field(default_factory=dict)
    open: list[_Line] | None = Field(default=None, max_length=20)
    """Arguments that are yet to be filled in. ``None``: all of them, where ``arguments`` names none."""
    resources: list[_Line] = Field(default_factory=list, max_length=20)
    notifies: Literal["nobody"] | None = None
    """No text that it writes may notify anybody."""


class Proposal(_Checked):
    """A task that somebody would like to have."""

    purpose: Annotated[_Line, Field(min_length=3)]
    operations: list[Wanted] = Field(min_length=1, max_length=20)
    resources: list[_Line] = Field(min_length=1, max_length=20)
    minutes: int = Field(default=60, ge=1, le=MAX_MINUTES)

    @classmethod
    def of(cls, arguments: Any) -> Proposal:
        """Raises :class:`InvalidArguments`, which repeats no value."""
        try:
            return cls.model_validate(arguments)
        except ValidationError as problems:
            told = (_told(one["loc"], one["msg"]) for one in problems.errors(include_input=False, include_url=False))
            raise InvalidArguments(f"{'; '.join(list(told)[:5])}.", do="Fix that and propose it again.") from None

    def task_scope(self, caller: Caller, catalog: Catalog, connectors: Connectors) -> TaskScope:
        """Raises :class:`InvalidArguments` and, where no connector serves the caller, :class:`PolicyDenied`."""
        items = tuple(self._item(wanted, caller, catalog, connectors) for wanted in self.operations)
        return TaskScope(self.purpose, items, _canonical(self.resources, catalog), self.minutes)

    def _item(self, wanted: Wanted, caller: Caller, catalog: Catalog, connectors: Connectors) -> Item:
        try:
            operation = catalog[wanted.tool]
        except UnknownTool as unknown:
            raise InvalidArguments(unknown.cause) from None
        if operation.effect == "destructive":
            raise InvalidArguments(
                f"{operation.tool} is destructive, and what destroys something is asked for by itself, each time.",
                do="Leave it out of the task and call it when it is needed.",
            )
        for name, value in wanted.arguments.items():
            param = operation.params.get(name)
            problem = "is none of its parameters" if param is None else param.problem(value, operation.provider.forms)
            if problem:
                raise InvalidArguments(f"{operation.tool}: {name} {problem}.")
        if others := [name for name in wanted.open or () if name not in operation.params]:
            raise InvalidArguments(f"{operation.tool}: {others[0]} is none of its parameters.")
        if wanted.notifies and (operation.effect == "read" or not operation.provider.mentions):
            raise InvalidArguments(f"{operation.tool}: no text of it notifies anybody.", do="Leave out notifies.")
        everything = _canonical(self.resources, catalog)
        if others := [one for one in _canonical(wanted.resources, catalog) if one not in everything]:
            raise InvalidArguments(f"{operation.tool}: {others[0]} is none of the task's resources.")
        connector = connectors.choose(operation.provider.name, caller).name
        fixed = _fixed(operation, wanted)
        on = wanted.resources or self.resources
        shown = permissions.permissions(operation, fixed, on)
        fixed |= {NOTIFIES: NOBODY} if wanted.notifies else {}
        written = {name for name, param in operation.params.items() if param.role == "content"}
        return Item(
            operation.tool,
            wanted.count,
            connector,
            operation.effect,
            operation.summary,
            fixed,
            _canonical(wanted.resources, catalog),
            says=operation.effect != "read" and bool(written - set(fixed)),
            permissions=shown,
            beyond=permissions.beyond(operation, shown),
        )


def _fixed(operation: Operation, wanted: Wanted) -> dict[str, Any]:
    """Where it is named what a change says, whether exactly or as left open, nothing optional is said beside that."""
    named = {*wanted.arguments, *(wanted.open or ())}
    says = operation.effect != "read" and (wanted.arguments or wanted.open is not None)
    unsaid = {
        name: plain_value(param.default)
        for name, param in operation.params.items()
        if says and param.role != "resource" and not param.must_be_given and name not in named
    }
    given = {
        name: plain_value(operation.params[name].agreed(value, operation.provider.forms))
        for name, value in wanted.arguments.items()
    }
    return {**given, **unsaid}


def _canonical(resources: list[str], catalog: Catalog) -> tuple[str, ...]:
    """Each resource as calls name it, so that a task agreed to for ``acme/Web`` is one for ``acme/web``."""
    return tuple(dict.fromkeys(catalog.names.resource(one) for one in resources))


def _told(loc: tuple[int | str, ...], message: str) -> str:
    return f"{'.'.join(str(part)[:40] for part in loc) or 'the task'}: {message}"
