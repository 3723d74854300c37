"""Workflow runs, job logs, and starting, repeating and cancelling a run.

GitHub docs, REST API "Actions". Logs are a redirect to a signed address on another host, good for one minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from loaner.sandbox.github.call import Answer, Call
from loaner.sandbox.github.errors import ApiError, invalid_request, not_found
from loaner.sandbox.github.routing import operation
from loaner.sandbox.github.shapes import actions as shapes
from loaner.sandbox.github.shapes.basics import Json
from loaner.sandbox.github.state import Job, Run, Workflow

REPEATABLE = timedelta(days=31)


@operation("GET /repos/{owner}/{repo}/actions/workflows")
def list_workflows(call: Call) -> Json:
    shown = [shapes.workflow(call.urls, call.repo, each) for each in call.page(call.repo.workflows)]
    return {"total_count": len(call.repo.workflows), "workflows": shown}


@operation("GET /repos/{owner}/{repo}/actions/runs")
def list_runs(call: Call) -> Json:
    return _runs(call, call.repo.runs)


@operation("GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs")
def list_runs_of_workflow(call: Call) -> Json:
    workflow = _workflow(call)
    return _runs(call, [each for each in call.repo.runs if each.workflow is workflow])


def _runs(call: Call, among: Sequence[Run]) -> Json:
    query = call.query
    found = [
        each
        for each in reversed(among)
        if query.get("branch", each.branch) == each.branch
        and query.get("event", each.event) == each.event
        and query.get("actor", each.actor.login) == each.actor.login
        and query.get("status", each.status) in (each.status, each.conclusion)
        and query.get("head_sha", each.sha) == each.sha
    ]
    shown = [shapes.workflow_run(call.urls, call.repo, each) for each in call.page(found)]
    return {"total_count": len(found), "workflow_runs": shown}


@operation("GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs")
def list_jobs(call: Call) -> Json:
    run = _run(call)
    shown = [shapes.job(call.urls, call.repo, run, each) for each in call.page(run.jobs)]
    return {"total_count": len(run.jobs), "jobs": shown}


@operation("GET /repos/{owner}/{repo}/actions/jobs/{job_id}/logs", status=302)
def download_job_logs(call: Call) -> Answer:
    job = next((job for run in call.repo.runs for job in run.jobs if job.id == call.number("job_id")), None)
    if job is None:
        raise not_found()
    return Answer(status=302, headers={"location": call.hub.sign_blob(job.log)})


@operation("POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches")
def dispatch(call: Call) -> Answer:
    """204 without a body; 200 and the new run when ``return_run_details`` is asked for."""
    workflow, branch = _workflow(call), call.required("ref").removeprefix("refs/heads/")
    inputs = call.body.get("inputs", {})
    if not isinstance(inputs, dict):
        raise invalid_request("For 'properties/inputs', the value is not an object.")
    if branch not in call.repo.git.branches:
        raise ApiError(422, f"No ref found for: {branch}")
    if not workflow.dispatchable:
        raise ApiError(422, "Workflow does not have 'workflow_dispatch' trigger")
    if unknown := sorted(set(inputs) - set(workflow.inputs)):
        raise ApiError(422, f"Unexpected inputs provided: {unknown}")
    if missing := [name for name, required in workflow.inputs.items() if required and name not in inputs]:
        raise ApiError(422, f"Required input '{missing[0]}' not provided")
    run = Run(
        call.hub.world.next_id(),
        len(call.repo.runs) + 1,
        workflow,
        branch,
        call.repo.git.branches[branch],
        "workflow_dispatch",
        call.actor,
        call.hub.now(),
        status="queued",
        conclusion=None,
        jobs=[Job(call.hub.world.next_id(), "test", "waiting for a runner\n")],
        inputs=dict(inputs),
    )
    call.repo.runs.append(run)
    if not call.flag("return_run_details"):
        return Answer(status=204)
    shown = shapes.workflow_run(call.urls, call.repo, run)
    return Answer({"workflow_run_id": run.id, "run_url": shown["url"], "html_url": shown["html_url"]})


@operation("POST /repos/{owner}/{repo}/actions/runs/{run_id}/rerun", status=201)
def rerun(call: Call) -> Json:
    return _again(call, _run(call))


@operation("POST /repos/{owner}/{repo}/actions/runs/{run_id}/rerun-failed-jobs", status=201)
def rerun_failed_jobs(call: Call) -> Json:
    run = _run(call)
    if run.conclusion == "success":
        raise ApiError(403, "This workflow run cannot be retried")
    return _again(call, run)


@operation("POST /repos/{owner}/{repo}/actions/runs/{run_id}/cancel", status=202)
def cancel(call: Call) -> Json:
    run = _run(call)
    if run.status == "completed":
        raise ApiError(409, "Cannot cancel a workflow run that is completed.")
    run.status, run.conclusion = "completed", "cancelled"
    return {}


def _run(call: Call) -> Run:
    found = next((each for each in call.repo.runs if each.id == call.number("run_id")), None)
    if found is None:
        raise not_found()
    return found


def _again(call: Call, run: Run) -> Json:
    """The next attempt of the same run."""
    if run.status != "completed":
        raise ApiError(403, "This workflow is already running")
    if call.hub.now() - run.created_at > REPEATABLE:
        raise ApiError(403, "Unable to retry this workflow run because it was created over a month ago")
    run.status, run.conclusion, run.attempt = "queued", None, run.attempt + 1
    return {}


def _workflow(call: Call) -> Workflow:
    """By id or by the name of its file."""
    wanted = call.params["workflow_id"]
    for each in call.repo.workflows:
        if wanted in (str(each.id), each.path.rpartition("/")[2]):
            return each
    raise not_found()
