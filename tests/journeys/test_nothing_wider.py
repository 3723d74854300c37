"""A yes covers the permissions that were shown: no argument leads from it to a wider credential."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from house import CONNECTORS, caller, tools
from journeys.town import Town, error_of, text_of, town
from loaner.catalog import BoundCall
from loaner.catalog.operation import Operation
from loaner.catalog.rule import ScopeCase
from loaner.connectors import Connectors
from loaner.consent.approvals import Approval
from loaner.consent.call import call_for
from loaner.consent.tasks.proposal import Proposal

FILE = {"owner": "acme", "repo": "web", "message": "notes", "content": "text"}
NOTES = FILE | {"path": "docs/notes.md"}
WORKFLOW = FILE | {"path": ".github/workflows/pwn.yml"}
TOOL = "github_create_or_update_file"
NARROW: dict[str, dict[str, Any]] = {
    "github_create_or_update_file": NOTES,
    "github_delete_file": {"owner": "acme", "repo": "web", "path": "docs/a.md", "message": "m", "sha": "a" * 40},
    "github_create_release": {"owner": "acme", "repo": "web", "tag_name": "v1.1.0"},
    "github_push_files": {
        "owner": "acme",
        "repo": "web",
        "branch": "main",
        "expected_head": "a" * 40,
        "message": "m",
        "files": {"docs/a.md": "text"},
    },
    "slack_archive_channel": {"channel": "C0000000001"},
    "slack_create_channel": {"name": "plans"},
    "slack_invite_to_channel": {"channel": "C0000000001", "users": ["U0CAROL001"]},
    "slack_open_dm": {"users": ["U0CAROL001"]},
    "slack_unarchive_channel": {"channel": "C0000000001"},
    "slack_set_topic": {"channel": "C0000000001", "topic": "x"},
}


@pytest.fixture
async def acme(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path / "home") as built:
        yield built


def widths(acme: Town) -> list[str]:
    """The permissions of everything that GitHub minted for a call."""
    return [str(entry["permissions"]) for entry in acme.ledger(provider="github", kind="scoped")]


async def test_an_hour_for_a_file_is_none_for_a_workflow(acme: Town) -> None:
    """MUST 28: a workflow file is code with the repository's secrets, and its page says so."""
    async with acme.agent() as agent:
        asked = await agent.call_tool(TOOL, NOTES)
        assert (await acme.decide(asked, remember="hour")).state == "approved"
        assert not (await acme.call(agent, TOOL, NOTES)).is_error
        assert not (await agent.call_tool(TOOL, FILE | {"path": "docs/more.md"})).is_error, "for the hour"
        wider = await agent.call_tool(TOOL, WORKFLOW)
        assert error_of(wider)["code"] == "consent_required"
        assert "workflows:write" in text_of(wider)
    assert not any("workflows" in one for one in widths(acme))


async def test_a_task_for_files_is_none_for_workflows_unless_it_names_them(acme: Town) -> None:
    """MUST 28."""
    task: dict[str, Any] = {"purpose": "notes", "operations": [{"tool": TOOL}], "resources": ["acme/web"]}
    async with acme.agent() as agent:
        assert not (await acme.call(agent, "loaner_propose_task", task)).is_error
        assert not (await acme.call(agent, TOOL, NOTES)).is_error
        wider = await agent.call_tool(TOOL, WORKFLOW)
        assert error_of(wider)["code"] == "consent_required"
        assert "outside the task" in text_of(wider)
        assert not any("workflows" in one for one in widths(acme))
        named = task | {"resources": ["acme/web/.github/workflows/pwn.yml"]}
        assert not (await acme.call(agent, "loaner_propose_task", named)).is_error
        assert not (await agent.call_tool(TOOL, WORKFLOW)).is_error, "it said which file, and the page which permission"
    assert any("workflows" in one for one in widths(acme))


def widening() -> Iterator[Any]:
    for operation in tools().operations:
        for case in operation.rule.when if operation.effect != "read" else ():
            if case.add or case.instead:
                yield pytest.param(operation, case, id=f"{operation.tool}: {case.told()}")


def led_to(operation: Operation, case: ScopeCase) -> BoundCall:
    """The narrow call with the one argument that leads to the case."""
    given: Any = case.equals
    if case.starts_with is not None:
        given = case.starts_with + ("a.yml" if case.starts_with.endswith("/") else "0000000001")
    if operation.params[case.param].type == "map":
        given = {"docs/a.md": "text", given: "text"}
    if case.several:
        given = ["U0CAROL001", "U00BOB0002"]
    return operation.bind(NARROW[operation.tool] | {case.param: given})


@pytest.mark.parametrize(("operation", "case"), list(widening()))
def test_no_argument_of_a_write_widens_what_was_approved(operation: Operation, case: ScopeCase) -> None:
    """MUST 28: every case of every write in the catalogue; the resource is set alike, so the permissions decide."""
    narrow, wide = operation.bind(NARROW[operation.tool]), led_to(operation, case)
    assert not wide.scope.permissions <= narrow.scope.permissions, "this case widens nothing"
    hour = of_call(narrow)
    assert hour.fits(call_of(narrow, narrow))
    assert not hour.fits(call_of(wide, narrow))


@pytest.mark.parametrize(("operation", "case"), list(widening()))
def test_no_argument_of_a_write_widens_a_task(operation: Operation, case: ScopeCase) -> None:
    """MUST 28: what it may lead to is on the page as what is asked for; what the proposal fixes is agreed."""
    if operation.effect == "destructive":
        return  # no task has it
    narrow, wide = operation.bind(NARROW[operation.tool]), led_to(operation, case)
    free, fixed = (of_task(operation, arguments) for arguments in ({}, {case.param: wide.arguments[case.param]}))
    assert free.covers(narrow.scope.permissions)
    assert not free.covers(wide.scope.permissions)
    assert fixed.covers(wide.scope.permissions)


def call_of(bound: BoundCall, like: BoundCall) -> Any:
    made = call_for(caller(), bound, bound.scope, policy_version="1", connector="c")
    return type(made)(**(vars(made) | {"resource": like.scope.resource}))


def approval(**columns: Any) -> Approval:
    given: dict[str, Any] = dict.fromkeys(Approval.__dataclass_fields__)
    return Approval(**(given | {"agent": caller().agent.key, "ids": {}, "uses_left": 1} | columns))


def of_call(bound: BoundCall) -> Approval:
    scope = bound.scope
    shown = (scope.permissions, *scope.alternatives)
    return approval(operations=(bound.operation.tool,), resources=(scope.resource,), permissions=shown)


def of_task(operation: Operation, fixed: dict[str, Any]) -> Approval:
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in fixed.items()}
    wanted = {"tool": operation.tool, "arguments": plain}
    proposal = Proposal.of({"purpose": "sweep", "operations": [wanted], "resources": ["*"]})
    (item,) = proposal.task_scope(caller(), tools(), Connectors(CONNECTORS)).items
    return approval(task="t", permissions=tuple(frozenset(one) for one in item.permissions))
