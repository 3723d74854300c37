"""What has the wrong form for a parameter of a Linear tool is refused before anybody is asked or anything is lent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from catalog.examples import EXAMPLES, arguments
from journeys.town import Town, error_of, text_of, town
from loaner import catalog
from loaner.catalog.params import Param
from loaner.sandbox.linear.state import Issue, IssueLabel

CATALOG = catalog.load()
LINEAR = [one for one in CATALOG.operations if one.provider.name == "linear"]
FIRST = {tool: example for tool, example in reversed(EXAMPLES) if tool.startswith("linear_")}
CALLS = [(one.tool, name) for one in LINEAR for name in one.params]
ANY_NAME = {"team", "assignee", "project", "named"}
"""Forms of what is looked up by the names that people use."""
OTHERS = ("C0SBX000002", "acme/web#1", "U00BOB0002@x", "12", "\uff25-1")
"""What is a name at another provider, or at none."""
OF_TYPE = {"integer": ("2", 1.5, True), "boolean": ("true", 1), "list": ("x", {"x": "y"}), "string": (1, ["x"])}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(
        tmp_path_factory.mktemp("bad"), tools={"toolsets": ("all",)}, limits={"calls_per_minute": 10_000}
    ) as built:
        yield built


def given(acme: Town, tool: str) -> dict[str, Any]:
    state = SimpleNamespace(desk=acme.running.sandbox.inside["linear"])
    inside: Any = SimpleNamespace(apps={"linear": SimpleNamespace(app=SimpleNamespace(state=state))})
    return dict(arguments(FIRST[tool], inside))


def wrong(param: Param) -> list[Any]:
    bad: list[Any] = list(OF_TYPE[param.type])
    if param.type == "integer":
        bad += [(param.min or 0) - 1, (param.max or 0) + 1]
    if param.form and param.form not in ANY_NAME:
        bad += [*OTHERS]
    elif param.choices:
        bad += ["none of them", param.choices[0].swapcase()]
    if param.type == "list":
        bad = [*OF_TYPE["list"], *([each] for each in bad if isinstance(each, str) and each not in OF_TYPE["list"])]
    if param.type == "string" and param.role != "content":
        bad += ["ENG\nOPS", "ENG\u202e", "x" * 300]
    if param.must_be_given:
        bad += ["", None, " "] if param.form or param.choices else ["", None]
    return bad


@pytest.mark.parametrize(("tool", "name"), CALLS, ids=[f"{tool}-{name}" for tool, name in CALLS])
async def test_what_has_the_wrong_form_reaches_nobody(acme: Town, tool: str, name: str) -> None:
    before, call = len(acme.ledger()), given(acme, tool)
    async with acme.agent() as agent:
        for value in wrong(CATALOG[tool].params[name]):
            answer = await agent.call_tool(tool, call | {name: value})
            assert answer.is_error, (value, text_of(answer))
            assert error_of(answer)["code"] == "invalid_arguments", (value, text_of(answer))
    assert len(acme.ledger()) == before


async def test_two_who_add_labels_at_once_take_none_of_each_others(acme: Town) -> None:
    """A race that would be lost with all labels given: in between, somebody else puts one on and takes one off."""
    world: Any = acme.running.sandbox.inside["linear"].world  # type: ignore[attr-defined]
    issue: Issue = world.issue("ENG-1")
    label = {one.name: one for one in world.every(IssueLabel)}
    change = {"addedLabelIds": [label["Improvement"].id], "removedLabelIds": [label["Bug"].id]}
    call = "linear_update_issue", {"id": "ENG-1"} | change
    async with acme.agent() as agent:
        answer = await agent.call_tool(*call)
        assert (await acme.decide(answer)).state == "approved"
        issue.labels = [label["frontend"]]  # "Bug" is gone already
        done = await agent.call_tool(*call)
        while done.is_error:
            assert (await acme.decide(done)).state == "approved"
            done = await agent.call_tool(*call)
    assert {one.name for one in issue.labels} == {"frontend", "Improvement"}
