"""An operation as it is written down, and everything about it that has to be true before it is offered.

A check yields where in the file and what is wrong; nothing here reads a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field, model_validator

from loaner.catalog.base import Definition
from loaner.catalog.params import CURSOR, FROM_CHARACTER, LIMIT, Param
from loaner.catalog.provider import Provider
from loaner.catalog.result import Result, ResultPage
from loaner.catalog.rule import PLACEHOLDER, ScopeRule
from loaner.catalog.step import Step
from loaner.catalog.step_problems import Problem, always_there, one_of, step_problems, undeclared
from loaner.catalog.toml_lines import Loc

_SELECTS = 'give the parameter role = "selector"'
_SAME_FOR_ALL = frozenset({401, 403, 404, 429, 451})
"""Statuses that mean the same for every operation of a provider."""


class OperationDefinition(Definition):
    """One ``<operation>.toml``."""

    summary: str = Field(pattern=r"^[A-Z][^\n]*\.$")
    """One sentence for the model: what the tool does."""
    effect: Literal["read", "write", "destructive"]
    """``read`` changes nothing, ``write`` changes something, ``destructive`` cannot be undone."""
    idempotent: bool
    """Whether doing it twice is as doing it once; then a failed call may be repeated."""
    overwrites: bool | None = None
    """Of a write: may it replace what was there? MCP's "destructive, not only additive"; what is asked is the same."""
    source: str = Field(pattern=r"^https://")
    """The page of the provider's documentation."""
    toolset: str = Field(pattern=r"^[a-z_]+$")
    """Its group within the provider: ``issues``."""
    default: bool = False
    """Shown where nobody chooses tools."""
    aliases: tuple[str, ...] = ()
    """Other names that the tool answers to, without the provider."""
    phrase: str
    """What a person reads after "Let AGENT": ``comment on issue {issue_number} of {owner}/{repo}``."""
    phrase_any: str | None = None
    """What an approval says that is of the operation on its resource, whatever the other arguments are."""
    check: str | None = None
    """Of a write: the reading tool that shows whether it happened."""
    find: str | None = None
    """The tool that gives the ids that this one takes."""
    params: dict[str, Param] = Field(default_factory=dict)
    """What the tool takes."""
    scope: ScopeRule
    """What a call needs at least."""
    request: Step | None = None
    """The one request."""
    step: tuple[Step, ...] = ()
    """Several requests, in order, in place of ``[request]``."""
    page: ResultPage | None = None
    """How further pages are reached. It adds ``limit`` and ``cursor`` to the parameters."""
    refusals: dict[str, str] = Field(default_factory=dict)
    """What an HTTP status means for this operation, and what to do about it, as sentences: ``409 = "…"``."""
    result: Result
    """What the agent gets."""

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
        yield from step_problems(step, written.step_loc(index), written.all_params, taken, written.steps)
        yield from _fetched(written, provider, step)
        taken |= set(step.take)
    yield from _refusals(written, provider)
    if written.result.whole and written.result.whole not in written.params:
        yield ("result",), undeclared(written.result.whole)
    for name in sorted(written.result.asks - set(written.params)):
        yield ("result",), undeclared(name)
    sent = {value.param for step in written.steps for value in step.placed()}
    if written.page and not {"limit", "cursor"} <= sent:
        yield ("page",), "a paged operation sends limit and cursor: put both into the query, or remove [page]"


def unused(written: OperationDefinition, provider: Provider) -> Iterator[Problem]:
    """Parameters without effect. Only where all the rest is right, since it may be what uses them."""
    for name in sorted(set(written.params) - _used(written, provider)):
        yield (
            ("params", name),
            f"parameter {name!r} is used nowhere: send it in a request, name it in the scope, or remove it",
        )


def _refusals(written: OperationDefinition, provider: Provider) -> Iterator[Problem]:
    for status, told in written.refusals.items():
        if not re.fullmatch("4[0-9]{2}", status) or int(status) in _SAME_FOR_ALL:
            yield (
                ("refusals", status),
                f"{status} is no status that an operation can have words for: a 4xx besides 401, 403, 404, 429, 451",
            )
        elif not re.fullmatch(r"[a-z].*\.", told):
            yield ("refusals", status), "what a status means is a sentence that follows “did not take the request:”"
    known = {*provider.errors, *(reason.name for reason in provider.reasons)}
    for word in written.result.nothing:
        if written.effect != "read" or word not in known:
            yield (
                ("result", "nothing", word),
                f"{word!r} is no reason of {provider.name} to refuse a read: take one of its [errors] or [[reasons]]",
            )


def _params(written: OperationDefinition, provider: Provider) -> Iterator[Problem]:
    for name, param in written.params.items():
        loc: Loc = ("params", name)
        if written.page and name in {"limit", "cursor"}:
            yield loc, f"{name!r} comes with [page]: remove it here"
        if name == "from_character":
            yield loc, f"{name!r} comes with a text that is cut: remove it here"
        if param.form and param.form not in provider.forms:
            yield loc, f"{provider.name} has no form {param.form!r}{one_of(provider.forms)}"
        elif param.default is not None and (wrong := param.problem(param.default, provider.forms)):
            yield loc, f"the default {wrong}"
        yield from _lookups(written, provider, name, param)
        yield from _clearing(written, name, param)


def _clearing(written: OperationDefinition, name: str, param: Param) -> Iterator[Problem]:
    """Only what is sent as a value of its own can be sent empty."""
    if not param.clear:
        return
    if written.effect != "write":
        yield ("params", name), "clear is for writes: remove it"
    sent = (value for step in written.steps for value in (*step.body.values(), *step.variables.values()))
    if not any(value.param == name for value in sent):
        yield ("params", name), "clear needs a place in a body or among variables"


def _lookups(written: OperationDefinition, provider: Provider, name: str, param: Param) -> Iterator[Problem]:
    loc: Loc = ("params", name)
    for named in (param.lookup, param.check):
        if named and named not in provider.lookups:
            yield loc, f"{provider.name} has no lookup {named!r}{one_of(provider.lookups)}"
    if param.where and param.where.param not in written.params:
        yield loc, undeclared(param.where.param)
    if param.form in provider.forms and provider.forms[str(param.form)].also and not param.lookup:
        yield loc, f"the form {param.form!r} takes what is no id, so it needs a lookup"
    if param.lookup in provider.lookups:
        lookup = provider.lookups[str(param.lookup)]
        placed = [value for step in lookup.steps for value in step.placed()]
        needed = {name for value in placed for name in (value.param, value.when and value.when.param)}
        needed |= set(lookup.scope.named_params())
        for missing in sorted(needed - {None, *written.params}, key=str):
            yield loc, f"the lookup {param.lookup!r} needs a parameter {missing!r}: add it under [params]"


def _scope(written: OperationDefinition) -> Iterator[Problem]:
    rule, params = written.scope, written.all_params
    if not rule.resource:
        yield ("scope",), "a scope needs a resource: what the call is about, such as “repository:{owner}/{repo}”"
    for name in sorted(set(rule.named_params()) - set(params)):
        yield ("scope",), undeclared(name)
    placed = set(PLACEHOLDER.findall(" ".join(rule.templates("resource"))))
    for name, param in params.items():
        if param.role == "resource" and name not in placed:
            # The loan would not be narrowed to it, although the call is about it.
            yield ("scope", "resource"), f"the resource leaves out {name!r}: add {{{name}}}, or {_SELECTS}"
        if param.role == "content" and name in placed:
            yield ("scope", "resource"), f"content ({name!r}) cannot be a resource: {_SELECTS}"
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
            yield ("scope", "when", index), f"{case.param!r} is never {value!r}{one_of(choices)}"


def _narrower(rule: ScopeRule, params: Mapping[str, Param]) -> Iterator[Problem]:
    yield from _absent("narrower", rule.narrower, params)
    for template in rule.templates("narrower"):
        named = set(PLACEHOLDER.findall(template))
        # Issue 12 of whichever repository is no narrower than a repository.
        for name in sorted(set(PLACEHOLDER.findall(rule.resource)) - named):
            yield ("scope", "narrower"), f"what is narrower leaves out {name!r}: add {{{name}}}"
        for name in sorted(name for name in named if name in params and params[name].role == "content"):
            yield ("scope", "narrower"), f"content ({name!r}) cannot be a resource: {_SELECTS}"


def _absent(key: str, template: str, params: Mapping[str, Param]) -> Iterator[Problem]:
    for name in PLACEHOLDER.findall(template):
        if name in params and not always_there(params[name]):
            yield ("scope", key), f"{name!r} may be absent; give a case with present = true its own {key}"


def _wording(written: OperationDefinition) -> Iterator[Problem]:
    for name in PLACEHOLDER.findall(written.phrase):
        param = written.params.get(name)
        if param is None or param.role not in {"resource", "selector"} or not always_there(param):
            # The sentence is the consent page's title: text that an agent wrote must not be able to reword it.
            yield (
                ("phrase",),
                f"{name!r} is not a resource or selector that is always given: leave it out of the phrase",
            )
    yield from _wording_of_any(written)
    if written.effect != "read" and not written.check:
        yield (
            ("effect",),
            "an operation that changes something needs check = a reading tool that shows whether it happened",
        )


def _wording_of_any(written: OperationDefinition) -> Iterator[Problem]:
    if written.effect == "destructive":
        if written.phrase_any is not None:
            yield ("phrase_any",), "what destroys something is approved each time: leave phrase_any out"
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
            yield ("phrase_any",), f"{name!r} is not a part of the resource {template!r}: say “any …” in its place"


def _overwriting(written: OperationDefinition) -> Iterator[Problem]:
    if written.effect != "write" and written.overwrites is not None:
        yield ("overwrites",), "overwrites is for writes; what destroys something is destructive: remove it"
    elif written.effect == "write" and written.overwrites is None:
        yield ("effect",), "a write needs overwrites = true or false: may it replace what was there?"
    elif written.overwrites is False and any(step.method == "PATCH" for step in written.steps):
        yield ("overwrites",), "PATCH changes what is there (RFC 5789): set it to true"


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
