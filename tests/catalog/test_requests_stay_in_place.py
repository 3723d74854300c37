"""No input can change the host, leave its path segment, add a header, or change a GraphQL document
(MUSTs 44, 46-48)."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaner import catalog
from loaner.catalog import Operation, Param
from loaner.catalog.paths import ROOT, fill
from loaner.errors import InvalidArguments, LoanerError
from loaner.provider_call import ProviderTransport, send
from loaner.secret import Secret
from stand_in import Over

SOME = 1000
MANY = int(os.environ.get("SOAK_EXAMPLES", "20000"))
"""Examples of each property, usually and in ``./run soak``."""
CATALOG = catalog.load()
TOKEN = "the-loan-itself"

NASTY = st.sampled_from(
    [
        "..", ".", "../..", "a/../b", "..%2f..", "%2e%2e", "/", "//evil.example/x", "https://evil.example/", "a\\..\\b",
        "x\r\nX-Evil: 1", "\x00", "a?b=c", "a#b", "a@evil.example", "{owner}", "{{}}", "a;b", "é/ü", "…", "\u2028",
        "mutation { x }", '"}) { id } }', "\ud800", " ", "~", "C0000001", "#x y", ".github/workflows/x", "%",
    ]
)  # fmt: skip
SEGMENT = st.text(max_size=40) | NASTY
HOSTILE = NASTY | st.text(max_size=30) | st.builds("".join, st.lists(NASTY, max_size=4))


def values(operation: Operation, param: Param) -> st.SearchStrategy[Any]:
    """Mostly what fits, so that the other parameters are reached, and always something that does not."""
    hostile: st.SearchStrategy[Any] = HOSTILE | st.none() | st.integers() | st.booleans()
    match param.type:
        case "integer":
            return st.integers(param.min, param.max) | hostile
        case "boolean":
            return st.booleans() | hostile
    text = st.sampled_from(param.choices) if param.choices else HOSTILE
    if param.form:
        text = st.from_regex(operation.provider.forms[param.form].pattern, fullmatch=True) | text
    elif not param.choices:
        text = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12) | text
    return st.lists(text, min_size=1, max_size=3) if param.type == "list" else text | hostile


@st.composite
def calls(draw: st.DrawFn) -> tuple[Operation, dict[str, Any]]:
    operation = draw(st.sampled_from(CATALOG.operations))
    given_ = {
        name: draw(values(operation, param))
        for name, param in operation.params.items()
        if param.must_be_given or draw(st.booleans())
    }
    return operation, given_


def bound_or_none(operation: Operation, arguments: dict[str, Any]) -> catalog.BoundCall | None:
    try:
        return operation.bind(arguments)
    except InvalidArguments:
        return None


def template_of(path: str) -> re.Pattern[str]:
    """What a path may look like: written here a second time, and not with the builder's own means."""
    parts = [
        "(?:[^/?#]+(?:/[^/?#]+)*)?" if part.endswith("*}") else "[^/?#]+" if part.startswith("{") else re.escape(part)
        for part in path.split("/")
    ]
    return re.compile("/".join(parts))


def test_every_request_is_where_its_template_says() -> None:
    tried(SOME, is_where_its_template_says, calls())


@pytest.mark.soak
def test_twenty_thousand_requests_are_where_their_templates_say() -> None:
    tried(MANY, is_where_its_template_says, calls())


def test_a_value_becomes_exactly_its_own_segment() -> None:
    tried(SOME, becomes_exactly_its_own_segment, st.tuples(SEGMENT, SEGMENT))


@pytest.mark.soak
def test_twenty_thousand_values_become_exactly_their_own_segments() -> None:
    tried(MANY, becomes_exactly_its_own_segment, st.tuples(SEGMENT, SEGMENT))


def test_a_range_keeps_its_two_ends() -> None:
    tried(SOME, keeps_its_two_ends, st.tuples(SEGMENT, SEGMENT))


@pytest.mark.soak
def test_twenty_thousand_ranges_keep_their_two_ends() -> None:
    tried(MANY, keeps_its_two_ends, st.tuples(SEGMENT, SEGMENT))


def test_nothing_but_the_fixed_headers_is_sent() -> None:
    tried(SOME // 10, sends_nothing_but_the_fixed_headers, calls())


@pytest.mark.soak
def test_of_twenty_thousand_requests_none_adds_a_header() -> None:
    tried(MANY, sends_nothing_but_the_fixed_headers, calls())


def tried(examples: int, holds: Callable[[Any], None], inputs: st.SearchStrategy[Any]) -> None:
    """Hold a property against so many examples; the smallest that breaks it is what fails."""
    limits = settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    limits(given(inputs)(holds))()


def is_where_its_template_says(call: tuple[Operation, dict[str, Any]]) -> None:
    operation, arguments = call
    bound = bound_or_none(operation, arguments)
    if bound is None:
        return
    bases = set(operation.provider.hosts.values())
    documents = {step.graphql for step in operation.steps} | {
        lookup.step.graphql for lookup in operation.provider.lookups.values()
    }
    templates = [template_of(step.path) for step in operation.steps if step.path]
    listed = [step for lookup in operation.provider.lookups.values() for step in lookup.steps]
    templates += [template_of(step.path) for step in listed if step.path]
    for request in bound.plan():
        if request.url.startswith("<"):
            continue  # an upload, to a URL that only the provider's answer will name
        parts = urlsplit(request.url)
        assert f"{parts.scheme}://{parts.netloc}" in bases
        assert httpx2.URL(request.url).raw_path.decode() == parts.path, "the client would ask for another path"
        assert not any(unquote(segment) in {".", ".."} for segment in parts.path.split("/"))
        if request.graphql is None:
            assert any(template.fullmatch(parts.path) for template in templates)
        else:
            assert request.graphql in documents


def becomes_exactly_its_own_segment(values: tuple[str, str]) -> None:
    one, several = values
    try:
        path = fill("/a/{one}/b/{several*}", {"one": one, "several": several})
    except (InvalidArguments, UnicodeEncodeError):
        return

    first, prefix, middle, last = path[1:].split("/", 3)

    assert (first, middle) == ("a", "b")
    assert unquote(prefix) == one
    if several == ROOT:
        assert last == ""
        return
    assert [unquote(part) for part in last.split("/")] == several.split("/")
    assert not {"", ".", ".."} & {unquote(part) for part in path[1:].split("/")}
    assert re.fullmatch(r"[A-Za-z0-9/%._~-]+", path)


def keeps_its_two_ends(values: tuple[str, str]) -> None:
    base, head = values
    try:
        path = fill("/compare/{base}...{head}", {"base": base, "head": head})
    except (InvalidArguments, UnicodeEncodeError):
        return
    assert path.startswith("/compare/")
    assert [unquote(end) for end in path.removeprefix("/compare/").split("...")] == [base, head]
    assert "/" not in path.removeprefix("/compare/")


def sends_nothing_but_the_fixed_headers(call: tuple[Operation, dict[str, Any]]) -> None:
    operation, arguments = call
    bound = bound_or_none(operation, arguments)
    if bound is None:
        return
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(404, json={"ok": False, "error": "channel_not_found"})

    async def carry() -> None:
        async with ProviderTransport(Over(httpx2.MockTransport(answer))) as transport:
            with pytest.raises(LoanerError):
                await send(bound, Secret(TOKEN), transport)

    asyncio.run(carry())

    fixed = {name.lower() for name in operation.provider.headers}
    for request in seen:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        assert request.url.host in {urlsplit(base).hostname for base in operation.provider.hosts.values()}
        assert set(request.headers) <= fixed | {
            "authorization", "user-agent", "accept", "accept-encoding", "host", "connection", "content-length",
            "content-type",
        }  # fmt: skip
        assert TOKEN not in str(request.url)
