"""One call or more of every operation, in an order in which each finds the world it needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulated import Emulated
from loaner.sandbox.linear.state import Comment, Document, IssueLabel, Project
from loaner.sandbox.slack.methods import Kind
from loaner.sandbox.slack.state import Scheduled

Arguments = dict[str, Any]
WEB = {"owner": "acme", "repo": "web"}
BOB, CAROL = "U00BOB0002", "U0CAROL001"


def _repository(emulated: Emulated) -> Any:
    hub: Any = emulated.sandbox.inside["github"]
    return next(each for each in hub.world.repositories.values() if each.full_name == "acme/web")


def _blob(emulated: Emulated, path: str) -> str:
    git = _repository(emulated).git
    return str(git.commits[git.branches["main"]].files[path])


def _pull_sha(emulated: Emulated) -> str:
    return str(_repository(emulated).git.branches["feature"])


def _pushed(emulated: Emulated, files: dict[str, str]) -> Arguments:
    head = str(_repository(emulated).git.branches["main"])
    return {"branch": "main", "expected_head": head, "message": "m", "files": files}


def _thread(emulated: Emulated) -> int:
    return int(_repository(emulated).issues[4].pull.review_comments[0].id)


def _run(emulated: Emulated) -> int:
    return int(_repository(emulated).runs[0].id)


def _job(emulated: Emulated) -> int:
    run = _repository(emulated).runs[0]
    return int(run.jobs[0].id)


def _archived(emulated: Emulated, kind: Kind) -> str:
    """Id of an archived channel of this kind: one that is there, or one that is put there."""
    state = emulated.apps["slack"].app.state.workspace.state
    found = next((each for each in state.conversations.values() if each.archived and each.kind == kind), None)
    if found is None:
        found = state.add_conversation(kind, f"closed-{kind[:3]}", "U00ALICE01", ["U00ALICE01"])
        found.archived = True
    return str(found.id)


def _first(emulated: Emulated, name: str, number: int = 0) -> str:
    """ts of the oldest message of a channel, or of the one so many after it."""
    state = emulated.apps["slack"].app.state.workspace.state
    return str(next(each for each in state.conversations.values() if each.name == name).messages[number].ts)


def _last(emulated: Emulated, name: str) -> str:
    """ts of the newest message of alice in a channel."""
    state = emulated.apps["slack"].app.state.workspace.state
    messages = next(each for each in state.conversations.values() if each.name == name).messages
    return str(next(each for each in reversed(messages) if each.user == "U00ALICE01").ts)


def _scheduled(emulated: Emulated) -> str:
    """A message that alice has scheduled in #releases: the last one, or one that is put there."""
    state = emulated.apps["slack"].app.state.workspace.state
    if not state.scheduled:
        where = next(each.id for each in state.conversations.values() if each.name == "releases")
        state.scheduled.append(Scheduled("Q0SBX999999", where, "U00ALICE01", "Text", 2_000_000_000, None, 1))
    return str(state.scheduled[-1].id)


def _linear(emulated: Emulated, kind: type[IssueLabel | Project], name: str) -> str:
    world = emulated.apps["linear"].app.state.desk.world
    return str(next(each.id for each in world.every(kind) if each.name == name))


def _plan(emulated: Emulated) -> str:
    world = emulated.apps["linear"].app.state.desk.world
    return str(next(each.id for each in world.every(Document)))


def _comment(emulated: Emulated, author: str) -> dict[str, Any]:
    world = emulated.apps["linear"].app.state.desk.world
    of = (each for each in world.every(Comment) if each.issue.identifier == "ENG-1")
    return {"issueId": "ENG-1", "commentId": next(each.id for each in of if each.user.display_name == author)}


def _launch(emulated: Emulated) -> dict[str, Any]:
    return {"projectId": _linear(emulated, Project, "Spring launch")}


PULL_PARTS = ("reviews", "review_comments", "comments", "checks", "statuses", "diff")

WORKFLOW_ELSEWHERE = WEB | {
    "path": ".github/workflows/b.yml",
    "message": "m",
    "content": "on: push",
    "branch": "topic/one",
}

EXAMPLES: list[tuple[str, Arguments | Callable[[Emulated], Arguments]]] = [
    ("github_get_me", {}),
    ("github_list_my_repositories", {}),
    ("github_search_repositories", {"q": "web"}),
    ("github_get_repository", WEB),
    ("github_get_file_contents", WEB | {"path": "README.md"}),
    ("github_get_file_contents", WEB),
    ("github_get_repository_tree", WEB | {"tree_sha": "main"}),
    ("github_get_repository_tree", WEB),
    ("github_list_commits", WEB),
    ("github_list_branches", WEB),
    ("github_get_commit", WEB | {"ref": "feature"}),
    ("github_compare_refs", WEB | {"base": "main", "head": "feature"}),
    ("github_list_tags", WEB),
    ("github_list_releases", WEB),
    ("github_get_release", WEB),
    ("github_get_release", WEB | {"tag": "v1.0.0"}),
    ("github_search_code", WEB | {"q": "web"}),
    ("github_create_branch", WEB | {"branch": "topic/one", "from_branch": "main"}),
    ("github_create_or_update_file", WEB | {"path": "docs/a.md", "message": "m", "content": "text"}),
    ("github_create_or_update_file", WEB | {"path": ".github/workflows/a.yml", "message": "m", "content": "on: push"}),
    ("github_create_release", WEB | {"tag_name": "v2.0.0", "target": "topic/one"}),
    ("github_create_or_update_file", WORKFLOW_ELSEWHERE),
    ("github_create_release", WEB | {"tag_name": "v2.1.0", "target": "topic/one", "changes_workflows": True}),
    ("github_push_files", lambda e: WEB | _pushed(e, {"docs/b.md": "b", "docs/c/d.md": ""})),
    ("github_push_files", lambda e: WEB | _pushed(e, {"docs/e.md": "e", ".github/workflows/b.yml": "on: push"})),
    ("github_delete_file", lambda e: WEB | {"path": "README.md", "message": "m", "sha": _blob(e, "README.md")}),
    ("github_list_issues", WEB),
    ("github_issue_read", WEB | {"issue_number": 1}),
    ("github_issue_create", WEB | {"title": "New", "labels": ["bug"]}),
    ("github_issue_update", WEB | {"issue_number": 1, "title": "Other"}),
    ("github_add_issue_comment", WEB | {"issue_number": 1, "body": "Text"}),
    ("github_add_labels", WEB | {"issue_number": 1, "labels": ["bug"]}),
    ("github_remove_label", WEB | {"issue_number": 1, "label": "bug"}),
    ("github_list_labels", WEB),
    ("github_create_label", WEB | {"name": "area: login", "color": "0e8a16"}),
    ("github_list_milestones", WEB),
    ("github_search_issues", WEB | {"q": "repo:acme/web"}),
    ("github_search_issues", WEB | {"q": "repo:acme/web", "kind": "pull_request"}),
    ("github_add_sub_issue", WEB | {"issue_number": 2, "sub_issue_number": 3}),
    ("github_list_sub_issues", WEB | {"issue_number": 2}),
    ("github_remove_sub_issue", WEB | {"issue_number": 2, "sub_issue_number": 3}),
    ("github_list_code_scanning_alerts", WEB),
    ("github_get_code_scanning_alert", WEB | {"code_alert_number": 1}),
    ("github_list_secret_scanning_alerts", WEB),
    ("github_get_secret_scanning_alert", WEB | {"secret_alert_number": 1}),
    ("github_create_repository", {"org": "acme", "name": "Fresh.One", "description": "New"}),
    ("github_list_teams", {"org": "acme"}),
    ("github_list_team_members", {"org": "acme", "team_slug": "platform"}),
    ("github_list_pull_requests", WEB),
    ("github_pull_request_read", WEB | {"pull_number": 4}),
    *(("github_pull_request_read", WEB | {"pull_number": 4, "what": what}) for what in PULL_PARTS),
    ("github_reply_to_review_comment", lambda e: WEB | {"pull_number": 4, "comment_id": _thread(e), "body": "Yes"}),
    ("github_request_reviewers", WEB | {"pull_number": 4, "reviewers": ["alice"]}),
    ("github_issue_update", WEB | {"issue_number": 1, "assignees": ["alice"]}),
    ("github_mine", {}),
    ("github_update_pull_request", WEB | {"pull_number": 4, "title": "Other"}),
    ("github_pull_request_review", WEB | {"pull_number": 4, "event": "COMMENT", "body": "Text"}),
    (
        "github_pull_request_review",
        WEB | {"pull_number": 4, "event": "COMMENT", "body": "Text", "comments": {"src/app.py:2": "Why?"}},
    ),
    ("github_update_pull_request_branch", lambda e: WEB | {"pull_number": 4, "sha": _pull_sha(e)}),
    ("github_merge_pull_request", lambda e: WEB | {"pull_number": 4, "sha": _pull_sha(e)}),
    ("github_create_pull_request", WEB | {"title": "New", "head": "feature", "base": "topic/one"}),
    ("github_list_workflows", WEB),
    ("github_list_workflow_runs", WEB),
    ("github_list_workflow_runs", WEB | {"workflow_id": "ci.yml"}),
    ("github_list_workflow_jobs", lambda e: WEB | {"run_id": _run(e)}),
    ("github_get_job_logs", lambda e: WEB | {"job_id": _job(e)}),
    ("github_list_checks", WEB | {"ref": "main"}),
    ("github_list_checks", WEB | {"ref": "main", "what": "statuses"}),
    ("github_rerun_workflow_run", lambda e: WEB | {"run_id": _run(e), "jobs": "all"}),
    ("github_cancel_workflow_run", lambda e: WEB | {"run_id": _run(e)}),
    ("github_rerun_workflow_run", lambda e: WEB | {"run_id": _run(e)}),
    ("github_run_workflow", WEB | {"workflow_id": "ci.yml", "ref": "main"}),
    ("github_delete_repository", WEB),
    ("slack_search", {"query": "known issues"}),
    ("slack_search", {"query": "numbers", "channel_types": ["private_channel"]}),
    ("slack_mine", {}),
    ("slack_mine", {"what": "sent", "channel_types": ["private_channel", "public_channel"]}),
    ("slack_mine", {"what": "direct", "after": 1}),
    ("slack_list_channels", {}),
    ("slack_list_channels", {"name": "rel"}),
    ("slack_list_channels", {"types": ["im", "mpim"]}),
    ("slack_get_channel", {"channel": "C0SBX000002"}),
    ("slack_get_channel", {"channel": "#releases"}),
    ("slack_read_channel", {"channel": "#releases"}),
    ("slack_read_channel", {"channel": "#board", "channel_type": "private_channel"}),
    ("slack_read_thread", lambda e: {"channel": "#releases", "ts": _first(e, "releases")}),
    ("slack_list_members", {"channel": "#releases"}),
    ("slack_send_message", {"channel": "#releases", "text": "Text"}),
    ("slack_update_message", lambda e: {"channel": "#releases", "text": "Other", "ts": _last(e, "releases")}),
    ("slack_delete_message", lambda e: {"channel": "#releases", "ts": _last(e, "releases")}),
    (
        "slack_schedule_message",
        lambda e: {"channel": "#releases", "text": "Text", "post_at": int(e.sandbox.clock.now().timestamp()) + 3600},
    ),
    ("slack_list_scheduled_messages", {}),
    ("slack_cancel_scheduled_message", lambda e: {"channel": "#releases", "scheduled_message_id": _scheduled(e)}),
    ("slack_add_reaction", lambda e: {"channel": "#releases", "timestamp": _first(e, "releases"), "name": "tada"}),
    ("slack_remove_reaction", lambda e: {"channel": "#releases", "timestamp": _first(e, "releases"), "name": "tada"}),
    ("slack_get_permalink", lambda e: {"channel": "#releases", "ts": _first(e, "releases")}),
    ("slack_list_pins", {"channel": "#releases"}),
    ("slack_add_pin", lambda e: {"channel": "#releases", "timestamp": _first(e, "releases", 1)}),
    ("slack_list_bookmarks", {"channel": "#releases"}),
    ("slack_list_files", {"channel": "#random"}),
    ("slack_list_files", {"channel": "#random", "user": BOB, "kinds": ["snippets"], "since": 1}),
    ("slack_open_dm", {"users": [BOB]}),
    ("slack_open_dm", {"users": [BOB, CAROL]}),
    ("slack_create_channel", {"name": "fresh"}),
    ("slack_create_channel", {"name": "hidden", "is_private": True}),
    ("slack_invite_to_channel", {"channel": "#fresh", "users": [BOB]}),
    ("slack_invite_to_channel", {"channel": "#hidden", "users": [BOB], "channel_type": "private_channel"}),
    ("slack_set_topic", {"channel": "#releases", "topic": "Text"}),
    ("slack_join_channel", {"channel": "#random"}),
    ("slack_archive_channel", {"channel": "#fresh"}),
    ("slack_archive_channel", {"channel": "#hidden", "channel_type": "private_channel"}),
    ("slack_unarchive_channel", lambda e: {"channel": _archived(e, "public_channel")}),
    (
        "slack_unarchive_channel",
        lambda e: {"channel": _archived(e, "private_channel"), "channel_type": "private_channel"},
    ),
    ("slack_get_user", {"user": BOB}),
    ("slack_list_users", {}),
    ("slack_list_users", {"name": "danv"}),
    ("slack_find_user", {"name": "carol"}),
    ("slack_find_user_by_email", {"email": "carol@acme.example"}),
    ("slack_upload_file", {"channel": "#releases", "filename": "a.txt", "content": "täxt"}),
    ("slack_create_canvas", {"title": "New", "markdown": "# Text"}),
    ("slack_create_canvas", {"title": "New"}),
    ("linear_viewer", {}),
    ("linear_list_teams", {}),
    ("linear_list_users", {}),
    ("linear_list_issues", {"teamId": "ENG"}),
    ("linear_get_issue", {"id": "ENG-1"}),
    ("linear_search_issues", {"term": "dark"}),
    ("linear_search_issues", {"term": "the", "teamId": "OPS"}),
    ("linear_list_comments", {"issueId": "ENG-1"}),
    ("linear_list_projects", {}),
    ("linear_list_states", {"teamId": "ENG"}),
    ("linear_list_labels", {"teamId": "ENG"}),
    ("linear_mine", {}),
    ("linear_list_relations", {"issueId": "ENG-1"}),
    ("linear_list_attachments", {"issueId": "ENG-1"}),
    ("linear_list_documents", {}),
    ("linear_list_documents", _launch),
    ("linear_get_document", lambda e: {"documentId": _plan(e)}),
    ("linear_create_document", lambda e: _launch(e) | {"title": "New", "content": "Text"}),
    ("linear_list_cycles", {"teamId": "ENG"}),
    ("linear_list_milestones", _launch),
    ("linear_list_initiatives", {}),
    ("linear_list_project_statuses", {}),
    ("linear_create_issue", {"teamId": "ENG", "title": "New"}),
    ("linear_update_issue", {"id": "ENG-1", "title": "Other"}),
    ("linear_add_label", lambda e: {"id": "ENG-1", "labelId": _linear(e, IssueLabel, "Improvement")}),
    ("linear_link_url", {"issueId": "ENG-1", "url": "https://example.com/x"}),
    ("linear_create_comment", {"issueId": "ENG-1", "body": "Text"}),
    ("linear_create_relation", {"issueId": "ENG-1", "relatedIssueId": "ENG-3", "type": "blocks"}),
    ("linear_update_issue", {"id": "ENG-4", "teamId": "OPS"}),
    ("linear_update_comment", lambda e: _comment(e, "alice") | {"body": "Other"}),
    ("linear_delete_comment", lambda e: _comment(e, "alice")),
    ("linear_create_project", {"teamId": "ENG", "name": "New"}),
    ("linear_update_project", lambda e: _launch(e) | {"targetDate": "2026-12-24"}),
    (
        "linear_create_project_update",
        lambda e: {"projectId": _linear(e, Project, "Spring launch"), "body": "Text", "health": "onTrack"},
    ),
    ("linear_archive_issue", {"id": "ENG-2"}),
    ("linear_delete_issue", {"id": "ENG-3"}),
]


def arguments(example: Arguments | Callable[[Emulated], Arguments], emulated: Emulated) -> Arguments:
    return example(emulated) if callable(example) else example
