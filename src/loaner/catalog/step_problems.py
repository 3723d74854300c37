"""Everything that has to be true of one request of an operation, besides its fields alone; with the cure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from graphql import GraphQLError, OperationDefinitionNode, parse

from loaner.catalog.params import Param
from loaner.catalog.paths import placeholders
from loaner.catalog.step import TEAM, Step, Value
from loaner.catalog.toml_lines import Loc

Problem = tuple[Loc, str]


def undeclared(name: str) -> str:
    return f"undeclared parameter {name!r}: add it under [params], or correct the name"


def one_of(known: Iterable[str]) -> str:
    """The end of a sentence about a name that is none of these."""
    return f" (known: {', '.join(sorted(known))})"


def always_there(param: Param) -> bool:
    return param.must_be_given or param.default is not None


def step_problems(
    step: Step, loc: Loc, params: Mapping[str, Param], taken: set[str], steps: Sequence[Step]
) -> Iterator[Problem]:
    """Everything wrong with one step of several, given what those before it take."""
    yield from _path(params, step, (*loc, "path"), taken)
    for part, values in (("query", step.query), ("body", step.body), ("variables", step.variables)):
        for place, value in values.items():
            yield from _value(params, value, (*loc, part, place), taken, in_query=part == "query")
    if step.when and step.when.param not in params:
        yield (*loc, "when"), undeclared(step.when.param)
    for expected in step.expect:
        if expected.param not in {None, *params} or expected.unlike not in {None, *taken}:
            yield (*loc, "expect"), f"neither a parameter nor taken: {expected.param or expected.unlike!r}"
    if step.prepares and not any(later.changes for later in steps[steps.index(step) :]):
        yield (*loc, "prepares"), "no later step shows what this one writes: remove prepares"
    if step.upload and (step.upload not in params or step.upload_to not in taken):
        yield (*loc, "upload_to"), "upload is a parameter, and upload_to was taken by an earlier step"
    if step.graphql:
        yield from _document(step, loc)


def _path(params: Mapping[str, Param], step: Step, loc: Loc, taken: set[str]) -> Iterator[Problem]:
    try:
        placed = placeholders(step.path or "")
    except ValueError as error:
        yield loc, f"{error}"
        return
    for name, several in placed.items():
        if name in taken:
            continue
        if name not in params:
            yield loc, f"{name!r} is neither a parameter nor taken from an earlier step: add it under [params]"
        elif params[name].role == "content":
            yield loc, f"content ({name!r}) cannot be part of a path: give it role = 'selector'"
        elif not always_there(params[name]) and step.when is None:
            yield loc, f"{name!r} may be absent: make it required, give it a default, or the step a when"
        elif params[name].segments is not several:
            yield loc, f"{name!r} needs segments = true in [params] and a * in the path, or neither"


def _value(
    params: Mapping[str, Param], value: Value, loc: Loc, taken: set[str], *, in_query: bool
) -> Iterator[Problem]:
    if value.param is not None and value.param not in params:
        yield loc, undeclared(value.param)
    elif value.param is not None and in_query and params[value.param].role == "content":
        # A query ends up in the logs of everything between here and there.
        yield loc, f"content ({value.param!r}) cannot be part of a query: send it in the body"
    if value.when and value.when.param not in params:
        yield loc, undeclared(value.when.param)
    if value.each and (value.param not in params or params[str(value.param)].type != "map"):
        yield loc, 'each is of the entries of a map: give the parameter type = "map"'
    elif value.each and bool(value.each.line) is not (params[str(value.param)].names == "path_line"):
        yield loc, "each has a line where the names of the map have one"
    if value.taken is not None and value.taken not in {TEAM, *taken}:
        yield loc, f"no earlier step takes {value.taken!r}: name it in the take of one"


def _document(step: Step, loc: Loc) -> Iterator[Problem]:
    try:
        definitions = parse(str(step.graphql)).definitions
    except GraphQLError as error:
        yield (*loc, "graphql"), f"the document does not parse: {error.message}"
        return
    operations = [node for node in definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) != 1:
        yield (*loc, "graphql"), "the document must hold exactly one query or mutation"
        return
    declared = {variable.variable.name.value for variable in operations[0].variable_definitions or ()}
    given = {place.partition(".")[0] for place in step.variables}
    for place in step.variables:
        if (name := place.partition(".")[0]) not in declared:
            yield (
                (*loc, "variables", place),
                f"the document declares no variable ${name}: declare it there, or remove it",
            )
    for name in sorted(declared - given):
        yield (*loc, "variables"), f"nothing is given for the document's variable ${name}: add it"
