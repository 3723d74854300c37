"""Every operation against the emulated providers: its derived scope works, and nothing smaller does.

The sandbox's rules come from the providers' documents and not from the connectors, so a connector that claims too
little fails here, and so does one that claims too much.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from emulated import Emulated
from examples import EXAMPLES, arguments
from loaner import catalog
from loaner.catalog import cost
from loaner.catalog.provider import Provider
from loaner.errors import NotFound, ProviderForbidden, ScopeNotGrantable
from loaner.provider_call import Reply, send

SEARCHES = {
    "github_search_code": {"contents:read": "items"},
    "github_search_issues": {"issues:read": "items", "pull_requests:read": "items"},
    "github_mine": {"issues:read": "assigned", "pull_requests:read": "reviews"},
}
"""GitHub never refuses these: what the key does not open is simply not found. Which list each permission opens."""


@pytest.fixture(scope="module")
def emulated() -> Emulated:
    return Emulated()


def smaller(provider: Provider, permissions: frozenset[str]) -> Iterator[frozenset[str]]:
    """Every set that is one step less: without one permission, or with it one level lower."""
    for permission in sorted(permissions - provider.always):
        rest = permissions - {permission}
        yield rest
        name, _, level = permission.rpartition(":")
        if level in provider.levels[1:]:
            yield rest | {f"{name}:{provider.levels[provider.levels.index(level) - 1]}"}


async def carried(emulated: Emulated, tool: str, given: dict[str, Any], permissions: frozenset[str]) -> Reply:
    bound = emulated.catalog[tool].bind(given)
    provider = bound.operation.provider
    emulated.sandbox.clock.advance(61)  # past every per-minute limit
    credential = emulated.credential(provider.name, permissions | provider.always, repositories=["acme/web"])
    return await send(bound, credential, emulated.transport)


def test_every_operation_has_an_example() -> None:
    assert {tool for tool, _ in EXAMPLES} == {operation.tool for operation in catalog.load().operations}


@pytest.mark.parametrize(("tool", "example"), EXAMPLES, ids=[f"{i}-{tool}" for i, (tool, _) in enumerate(EXAMPLES)])
async def test_the_derived_scope_works_and_nothing_smaller_does(tool: str, example: Any, emulated: Emulated) -> None:
    given = arguments(example, emulated)
    bound = emulated.catalog[tool].bind(given)
    needed = bound.scope.permissions
    for less in smaller(bound.operation.provider, needed):
        if tool in SEARCHES:
            found = (await carried(emulated, tool, given, less)).payload
            assert [found[SEARCHES[tool][one]] for one in needed - less] == [[] for _ in needed - less]
        else:
            with pytest.raises((ProviderForbidden, ScopeNotGrantable, NotFound)):
                await carried(emulated, tool, given, less)

    reply = await carried(emulated, tool, given, needed)

    jsonschema.validate(reply.payload, bound.operation.output_schema)
    assert reply.payload
    assert len(json.dumps(reply.payload).encode()) // cost.BYTES_A_TOKEN <= cost.answered(bound.operation)
    if tool in SEARCHES:
        assert all(reply.payload[SEARCHES[tool][one]] for one in needed)
