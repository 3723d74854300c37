"""A workflow is started with its inputs, and a yes is for those very inputs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town
from loaner.consent import requests

START = {"owner": "acme", "repo": "web", "workflow_id": "ci.yml", "ref": "main"}
TOOL = "github_run_workflow"
INPUTS = {"environment": "staging", "note": "first line\nenvironment: production"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("inputs"), tools={"toolsets": ("all",)}) as built:
        web(built).workflows[0].inputs = {"environment": True, "note": False}
        yield built


def web(acme: Town) -> Any:
    github: Any = acme.running.sandbox.inside["github"]
    return next(one for one in github.world.repositories.values() if one.name == "web")


async def test_a_workflow_gets_the_inputs_that_were_shown(acme: Town) -> None:
    """MUST 27."""
    async with acme.agent() as agent:
        assert not (await acme.call(agent, "github_get_me", {})).is_error
        asked = await agent.call_tool(TOOL, START | {"inputs": INPUTS})
        handle = error_of(asked)["url"].rpartition("/")[2]
        question = await acme.loaner.store.read(lambda c: requests.get(c, handle))
        assert question
        assert ["inputs environment", "staging"] in question.shown["payload"], "each has a line of its own"
        assert ["inputs note", INPUTS["note"]] in question.shown["payload"]
        assert (await acme.decide(asked)).state == "approved"
        other = await agent.call_tool(TOOL, START | {"inputs": INPUTS | {"environment": "production"}})
        assert error_of(other)["code"] == "consent_required", "that was for staging"
        answer = await agent.call_tool(TOOL, START | {"inputs": dict(reversed(INPUTS.items()))})
        assert not answer.is_error, text_of(answer)
    assert web(acme).runs[-1].inputs == INPUTS


async def test_a_task_fixes_the_inputs(acme: Town) -> None:
    """MUST 28."""
    task = {
        "purpose": "deploy to staging",
        "operations": [{"tool": TOOL, "count": 2, "arguments": {"inputs": {"environment": "staging"}}}],
        "resources": ["acme/web"],
    }
    async with acme.agent(name="deployer") as agent:
        assert not (await acme.call(agent, "loaner_propose_task", task)).is_error
        asked = await agent.call_tool(TOOL, START | {"inputs": {"environment": "staging", "note": "x"}})
        assert error_of(asked)["code"] == "consent_required"
        assert "fixes other arguments" in text_of(asked)
        before = len(web(acme).runs)
        assert not (await agent.call_tool(TOOL, START | {"inputs": {"environment": "staging"}})).is_error
        assert len(web(acme).runs) == before + 1
        assert not (await agent.call_tool("loaner_end_task", {})).is_error


WRONG = {
    "no map": ("staging", "an object of names and texts"),
    "a number": ({"environment": 3}, "must be a string"),
    "a map in it": ({"environment": {"a": "b"}}, "must be a string"),
    "a name that speaks": ({"clears the labels": "x"}, "names of letters"),
    "too many": ({f"i{number}": "x" for number in range(26)}, "1–25 entries"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_is_no_flat_map_of_texts_is_refused(acme: Town, what: str) -> None:
    """MUST 13."""
    inputs, told = WRONG[what]
    async with acme.agent() as agent:
        answer = await agent.call_tool(TOOL, START | {"inputs": inputs})
    assert error_of(answer)["code"] == "invalid_arguments"
    assert told in text_of(answer)


@pytest.mark.parametrize(("inputs", "told"), [({"environmen": "x"}, "input"), ({"note": "x"}, "input")])
async def test_an_input_that_is_missing_or_unknown_is_told(acme: Town, inputs: dict[str, str], told: str) -> None:
    async with acme.agent(name="other") as agent:
        answer = await acme.call(agent, TOOL, START | {"inputs": inputs})
    assert error_of(answer)["code"] == "provider_rejected"
    assert told in text_of(answer)
