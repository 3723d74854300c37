"""An operation as it is written down, and everything about it that has to be true before it is offered.

A check yields where in the file and what is wrong; nothing here reads a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from graphql import GraphQLError, OperationDefinitionNode, parse
from pydantic import Field, model_validator

from loaner.catalog.base import Definition
from loaner.catalog.params import CURSOR, FROM_CHARACTER, LIMIT, Param
from loaner.catalog.paths import placeholders
from loaner.catalog.provider import Provider
from loaner.catalog.result import Result, ResultPage
from loaner.catalog.rule import PLACEHOLDER, ScopeRule
from loaner.catalog.step import TEAM, Step, Value
from loaner.catalog.toml_lines import Loc

Problem = tuple[Loc, str]
_SAME_FOR_ALL = frozenset({401, 403, 404, 429, 451})
"""Statuses that mean the same for every operation of a provider."""


class OperationDefinition(Definition):
    """One ``<operation>.toml``."""

    summary: str = Field(pattern=r"^[A-Z][^\n]*\.$")
    effect: Literal["read", "write", "destructive"]
    idempotent: bool
    overwrites: bool | None = None
    """Of a write: may it replace what was there? MCP's "destructive, not only additive"; what is asked is the same."""
    source: str = Field(pattern=r"^https://")
    toolset: str = Field(pattern=r"^[a-z_]+$")
    default: bool = False
    aliases: tuple[str, ...] = ()
    phrase: str
    phrase_any: str | None = None
    """What an approval says that is of the operation on its resource, whatever the other arguments are."""
    check: str | None = None
    find: str | None = None
    params: dict[str, Param] = Field(default_factory=dict)
    scope: ScopeRule
    request: Step | None = None
    step: tuple[Step, ...] = ()
    page: ResultPage | None = None
    refusals: dict[str, str] = Field(default_factory=dict)
    """What an HTTP status means for this operation, and what to do about it, as sentences: ``409 = "…"``."""
    result: Result

    @model_validator(mode="after")
    def _has_requests(self) -> OperationDefinition:
        if bool(self.request) is bool(self.step):
            raise ValueError("either [request] or [[step]]")
        return self

    @property
    def steps(self) -> tuple[Step, ...]:
        return (self.request,) if self.request else self.step

    @property
    def all_params(self) -> dict[str, Param]:
        """With ``limit`` and ``cursor`` where the result comes in pages, ``from_character`` where it cuts texts."""
        rest = {"from_character": FROM_CHARACTER} if self.result.cuts else {}
        pages = {"limit": LIMIT.model_copy(update={"max": self.page.most}), "cursor": CURSOR} if self.page else {}
        return self.params | rest | pages

    def step_loc(self, index: int) -> Loc:
        return ("request",) if self.request else ("step", index)


def problems(written: OperationDefinition, provider: Provider) -> Iterator[Problem]:
    """Everything wrong with an operation that its fields alone do not show."""
    yield from _params(written, provider)
    yield from _scope(written)
    yield from _wording(written)
    yield from _overwriting(written)
    taken: set[str] = set()
    for index, step in enumerate(written.steps):
        yield from _step(written, step, written.step_loc(index), taken)
        yield from _fetched(written, provider, step)
        taken |= set(step.take)
    used = _used(written, provider)
    for name in written.params:
        if name not in used:
            yield ("params", name), f"parameter {name!r} is used nowhere"
    yield from _refusals(written, provider)
    if written.result.whole and written.result.whole not in written.params:
        yield ("result",), f"undeclared parameter {written.result.whole!r}"
    for name in sorted(written.result.asks - set(written.params)):
        yield ("result",), f"undeclared parameter {name!r}"
    sent = {value.param for step in written.steps for value in step.placed()}
    if written.page and not {"limit", "cursor"} <= sent:
        yield ("page",), "a paged operation sends limit and cursor"


def _refusals(written: OperationDefinition, provider: Provider) -> Iterator[Problem]:
    for status, told in written.refusals.items():
        if not re.fullmatch("4[0-9]{2}", status) or int(status) in _SAME_FOR_ALL:
            yield ("refusals", status), f"{status} is no status that an operation can have words for"
        elif not re.fullmatch(r"[a-z].*\.", told):
            yield ("refusals", status), "what a status means is a sentence that follows “did not take the request:”"
    known = {*provider.errors, *(reason.name for reason in provider.reasons)}
    for word in written.result.nothing:
        if written.effect != "read" or word not in known:
            yield ("result", "nothing", word), f"{word!r} is no reason of {provider.name} to refuse a read"


def _params(written: OperationDefinition, provider: Provider) -> Iterator[Problem]:
    for name, param in written.params.items():
        loc: Loc = ("params", name)
        if written.page and name in {"limit", "cursor"}:
            yield loc, f"{name!r} comes with [page]"
        if name == "from_character":
            yield loc, f"{name!r} comes with a text that is cut"
        if param.form and param.form not in provider.forms:
            yield loc, f"{provider.name} has no form {param.form!r}"
        elif param.default is not None and (wrong := param.problem(param.default, provider.forms)):
            yield loc, f"the default {wrong}"
        yield from _lookups(written, provider, name, param)
        yield from _clearing(written, name, param)


def _clearing(written: OperationDefinition, name: str, param: Param) -> Iterator[Problem]:
    """Only what is sent as a value of its own can be sent empty."""
    if not param.clear:
        return
    if written.effect != "write":
        yield ("params", name), "clear is for writes"
    sent = (value for step in written.steps for value in (*step.body.values(), *step.variables.values()))
    if not any(value.param == name for value in sent):
        yield ("params", name), "clear needs a place in a body or among variables"


def _lookups(written: OperationDefinition, provider: Provider, name: str, param: Param) -> Iterator[Problem]:
    loc: Loc = ("params", name)
    for named in (param.lookup, param.check):
        if named and named not in provider.lookups:
            yield loc, f"{provider.name} has no lookup {named!r}"
    if param.where and param.where.param not in written.params:
        yield loc, f"undeclared parameter {param.where.param!r}"
    if param.form in provider.forms and provider.forms[str(param.form)].also and not param.lookup:
        yield loc, f"the form {param.form!r} takes what is no id, so it needs a lookup"
    if param.lookup in provider.lookups:
        lookup = provider.lookups[str(param.lookup)]
        placed = [value for step in lookup.steps for value in step.placed()]
        needed = {name for value in placed for name in (value.param, value.when and value.when.param)}
        needed |= set(lookup.scope.named_params())
        for missing in sorted(needed - {None, *written.params}, key=str):
            yield loc, f"the lookup {param.lookup!r} needs a parameter {missing!r}"


def _scope(written: OperationDefinition) -> Iterator[Problem]:
    rule, params = written.scope, written.all_params
    if not rule.resource:
        yield ("scope",), "a scope needs a resource"
    for name in sorted(set(rule.named_params()) - set(params)):
        yield ("scope",), f"undeclared parameter {name!r}"
    placed = set(PLACEHOLDER.findall(" ".join(rule.templates("resource"))))
    for name, param in params.items():
        if param.role == "resource" and name not in placed:
            # The loan would not be narrowed to it, although the call is about it.
            yield ("scope", "resource"), f"the resource leaves out {name!r}"
        if param.role == "content" and name in placed:
            yield ("scope", "resource"), f"content ({name!r}) cannot be a resource"
    yield from _absent("resource", rule.resource, params)
    yield from _narrower(rule, params)
    for template in rule.beside:
        named = [params[name] for name in PLACEHOLDER.findall(template) if name in params]
        if not re.fullmatch(r"[a-z]+:\{[A-Za-z_]+\}", template) or any(one.role != "selector" for one in named):
            yield ("scope", "beside"), f"{template!r} is no kind of resource and one selector: “team:{{teamId}}”"
    for index, case in enumerate(rule.when):
        choices = params[case.param].choices if case.param in params else ()
        tested = [case.equals, case.includes, *case.one_of]
        for value in (value for value in tested if choices and value is not None and value not in choices):
            yield ("scope", "when", index), f"{case.param!r} is never {value!r}"


def _narrower(rule: ScopeRule, params: Mapping[str, Param]) -> Iterator[Problem]:
    yield from _absent("narrower", rule.narrower, params)
    for template in rule.templates("narrower"):
        named = set(PLACEHOLDER.findall(template))
        # Issue 12 of whichever repository is no narrower than a repository.
        for name in sorted(set(PLACEHOLDER.findall(rule.resource)) - named):
            yield ("scope", "narrower"), f"what is narrower leaves out {name!r}"
        for name in sorted(name for name in named if name in params and params[name].role == "content"):
            yield ("scope", "narrower"), f"content ({name!r}) cannot be a resource"


def _absent(key: str, template: str, params: Mapping[str, Param]) -> Iterator[Problem]:
    for name in PLACEHOLDER.findall(template):
        if name in params and not _always_there(params[name]):
            yield ("scope", key), f"{name!r} may be absent; give a case with present = true its own {key}"


def _wording(written: OperationDefinition) -> Iterator[Problem]:
    for name in PLACEHOLDER.findall(written.phrase):
        param = written.params.get(name)
        if param is None or param.role not in {"resource", "selector"} or not _always_there(param):
            # The sentence is the consent page's title: text that an agent wrote must not be able to reword it.
            yield ("phrase",), f"{name!r} is not a resource or selector that is always given"
    yield from _wording_of_any(written)
    if written.effect != "read" and not written.check:
        yield ("effect",), "an operation that changes something needs check: the tool that shows whether it happened"


def _wording_of_any(written: OperationDefinition) -> Iterator[Problem]:
    if written.effect == "destructive":
        if written.phrase_any is not None:
            yield ("phrase_any",), "what destroys something is approved by itself each time; leave phrase_any out"
        return
    if written.phrase_any is None:
        yield (
            ("phrase",),
            "phrase_any is missing: the same for any call on the resource, such as “comment on any issue”",
        )
        return
    for template in written.scope.templates("resource"):
        for name in sorted(set(PLACEHOLDER.findall(written.phrase_any)) - set(PLACEHOLDER.findall(template))):
            # It would name one call's argument where every other one is allowed as well.
            yield ("phrase_any",), f"{name!r} is not a part of the resource {template!r}"


def _overwriting(written: OperationDefinition) -> Iterator[Problem]:
    if written.effect != "write" and written.overwrites is not None:
        yield ("overwrites",), "overwrites is for writes; what destroys something is destructive"
    elif written.effect == "write" and written.overwrites is None:
        yield ("effect",), "a write needs overwrites = true or false: may it replace what was there?"
    elif written.overwrites is False and any(step.method == "PATCH" for step in written.steps):
        yield ("overwrites",), "PATCH changes what is there (RFC 5789)"


def _fetched(written: OperationDefinition, provider: Provider, step: Step) -> Iterator[Problem]:
    """A text that is posted either cannot be fetched from, or its parameter says what it refuses."""
    off = all(step.body[name].value is False if name in step.body else False for name in provider.unfurls)
    if off or not provider.unfurls or not step.changes:
        return
    for value in step.placed():
        param = written.params.get(value.param or "")
        is_text = param and param.role == "content" and param.type in {"string", "list"} and value.form != "bytes"
        if param and is_text and not (param.form or param.choices or param.refuses):
            yield (
                ("params", str(value.param)),
                f"set {' and '.join(provider.unfurls)} to false, or say what it refuses: links, embeds or nothing",
            )


def _always_there(param: Param) -> bool:
    return param.must_be_given or param.default is not None


def _step(written: OperationDefinition, step: Step, loc: Loc, taken: set[str]) -> Iterator[Problem]:
    params = written.all_params
    yield from _path(params, step, (*loc, "path"), taken)
    for part, values in (("query", step.query), ("body", step.body), ("variables", step.variables)):
        for place, value in values.items():
            yield from _value(written, value, (*loc, part, place), taken, in_query=part == "query")
    if step.when and step.when.param not in params:
        yield (*loc, "when"), f"undeclared parameter {step.when.param!r}"
    for expected in step.expect:
        if expected.param not in {None, *params} or expected.unlike not in {None, *taken}:
            yield (*loc, "expect"), f"neither a parameter nor taken: {expected.param or expected.unlike!r}"
    if step.prepares and not any(later.changes for later in written.steps[written.steps.index(step) :]):
        yield (*loc, "prepares"), "no later step shows what this one writes"
    if step.upload and (step.upload not in params or step.upload_to not in taken):
        yield (*loc, "upload_to"), "upload is a parameter, and upload_to was taken by an earlier step"
    if step.graphql:
        yield from _document(step, loc)


def _path(params: dict[str, Param], step: Step, loc: Loc, taken: set[str]) -> Iterator[Problem]:
    try:
        placed = placeholders(step.path or "")
    except ValueError as error:
        yield loc, f"{error}"
        return
    for name, several in placed.items():
        if name in taken:
            continue
        if name not in params:
            yield loc, f"{name!r} is neither a parameter nor taken from an earlier step"
        elif params[name].role == "content":
            yield loc, f"content ({name!r}) cannot be part of a path"
        elif not _always_there(params[name]) and step.when is None:
            yield loc, f"{name!r} may be absent"
        elif params[name].segments is not several:
            yield loc, f"{name!r} needs segments = true in [params] and a * in the path, or neither"


def _value(
    written: OperationDefinition, value: Value, loc: Loc, taken: set[str], *, in_query: bool
) -> Iterator[Problem]:
    if value.param is not None and value.param not in written.all_params:
        yield loc, f"undeclared parameter {value.param!r}"
    elif value.param is not None and in_query and written.all_params[value.param].role == "content":
        # A query ends up in the logs of everything between here and there.
        yield loc, f"content ({value.param!r}) cannot be part of a query"
    if value.when and value.when.param not in written.all_params:
        yield loc, f"undeclared parameter {value.when.param!r}"
    if value.each and (value.param not in written.params or written.params[value.param].type != "map"):
        yield loc, "each is of the entries of a map"
    elif value.each and bool(value.each.line) is not (written.params[str(value.param)].names == "path_line"):
        yield loc, "each has a line where the names of the map have one"
    if value.taken is not None and value.taken not in {TEAM, *taken}:
        yield loc, f"no earlier step takes {value.taken!r}"


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
            yield (*loc, "variables", place), f"the document declares no variable ${name}"
    for name in sorted(declared - given):
        yield (*loc, "variables"), f"nothing is given for the document's variable ${name}"


def _used(written: OperationDefinition, provider: Provider) -> set[str]:
    used: set[str | None] = {*written.scope.named_params(), written.result.whole, *written.result.asks}
    for step in written.steps:
        used |= {name for value in step.placed() for name in (value.param, value.when.param if value.when else None)}
        used |= {step.when.param if step.when else None, step.upload, *(one.param for one in step.expect)}
        used |= set(re.findall(r"\{([A-Za-z_]+)\*?\}", step.path or ""))
    for param in written.params.values():
        if param.lookup in provider.lookups:
            used |= {value.param for step in provider.lookups[str(param.lookup)].steps for value in step.placed()}
    return {name for name in used if name}
