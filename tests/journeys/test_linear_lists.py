"""Linear's lists are of what was asked for, or say that there is no such thing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town
from loaner.sandbox.linear.state import Team


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("lists"), tools={"toolsets": ("all",)}) as built:
        yield built


async def asked(acme: Town, tool: str, **given: Any) -> Any:
    async with acme.agent() as agent:
        return await acme.call(agent, tool, given)


async def said(acme: Town, tool: str, **given: Any) -> dict[str, Any]:
    answer = await asked(acme, tool, **given)
    assert not answer.is_error, text_of(answer)
    return dict(answer.structured_content or {})


def world(acme: Town) -> Any:
    linear: Any = acme.running.sandbox.inside["linear"]
    return linear.world


BY_TEAM = {
    "linear_list_issues": {},
    "linear_list_states": {},
    "linear_list_labels": {},
    "linear_search_issues": {"term": "the"},
    "linear_create_issue": {"title": "New"},
}


@pytest.mark.parametrize("tool", BY_TEAM)
async def test_a_team_that_is_not_there_is_not_found(acme: Town, tool: str) -> None:
    """An empty list would say that there is nothing in it."""
    answer = await asked(acme, tool, **BY_TEAM[tool], teamId="Marketing")
    assert error_of(answer)["code"] == "not_found"
    assert "linear_list_teams" in text_of(answer)


@pytest.mark.parametrize("name", ["ENG", "eng", "Engineering", "ENGINEERING"])
async def test_a_team_is_found_by_its_key_and_by_its_name(acme: Town, name: str) -> None:
    issues = (await said(acme, "linear_list_issues", teamId=name))["issues"]
    assert issues
    assert all(one["identifier"].startswith("ENG-") for one in issues)
    assert (await acme.records(tool="linear_list_issues"))[-1]["resource"] == "team:ENG"


async def test_a_key_is_preferred_to_the_same_name_and_two_of_one_name_are_told_apart(acme: Town) -> None:
    ops = next(one for one in world(acme).every(Team) if one.key == "OPS")
    before, ops.name = ops.name, "Eng"
    issues = (await said(acme, "linear_list_issues", teamId="eng"))["issues"]
    assert all(one["identifier"].startswith("ENG-") for one in issues)
    ops.name = "Engineering"
    answer = await asked(acme, "linear_list_issues", teamId="Engineering")
    assert error_of(answer)["code"] == "not_found"
    assert "several" in text_of(answer)
    ops.name = before
