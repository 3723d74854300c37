"""A red build is seen on its commit, run again and cancelled; a run that moved on meanwhile is told as what it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town

WEB = {"owner": "acme", "repo": "web"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("runs"), tools={"toolsets": ("all",)}) as built:
        async with built.agent() as agent:
            assert not (await built.call(agent, "github_get_me", {})).is_error
        yield built


def runs(acme: Town) -> Any:
    """The green one, and the red one."""
    github: Any = acme.running.sandbox.inside["github"]
    return github.world.find("acme/web").runs


async def answered(acme: Town, tool: str, given: dict[str, Any]) -> Any:
    async with acme.agent() as agent:
        return await acme.call(agent, tool, WEB | given)


async def told(acme: Town, tool: str, **given: Any) -> dict[str, Any]:
    answer = await answered(acme, tool, given)
    assert not answer.is_error, text_of(answer)
    held: dict[str, Any] = answer.structured_content
    return held


async def lent(acme: Town, tool: str) -> tuple[dict[str, str], list[str]]:
    """The permissions of the last credential of a tool, and where it was used."""
    record = (await acme.records(tool=tool, outcome="ok"))[-1]
    (loan,) = acme.ledger(fingerprint=record["fingerprint"])
    return loan["permissions"], [use["path"].rpartition("/")[2] for use in loan["uses"]]


@pytest.mark.parametrize(("what", "permission"), [("checks", "checks"), ("statuses", "statuses")])
async def test_what_was_checked_of_a_branch_is_read_with_its_own_permission(
    acme: Town, what: str, permission: str
) -> None:
    held = await told(acme, "github_list_checks", ref="feature", what=what)
    assert (await lent(acme, "github_list_checks"))[0] == {permission: "read", "metadata": "read"}
    if what == "checks":
        assert [(one["name"], one["conclusion"]) for one in held["checks"]] == [
            ("test", "failure"),
            ("lint", "success"),
        ]
        assert (held["total_count"], held["checks"][0]["summary"]) == (2, "1 of 3 tests failed")
    else:
        assert (held["combined_status"], held["total_count"]) == ("success", 1)
        assert held["statuses"][0]["context"] == "preview"
    assert {"checks", "statuses"} & set(held) == {what}


async def test_checks_are_chosen_by_name_and_state_and_come_in_pages(acme: Town) -> None:
    (one,) = (await told(acme, "github_list_checks", ref="feature", check_name="lint"))["checks"]
    assert one["name"] == "lint"
    assert (await told(acme, "github_list_checks", ref="feature", status="queued"))["checks"] == []
    first = await told(acme, "github_list_checks", ref="feature", limit=1)
    rest = await told(acme, "github_list_checks", ref="feature", limit=1, cursor=first["next_cursor"])
    assert [one["checks"][0]["name"] for one in (first, rest)] == ["test", "lint"]
    assert (await told(acme, "github_list_checks", ref="main", check_name=""))["checks"] == []


async def test_a_red_run_is_run_again_once_and_cancelled_once(acme: Town) -> None:
    (red,) = (await told(acme, "github_list_workflow_runs", status="failure"))["runs"]
    assert await told(acme, "github_rerun_workflow_run", run_id=red["id"]) == {"started": True}
    least = {"actions": "write", "metadata": "read"}
    assert await lent(acme, "github_rerun_workflow_run") == (least, ["rerun-failed-jobs"])
    assert (runs(acme)[1].status, runs(acme)[1].attempt) == ("queued", 2)
    again = await answered(acme, "github_rerun_workflow_run", {"run_id": red["id"]})
    assert error_of(again)["code"] == "provider_rejected"
    assert "the run is not over yet" in text_of(again)
    assert runs(acme)[1].attempt == 2

    assert await told(acme, "github_cancel_workflow_run", run_id=red["id"]) == {"cancelling": True}
    assert await lent(acme, "github_cancel_workflow_run") == (least, ["cancel"])
    assert runs(acme)[1].conclusion == "cancelled"
    again = await answered(acme, "github_cancel_workflow_run", {"run_id": red["id"]})
    assert error_of(again)["code"] == "provider_rejected"
    assert "the run is over already" in text_of(again)

    assert not (await answered(acme, "github_rerun_workflow_run", {"run_id": red["id"], "jobs": "all"})).is_error
    assert await lent(acme, "github_rerun_workflow_run") == (least, ["rerun"])
    assert runs(acme)[1].attempt == 3


async def test_of_a_green_run_nothing_failed_that_could_run_again(acme: Town) -> None:
    answer = await answered(acme, "github_rerun_workflow_run", {"run_id": runs(acme)[0].id})
    assert error_of(answer)["code"] == "provider_rejected"
    assert "repeat all its jobs" in text_of(answer)
    assert "may lack the right" not in text_of(answer), "GitHub answers 403, and it is about the run"


@pytest.mark.parametrize("tool", ["github_rerun_workflow_run", "github_cancel_workflow_run"])
async def test_a_run_that_is_not_there_leads_to_the_list_of_runs(acme: Town, tool: str) -> None:
    answer = await answered(acme, tool, {"run_id": 4711})
    assert error_of(answer)["code"] == "not_found"
    assert "github_list_workflow_runs" in text_of(answer)


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "a run by number": ("github_rerun_workflow_run", {"run_id": "2"}, "run_id must be a whole number"),
    "no run": ("github_cancel_workflow_run", {"run_id": 0}, "run_id must be 1"),
    "every job of every run": ("github_rerun_workflow_run", {"run_id": 1, "jobs": "*"}, "failed, all"),
    "another kind of checks": ("github_list_checks", {"ref": "main", "what": "runs"}, "checks, statuses"),
    "a fork's branch": ("github_list_checks", {"ref": "mallory:main"}, "ref must be a branch"),
    "no ref": ("github_list_checks", {"ref": ""}, "ref must have 1"),
    "a conclusion": ("github_list_checks", {"ref": "main", "status": "failure"}, "queued, in_progress, completed"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_does_not_fit_is_refused_before_anything_is_sent(acme: Town, what: str) -> None:
    tool, given, words = WRONG[what]
    before = sum(len(entry["uses"]) for entry in acme.ledger(provider="github"))
    answer = await answered(acme, tool, given)
    assert (error_of(answer)["code"], words in text_of(answer)) == ("invalid_arguments", True), text_of(answer)
    assert sum(len(entry["uses"]) for entry in acme.ledger(provider="github")) == before


async def test_a_run_that_is_too_old_is_told_so(acme: Town) -> None:
    """The last one here: the clock goes on."""
    acme.advance(days=3)
    answer = await answered(acme, "github_rerun_workflow_run", {"run_id": runs(acme)[0].id, "jobs": "all"})
    assert error_of(answer)["code"] == "provider_rejected"
    assert "over 30 days old" in text_of(answer)
