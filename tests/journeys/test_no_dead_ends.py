"""From a red build to its log, and to another run of it, by ids that the tools themselves give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcp import Client

from journeys.town import Town, text_of, town

WEB = {"owner": "acme", "repo": "web"}


async def asked(built: Town, agent: Client, tool: str, **given: Any) -> dict[str, Any]:
    answer = await built.call(agent, tool, WEB | given)
    assert not answer.is_error, text_of(answer)
    held: dict[str, Any] = answer.structured_content or {}
    return held


async def test_a_red_build_is_followed_to_its_log_and_started_again(tmp_path: Path) -> None:
    async with town(tmp_path / "home", tools={"toolsets": ("all",)}) as built, built.agent() as agent:
        (workflow,) = (await asked(built, agent, "github_list_workflows"))["workflows"]
        file = workflow["path"].rpartition("/")[2]
        (run,) = (await asked(built, agent, "github_list_workflow_runs", workflow_id=file, status="failure"))["runs"]
        assert (run["workflow_id"], run["path"], run["run_number"]) == (workflow["id"], workflow["path"], 2)
        (job,) = (await asked(built, agent, "github_list_workflow_jobs", run_id=run["id"]))["jobs"]
        assert [step["name"] for step in job["steps"] if step["conclusion"] == "failure"] == ["make test"]
        log = await asked(built, agent, "github_get_job_logs", job_id=job["id"])
        assert "3 tests, failure" in log["log"]
        await asked(built, agent, "github_run_workflow", workflow_id=file, ref=run["head_branch"])
        started = (await asked(built, agent, "github_list_workflow_runs", event="workflow_dispatch"))["runs"]
        assert [(one["run_number"], one["status"]) for one in started] == [(3, "queued")]
        assert (await asked(built, agent, "github_list_workflow_runs", actor="bob"))["runs"] == []
        assert len((await asked(built, agent, "github_list_workflow_runs", head_sha=run["head_sha"]))["runs"]) == 3
