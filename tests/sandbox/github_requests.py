"""A request that succeeds for every GitHub operation with a row in the permission map."""

from __future__ import annotations

import base64
from dataclasses import replace

from github_steps import GitHub, hub

CONTENT = base64.b64encode(b"new").decode()
PLAIN_FILE = {"message": "m", "content": CONTENT}

# A request that succeeds for each operation; ``{readme}``, ``{run}`` and the like are filled from the world.
REQUESTS: dict[str, tuple[str, object]] = {
    "GET /user/repos": ("/user/repos", None),
    "GET /repos/{owner}/{repo}": ("/repos/acme/web", None),
    "DELETE /repos/{owner}/{repo}": ("/repos/acme/web", None),
    "GET /repos/{owner}/{repo}/contents/{path}": ("/repos/acme/web/contents/README.md", None),
    "PUT /repos/{owner}/{repo}/contents/{path}": ("/repos/acme/web/contents/new.txt", PLAIN_FILE),
    "DELETE /repos/{owner}/{repo}/contents/{path}": (
        "/repos/acme/web/contents/README.md",
        {"message": "m", "sha": "{readme}"},
    ),
    "GET /repos/{owner}/{repo}/git/commits/{commit_sha}": ("/repos/acme/web/git/commits/{main}", None),
    "POST /repos/{owner}/{repo}/git/trees": (
        "/repos/acme/web/git/trees",
        {"tree": [{"path": "a.txt", "mode": "100644", "type": "blob", "content": "a"}]},
    ),
    "POST /repos/{owner}/{repo}/git/commits": ("/repos/acme/web/git/commits", {"message": "m", "tree": "{tree}"}),
    "PATCH /repos/{owner}/{repo}/git/refs/{ref}": ("/repos/acme/web/git/refs/heads/main", {"sha": "{feature}"}),
    "GET /repos/{owner}/{repo}/git/trees/{tree_sha}": ("/repos/acme/web/git/trees/main", None),
    "GET /repos/{owner}/{repo}/commits": ("/repos/acme/web/commits", None),
    "GET /repos/{owner}/{repo}/commits/{ref}": ("/repos/acme/web/commits/main", None),
    "GET /repos/{owner}/{repo}/compare/{basehead}": ("/repos/acme/web/compare/main...feature", None),
    "GET /repos/{owner}/{repo}/tags": ("/repos/acme/web/tags", None),
    "GET /repos/{owner}/{repo}/releases": ("/repos/acme/web/releases", None),
    "GET /repos/{owner}/{repo}/releases/latest": ("/repos/acme/web/releases/latest", None),
    "GET /repos/{owner}/{repo}/releases/tags/{tag}": ("/repos/acme/web/releases/tags/v1.0.0", None),
    "POST /repos/{owner}/{repo}/releases": ("/repos/acme/web/releases", {"tag_name": "v1.1.0"}),
    "GET /repos/{owner}/{repo}/branches": ("/repos/acme/web/branches", None),
    "GET /repos/{owner}/{repo}/git/ref/{ref}": ("/repos/acme/web/git/ref/heads/main", None),
    "POST /repos/{owner}/{repo}/git/refs": ("/repos/acme/web/git/refs", {"ref": "refs/heads/n", "sha": "{main}"}),
    "DELETE /repos/{owner}/{repo}/git/refs/{ref}": ("/repos/acme/web/git/refs/heads/feature", None),
    "GET /repos/{owner}/{repo}/issues": ("/repos/acme/web/issues", None),
    "POST /repos/{owner}/{repo}/issues": ("/repos/acme/web/issues", {"title": "t"}),
    "GET /repos/{owner}/{repo}/issues/{issue_number}": ("/repos/acme/web/issues/4", None),
    "PATCH /repos/{owner}/{repo}/issues/{issue_number}": ("/repos/acme/web/issues/4", {"title": "t"}),
    "GET /repos/{owner}/{repo}/issues/{issue_number}/comments": ("/repos/acme/web/issues/4/comments", None),
    "POST /repos/{owner}/{repo}/issues/{issue_number}/comments": ("/repos/acme/web/issues/4/comments", {"body": "b"}),
    "POST /repos/{owner}/{repo}/issues/{issue_number}/labels": ("/repos/acme/web/issues/4/labels", {"labels": ["bug"]}),
    "GET /repos/{owner}/{repo}/issues/{issue_number}/sub_issues": ("/repos/acme/web/issues/1/sub_issues", None),
    "POST /repos/{owner}/{repo}/issues/{issue_number}/sub_issues": (
        "/repos/acme/web/issues/1/sub_issues",
        {"sub_issue_id": "{second}"},
    ),
    "DELETE /repos/{owner}/{repo}/issues/{issue_number}/sub_issue": (
        "/repos/acme/web/issues/2/sub_issue",
        {"sub_issue_id": "{third}"},
    ),
    "GET /repos/{owner}/{repo}/code-scanning/alerts": ("/repos/acme/web/code-scanning/alerts", None),
    "GET /repos/{owner}/{repo}/code-scanning/alerts/{alert_number}": ("/repos/acme/web/code-scanning/alerts/1", None),
    "GET /repos/{owner}/{repo}/secret-scanning/alerts": ("/repos/acme/web/secret-scanning/alerts", None),
    "GET /repos/{owner}/{repo}/secret-scanning/alerts/{alert_number}": (
        "/repos/acme/web/secret-scanning/alerts/1",
        None,
    ),
    "GET /repos/{owner}/{repo}/secret-scanning/alerts/{alert_number}/locations": (
        "/repos/acme/web/secret-scanning/alerts/1/locations",
        None,
    ),
    "POST /orgs/{org}/repos": ("/orgs/acme/repos", {"name": "fresh", "private": True}),
    "GET /orgs/{org}/teams": ("/orgs/acme/teams", None),
    "GET /orgs/{org}/teams/{team_slug}/members": ("/orgs/acme/teams/platform/members", None),
    "POST /repos/{owner}/{repo}/labels": ("/repos/acme/web/labels", {"name": "n"}),
    "DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels/{name}": (
        "/repos/acme/web/issues/4/labels/documentation",
        None,
    ),
    "GET /repos/{owner}/{repo}/milestones": ("/repos/acme/web/milestones", None),
    "GET /repos/{owner}/{repo}/labels": ("/repos/acme/web/labels", None),
    "GET /repos/{owner}/{repo}/pulls": ("/repos/acme/web/pulls", None),
    "POST /repos/{owner}/{repo}/pulls": ("/repos/acme/web/pulls", {"title": "t", "head": "other", "base": "main"}),
    "GET /repos/{owner}/{repo}/pulls/{pull_number}": ("/repos/acme/web/pulls/4", None),
    "PATCH /repos/{owner}/{repo}/pulls/{pull_number}": ("/repos/acme/web/pulls/4", {"title": "t"}),
    "GET /repos/{owner}/{repo}/pulls/{pull_number}/files": ("/repos/acme/web/pulls/4/files", None),
    "POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews": ("/repos/acme/web/pulls/4/reviews", {"event": "APPROVE"}),
    "PUT /repos/{owner}/{repo}/pulls/{pull_number}/update-branch": ("/repos/acme/web/pulls/4/update-branch", {}),
    "PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge": ("/repos/acme/web/pulls/4/merge", {}),
    "GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews": ("/repos/acme/web/pulls/4/reviews", None),
    "GET /repos/{owner}/{repo}/pulls/{pull_number}/comments": ("/repos/acme/web/pulls/4/comments", None),
    "POST /repos/{owner}/{repo}/pulls/{pull_number}/comments/{comment_id}/replies": (
        "/repos/acme/web/pulls/4/comments/{comment}/replies",
        {"body": "b"},
    ),
    "POST /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers": (
        "/repos/acme/web/pulls/4/requested_reviewers",
        {"reviewers": ["alice"]},
    ),
    "GET /repos/{owner}/{repo}/commits/{ref}/check-runs": ("/repos/acme/web/commits/feature/check-runs", None),
    "GET /repos/{owner}/{repo}/commits/{ref}/status": ("/repos/acme/web/commits/feature/status", None),
    "GET /repos/{owner}/{repo}/actions/workflows": ("/repos/acme/web/actions/workflows", None),
    "GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs": (
        "/repos/acme/web/actions/workflows/ci.yml/runs",
        None,
    ),
    "GET /repos/{owner}/{repo}/actions/runs": ("/repos/acme/web/actions/runs", None),
    "POST /repos/{owner}/{repo}/actions/runs/{run_id}/rerun": ("/repos/acme/web/actions/runs/{run}/rerun", None),
    "POST /repos/{owner}/{repo}/actions/runs/{run_id}/rerun-failed-jobs": (
        "/repos/acme/web/actions/runs/{failed}/rerun-failed-jobs",
        None,
    ),
    "POST /repos/{owner}/{repo}/actions/runs/{run_id}/cancel": ("/repos/acme/web/actions/runs/9999/cancel", None),
    "GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs": ("/repos/acme/web/actions/runs/{run}/jobs", None),
    "GET /repos/{owner}/{repo}/actions/jobs/{job_id}/logs": ("/repos/acme/web/actions/jobs/{job}/logs", None),
    "POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches": (
        "/repos/acme/web/actions/workflows/ci.yml/dispatches",
        {"ref": "main"},
    ),
}


def filled(github: GitHub, name: str) -> tuple[str, object]:
    repository = hub(github.running).world.repositories[2001]
    main = repository.git.branches["main"]
    repository.git.branches["other"] = repository.git.branches["feature"]
    if name.endswith("/update-branch"):
        repository.git.commit_on("main", {}, "Ahead", repository.git.commits[main].author)
    repository.issues[2].sub_issues, repository.issues[3].parent = [3], 2
    values: dict[str, object] = {
        "{tree}": repository.git.commits[main].tree,
        "{feature}": repository.git.branches["feature"],
        "{second}": repository.issues[2].id,
        "{third}": repository.issues[3].id,
        "{readme}": repository.git.commits[main].files["README.md"],
        "{main}": main,
        "{comment}": str(repository.issues[4].pull.review_comments[0].id),
        "{run}": str(repository.runs[0].id),
        "{failed}": str(repository.runs[1].id),
        "{job}": str(repository.runs[0].jobs[0].id),
    }
    repository.runs[2:] = [replace(repository.runs[0], id=9999, status="queued", conclusion=None)]
    if name.endswith("/labels/{name}"):
        repository.issues[4].labels = [repository.labels["documentation"]]
    path, body = REQUESTS[name]
    for mark, value in values.items():
        path = path.replace(mark, str(value))
        body = {k: value if v == mark else v for k, v in body.items()} if isinstance(body, dict) else body
    return path, body
