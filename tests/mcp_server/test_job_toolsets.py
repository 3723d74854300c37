"""A toolset per job: few enough tools for a model to choose well, as a client is shown them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from journeys.town import town
from loaner import catalog
from loaner.catalog import cost
from loaner.catalog.dead_ends import has

CATALOG = catalog.load()
MOST_TOOLS, MOST_TOKENS = 24, 8_999


@pytest.mark.parametrize("job", CATALOG.jobs)
async def test_what_a_client_is_shown_for_a_job_is_small_and_of_every_provider(tmp_path: Path, job: str) -> None:
    async with town(tmp_path / "home", tools={"toolsets": (job,)}) as acme, acme.agent() as agent:
        tools = (await agent.list_tools()).tools
    shown = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
    tokens = len(json.dumps(shown, separators=(",", ":"), ensure_ascii=False).encode()) // cost.BYTES_A_TOKEN
    assert {tool.name.partition("_")[0] for tool in tools} == {"github", "linear", "slack", "loaner"}
    assert len(tools) <= MOST_TOOLS
    assert tokens <= MOST_TOKENS, f"{job}: {tokens} tokens"


def test_the_jobs_are_those_that_people_name() -> None:
    assert list(CATALOG.jobs) == ["triage", "review", "release", "planning"]


@pytest.mark.parametrize("job", CATALOG.jobs)
def test_a_job_has_the_tools_that_its_own_tools_need(job: str) -> None:
    """An id that has to be given is given by a tool of the same job, or by one that takes what people say instead."""
    chosen = CATALOG.selected([job]).operations
    for operation in chosen:
        for name, param in operation.params.items():
            fields = operation.provider.found.get(name)
            if fields and param.must_be_given and not param.lookup:
                giving = [one for one in chosen if one.provider is operation.provider]
                given = any(has(one.result.keep, field.split(".")) for one in giving for field in fields)
                assert given, f"{operation.tool} needs {operation.find} for {name}"
