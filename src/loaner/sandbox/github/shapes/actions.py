"""Workflow runs and jobs."""

from __future__ import annotations

from loaner.sandbox.github.shapes.basics import Json, Urls, node_id, simple_user, stamp
from loaner.sandbox.github.shapes.repositories import repository
from loaner.sandbox.github.state import Job, Repository, Run, Workflow


def workflow_run(urls: Urls, at: Repository, shown: Run) -> Json:
    """Schema ``workflow-run``."""
    here = f"{urls.repo(at)}/actions/runs/{shown.id}"
    head = at.git.commits.get(shown.sha)
    who = {"name": shown.actor.name, "email": shown.actor.email}
    minimal = repository(urls, at)
    return {
        "id": shown.id,
        "name": shown.workflow.name,
        "node_id": node_id("WorkflowRun", shown.id),
        "check_suite_id": shown.id,
        "check_suite_node_id": node_id("CheckSuite", shown.id),
        "head_branch": shown.branch,
        "head_sha": shown.sha,
        "path": shown.workflow.path,
        "display_title": head.message.splitlines()[0] if head else shown.workflow.name,
        "run_number": shown.number,
        "run_attempt": shown.attempt,
        "event": shown.event,
        "status": shown.status,
        "conclusion": shown.conclusion,
        "workflow_id": shown.workflow.id,
        "url": here,
        "html_url": f"{urls.repo_page(at)}/actions/runs/{shown.id}",
        "pull_requests": [],
        "created_at": stamp(shown.created_at),
        "updated_at": stamp(shown.created_at),
        "run_started_at": stamp(shown.created_at),
        "actor": simple_user(urls, shown.actor),
        "triggering_actor": simple_user(urls, shown.actor),
        "jobs_url": f"{here}/jobs",
        "logs_url": f"{here}/logs",
        "check_suite_url": f"{urls.repo(at)}/check-suites/{shown.id}",
        "artifacts_url": f"{here}/artifacts",
        "cancel_url": f"{here}/cancel",
        "rerun_url": f"{here}/rerun",
        "previous_attempt_url": None,
        "workflow_url": f"{urls.repo(at)}/actions/workflows/{shown.workflow.id}",
        "head_commit": {
            "id": shown.sha,
            "tree_id": head.tree if head else "",
            "message": head.message if head else "",
            "timestamp": stamp(head.author.at if head else shown.created_at),
            "author": who,
            "committer": who,
        },
        "repository": minimal,
        "head_repository": minimal,
    }


def workflow(urls: Urls, at: Repository, shown: Workflow) -> Json:
    """Schema ``workflow``."""
    here = f"{urls.repo(at)}/actions/workflows/{shown.id}"
    file = shown.path.rpartition("/")[2]
    return {
        "id": shown.id,
        "node_id": node_id("Workflow", shown.id),
        "name": shown.name,
        "path": shown.path,
        "state": "active",
        "created_at": stamp(at.created_at),
        "updated_at": stamp(at.created_at),
        "url": here,
        "html_url": f"{urls.repo_page(at)}/blob/{at.default_branch}/{shown.path}",
        "badge_url": f"{urls.repo_page(at)}/workflows/{file}/badge.svg",
    }


def job(urls: Urls, at: Repository, run: Run, shown: Job) -> Json:
    """Schema ``job``."""
    here = f"{urls.repo(at)}/actions/jobs/{shown.id}"
    return {
        "id": shown.id,
        "run_id": run.id,
        "run_url": f"{urls.repo(at)}/actions/runs/{run.id}",
        "node_id": node_id("Job", shown.id),
        "head_sha": run.sha,
        "head_branch": run.branch,
        "workflow_name": run.workflow.name,
        "url": here,
        "html_url": f"{urls.repo_page(at)}/actions/runs/{run.id}/job/{shown.id}",
        "status": run.status,
        "conclusion": run.conclusion,
        "created_at": stamp(run.created_at),
        "started_at": stamp(run.created_at),
        "completed_at": stamp(run.created_at) if run.conclusion else None,
        "name": shown.name,
        "check_run_url": f"{urls.repo(at)}/check-runs/{shown.id}",
        "labels": ["ubuntu-latest"],
        "runner_id": None,
        "runner_name": None,
        "runner_group_id": None,
        "runner_group_name": None,
        "steps": [
            {
                "name": "make test",
                "number": 1,
                "status": run.status,
                "conclusion": run.conclusion,
                "started_at": stamp(run.created_at),
                "completed_at": stamp(run.created_at) if run.conclusion else None,
            }
        ],
    }
