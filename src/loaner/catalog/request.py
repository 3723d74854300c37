"""From a step and checked arguments to one request. Nothing here can add a header or choose a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loaner.catalog.paths import fill
from loaner.catalog.provider import Provider
from loaner.catalog.step import Placed, Step


@dataclass(frozen=True)
class RequestParts:
    """One request, ready to be sent; the credential is added by whoever sends it."""

    method: str
    url: str
    query: dict[str, str]
    json: dict[str, Any] | None = None
    form: dict[str, str] | None = None
    content: bytes | None = None
    graphql: str | None = None
    """The document, when ``json`` carries one."""
    credential: bool = True
    """False for the places that must never see it."""


def build(step: Step, provider: Provider, arguments: Mapping[str, Any], taken: Mapping[str, Any]) -> RequestParts:
    """The request of one step. Raises :class:`loaner.errors.InvalidArguments` if an argument does not fit the path."""
    if step.upload_to:
        content = str(arguments[str(step.upload)]).encode()
        return RequestParts("POST", str(taken[step.upload_to]), {}, content=content, credential=False)
    if step.graphql:
        body = {"query": step.graphql, "variables": nest(_given(step.variables, arguments, taken))}
        return RequestParts("POST", provider.url(str(provider.graphql)), {}, json=body, graphql=step.graphql)
    values = {name: _text(value) for name, value in (dict(arguments) | dict(taken)).items()}
    url = provider.hosts[provider.api] + fill(str(step.path), values)
    query = {name: _text(value) for name, value in _given(step.query, arguments, taken).items()}
    given = _given(step.body, arguments, taken)
    if not step.body:
        return RequestParts(step.method, url, query)
    if step.encoding == "form":
        return RequestParts(step.method, url, query, form={name: _text(value) for name, value in given.items()})
    return RequestParts(step.method, url, query, json=nest(given))


def _given(placed: Placed, arguments: Mapping[str, Any], taken: Mapping[str, Any]) -> dict[str, Any]:
    values = {place: value.of(arguments, taken) for place, value in placed.items()}
    cleared = {place for place, value in placed.items() if value.param in arguments and not value.when}  # sent as null
    return {place: value for place, value in values.items() if value is not None or place in cleared}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, list | tuple) else str(value)


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """``{"input.title": "x"}`` as ``{"input": {"title": "x"}}``."""
    tree: dict[str, Any] = {}
    for place, value in flat.items():
        *above, last = place.split(".")
        at = tree
        for part in above:
            at = at.setdefault(part, {})
        at[last] = list(value) if isinstance(value, tuple) else value
    return {key: _listed(value) for key, value in tree.items()}


def _listed(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    inner = {key: _listed(value) for key, value in tree.items()}
    return list(inner.values()) if inner and all(key.isdigit() for key in inner) else inner
