"""One request of an operation, as data: what goes where, and nothing else.

A value is an argument, a constant, something an earlier answer held, or a fresh UUID. There are no expressions.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from loaner.catalog.base import Definition
from loaner.catalog.result import look
from loaner.catalog.rule import Test

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


WITHIN = "within"
"""Among what is taken: the repositories or the account that the call's credential was narrowed to."""
TEAM = "team"
"""Among what is taken: the workspace of the account, for a provider where an account may be in several."""


class Limiting(Definition):
    """How a search is limited to where its credential reaches: what to put before the name of each."""

    repository: str
    """Before the name of a repository: ``repo:``."""
    account: str
    """Before the name of an account: ``user:``."""


class ToldValue(Definition):
    """What the answer so far has to say for a step to be taken."""

    at: str
    """Dotted path into it."""
    equals: str
    """What has to stand there."""

    def holds(self, answer: Any) -> bool:
        return bool(look(answer, self.at) == self.equals)


class Each(Definition):
    """One object for each entry of a map: which of its fields is what of the entry, and what is the same in all."""

    name: str
    """The field for the entry's name; without the line, where it has one."""
    line: str | None = None
    """The field for the line, where names have one."""
    text: str
    """The field for the entry's text."""
    same: dict[str, str] = Field(default_factory=dict)
    """Fields that are the same in all."""

    def of(self, entries: Mapping[str, str]) -> list[dict[str, Any]]:
        return [self._one(key, text) for key, text in entries.items()]

    def _one(self, key: str, text: str) -> dict[str, Any]:
        name, _, line = key.rpartition(":") if self.line else (key, "", "")
        numbered = {self.line: int(line)} if self.line else {}
        return {self.name: name, **numbered, **self.same, self.text: text}


class Expected(Definition):
    """What an answer has to say for the steps after it to be taken: the world is still as it was looked at."""

    at: str
    """Dotted path into the answer."""
    param: str | None = None
    """The argument that it has to be equal to."""
    unlike: str | None = None
    """What an earlier step took, which it may not be equal to."""
    otherwise: str = Field(pattern=r"^[a-z].*\.$")
    """What is told where it is not so, and what to do."""

    @model_validator(mode="after")
    def _has_one_side(self) -> Expected:
        if (self.param is None) is (self.unlike is None):
            raise ValueError("exactly one of param, unlike")
        return self

    def holds(self, answer: Any, arguments: Mapping[str, Any], taken: Mapping[str, Any]) -> bool:
        found = look(answer, self.at)
        if self.param is not None:
            return found is not None and found == arguments.get(self.param)
        return found is not None and found != taken.get(str(self.unlike))


class Value(Definition):
    """Where one value comes from. In a file, a bare string names a parameter."""

    param: str | None = None
    """The parameter whose argument it is."""
    value: str | int | bool | None = None
    """A constant."""
    taken: str | None = None
    """What an earlier step took from its answer."""
    fresh: Literal["uuid"] | None = None
    """A new UUID for each call: the provider refuses the second of two creates with the same one."""
    form: Literal["base64", "comma", "bytes"] | None = Field(default=None, alias="as")
    """``bytes``: how many bytes the text has in UTF-8."""
    each: Each | None = None
    """Of a map."""
    prefix: str = ""
    """Text before it."""
    suffix: str = ""
    """Text after it."""
    when: Test | None = None
    """Sent only where this holds of the arguments."""
    limited: Limiting | None = None
    """A search, which would else go beyond what the credential was minted for: whatever is public is found by all."""

    @model_validator(mode="after")
    def _has_one_source(self) -> Value:
        if sum(source is not None for source in (self.param, self.value, self.taken, self.fresh)) != 1:
            raise ValueError("exactly one of param, value, taken, fresh")
        return self

    def of(self, arguments: Mapping[str, Any], taken: Mapping[str, Any]) -> Any:
        """The value itself; none where an optional argument is absent."""
        if self.when and not self.when.holds(arguments):
            return None
        if self.fresh:
            # "Shown before it is sent" has no UUID yet; the mapping then holds a placeholder for it.
            return taken.get("fresh") or str(uuid.uuid4())
        found = taken.get(self.taken) if self.taken else arguments.get(self.param) if self.param else self.value
        return found if found is None else self._limited(self._formed(found), taken.get(WITHIN, ()))

    def _formed(self, found: Any) -> Any:
        if self.each:
            return self.each.of(found)
        match self.form:
            case "base64":
                return base64.b64encode(str(found).encode()).decode()
            case "comma":
                return ",".join(found)
            case "bytes":
                return len(str(found).encode())
            case None:
                return f"{self.prefix}{found}{self.suffix}" if self.prefix or self.suffix else found

    def _limited(self, found: Any, within: Sequence[str]) -> Any:
        if self.limited is None or not within:
            return found
        limits = (f"{self.limited.repository if '/' in one else self.limited.account}{one}" for one in within)
        return f"{' '.join(limits)} {found}"


def _value(given: Any) -> Any:
    if isinstance(given, str):
        return {"param": given}
    return {"value": given} if isinstance(given, bool | int) else given


Placed = dict[str, Annotated[Value, BeforeValidator(_value, json_schema_input_type=str | bool | int | Value)]]
"""Values by where they go; dots nest, and numbers are places in a list: ``files.0.id``."""


class Step(Definition):
    """One request of an operation, and what later steps may take from its answer."""

    method: Method = "POST"
    """Of the HTTP request; anything but GET changes something."""
    path: str | None = None
    """Path at the host of ``api``. ``{name}`` is a parameter, or what an earlier step took, as one encoded segment."""
    query: Placed = Field(default_factory=dict)
    """The query string."""
    body: Placed = Field(default_factory=dict)
    """The body."""
    encoding: Literal["json", "form"] = "json"
    """How the body is sent."""
    graphql: str | None = None
    """File name of a static document beside the operation; once loaded, the document itself."""
    variables: Placed = Field(default_factory=dict)
    """Of the GraphQL document."""
    answer: Literal["json", "text", "none"] = "json"
    """What comes back: JSON, text, or nothing."""
    name: str | None = None
    """Where the answer goes in what ``[result]`` sees; without a name it is the root."""
    take: dict[str, str] = Field(default_factory=dict)
    """Names for later steps, and dotted paths into this answer. Missing ones end the call."""
    expect: tuple[Expected, ...] = ()
    """What the answer has to say for the next step to be taken."""
    prepares: bool = False
    """It writes what nobody sees before a later step: where its answer is lost, the call may be repeated."""
    when: Test | None = None
    """Taken only where this holds of the arguments."""
    after: ToldValue | None = None
    """Only where the answer before it says so."""
    accept: str | None = None
    """The ``Accept`` header, where it is not the provider's usual one."""
    ok: str | None = None
    """Dotted path to a boolean that must be true."""
    redirect_to: tuple[str, ...] = ()
    """Host suffixes to which this step's one redirect may lead; it is followed without any credential."""
    upload_to: str | None = None
    """A URL that an earlier step took, to which ``upload`` is posted without any credential."""
    upload: str | None = None
    """The parameter whose text is uploaded."""

    @model_validator(mode="after")
    def _is_one_kind(self) -> Step:
        if sum(kind is not None for kind in (self.path, self.graphql, self.upload_to)) != 1:
            raise ValueError("exactly one of path, graphql, upload_to")
        if self.graphql and (self.query or self.body):
            raise ValueError("a graphql step has variables and nothing else")
        if self.upload_to and not (self.upload and self.redirect_to):
            raise ValueError("upload_to needs upload and redirect_to (the hosts it may go to)")
        return self

    @property
    def label(self) -> str:
        """``GET /repos/{owner}/{repo}``, or the first line of a document: ``query issues``."""
        if self.graphql:
            return " ".join(self.graphql.split()[:2]).partition("(")[0]
        return f"{self.method} {self.path}" if self.path else "POST to the upload URL"

    @property
    def changes(self) -> bool:
        """May this request change anything at the provider?"""
        if self.prepares:
            return False
        return not self.graphql.lstrip().startswith("query") if self.graphql else self.method != "GET"

    def placed(self) -> list[Value]:
        return [*self.query.values(), *self.body.values(), *self.variables.values()]
