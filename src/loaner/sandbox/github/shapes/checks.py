"""Check runs and statuses of a commit."""

from __future__ import annotations

from loaner.sandbox.github.registered import APP_ID, APP_NAME, APP_SLUG, CLIENT_ID
from loaner.sandbox.github.shapes.basics import Json, Urls, node_id, simple_user, stamp
from loaner.sandbox.github.shapes.repositories import repository
from loaner.sandbox.github.state import Check, Repository, Status


def check_run(urls: Urls, at: Repository, sha: str, shown: Check) -> Json:
    """Schema ``check-run``."""
    here = f"{urls.repo(at)}/check-runs/{shown.id}"
    return {
        "id": shown.id,
        "head_sha": sha,
        "node_id": node_id("CheckRun", shown.id),
        "external_id": "",
        "url": here,
        "html_url": f"{urls.repo_page(at)}/runs/{shown.id}",
        "details_url": f"{urls.repo_page(at)}/runs/{shown.id}",
        "status": "completed",
        "conclusion": shown.conclusion,
        "started_at": stamp(shown.at),
        "completed_at": stamp(shown.at),
        "output": {
            "title": shown.name,
            "summary": shown.summary,
            "text": None,
            "annotations_count": 0,
            "annotations_url": f"{here}/annotations",
        },
        "name": shown.name,
        "check_suite": {"id": shown.id},
        "app": {
            "id": APP_ID,
            "slug": APP_SLUG,
            "client_id": CLIENT_ID,
            "node_id": node_id("App", APP_ID),
            "owner": simple_user(urls, at.owner),
            "name": APP_NAME,
            "description": None,
            "external_url": urls.web,
            "html_url": f"{urls.web}/apps/{APP_SLUG}",
            "created_at": stamp(at.created_at),
            "updated_at": stamp(at.created_at),
            "permissions": {"checks": "write"},
            "events": [],
        },
        "pull_requests": [],
    }


def combined_status(urls: Urls, at: Repository, sha: str, shown: list[Status], of: int) -> Json:
    """Schema ``combined-commit-status``; ``of`` counts all of them."""
    states = {each.state for each in shown}
    state = next((bad for bad in ("failure", "pending") if bad in states), "success" if states else "pending")
    here = f"{urls.repo(at)}/commits/{sha}"
    listed = [
        {
            "url": f"{urls.repo(at)}/statuses/{sha}",
            "avatar_url": None,
            "id": each.id,
            "node_id": node_id("StatusContext", each.id),
            "state": each.state,
            "description": each.description,
            "target_url": f"{urls.web}/builds/{each.id}",
            "context": each.context,
            "created_at": stamp(each.at),
            "updated_at": stamp(each.at),
        }
        for each in shown
    ]
    return {
        "state": state,
        "statuses": listed,
        "sha": sha,
        "total_count": of,
        "repository": repository(urls, at),
        "commit_url": here,
        "url": f"{here}/status",
    }
