"""What `tools/list` costs every agent's context: an upper bound, so that it grows on purpose only."""

from __future__ import annotations

import json

import pytest

from loaner import catalog
from loaner.catalog import Catalog
from loaner.mcp_server.server import _tool

BYTES_A_TOKEN = 4
"""A usual estimate for JSON in English; no tokenizer is a dependency."""


def size(chosen: Catalog) -> int:
    """Bytes of the list as it goes over the wire."""
    tools = [
        _tool(operation).model_dump(mode="json", by_alias=True, exclude_none=True) for operation in chosen.operations
    ]
    return len(json.dumps({"tools": tools}, separators=(",", ":"), ensure_ascii=False).encode())


@pytest.mark.parametrize(("toolset", "most_tools", "most_bytes"), [("default", 24, 40_000), ("all", 150, 220_000)])
def test_the_list_of_tools_stays_small(toolset: str, most_tools: int, most_bytes: int) -> None:
    chosen = catalog.load().selected(toolsets=[toolset])
    assert len(chosen) <= most_tools
    assert size(chosen) <= most_bytes, f"about {size(chosen) // BYTES_A_TOKEN} tokens"


def test_no_single_tool_is_a_burden() -> None:
    everything = catalog.load()
    heaviest = max(everything.operations, key=lambda operation: size(everything.selected(tools=[operation.tool])))
    assert size(everything.selected(tools=[heaviest.tool])) <= 4_200, heaviest.tool
