"""Issues, comments, pull requests and reviews."""

from __future__ import annotations

from loaner.sandbox.github.shapes.basics import Json, Urls, label, maybe_user, node_id, simple_user, stamp
from loaner.sandbox.github.shapes.repositories import repository
from loaner.sandbox.github.state import (
    Account,
    Comment,
    Issue,
    IssueType,
    Milestone,
    Pull,
    Repository,
    Review,
    ReviewComment,
)

_REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "eyes", "rocket")


def association(at: Repository, account: Account) -> str:
    """Schema ``author-association``."""
    return "MEMBER" if account.login in at.roles else "NONE"


def issue(urls: Urls, at: Repository, shown: Issue) -> Json:
    """Schema ``issue``; also ``issue-search-result-item`` once a score is added."""
    here = f"{urls.repo(at)}/issues/{shown.number}"
    kind = "pull" if shown.pull else "issues"
    page = f"{urls.repo_page(at)}/{kind}/{shown.number}"
    assignees = [simple_user(urls, each) for each in shown.assignees]
    body: Json = {
        "id": shown.id,
        "node_id": node_id("Issue", shown.id),
        "url": here,
        "repository_url": urls.repo(at),
        "labels_url": f"{here}/labels{{/name}}",
        "comments_url": f"{here}/comments",
        "events_url": f"{here}/events",
        "html_url": page,
        "number": shown.number,
        "state": shown.state,
        "state_reason": shown.state_reason,
        "title": shown.title,
        "body": shown.body,
        "user": simple_user(urls, shown.author),
        "labels": [label(urls, at, each) for each in shown.labels],
        "assignee": assignees[0] if assignees else None,
        "assignees": assignees,
        "milestone": milestone(urls, at, at.milestones[shown.milestone]) if shown.milestone else None,
        "type": _type(shown.type) if shown.type else None,
        "locked": False,
        "active_lock_reason": None,
        "comments": len(shown.comments),
        "closed_at": stamp(shown.closed_at),
        "created_at": stamp(shown.created_at),
        "updated_at": stamp(shown.updated_at),
        "author_association": association(at, shown.author),
        "reactions": {"url": f"{here}/reactions", "total_count": 0, **dict.fromkeys(_REACTIONS, 0)},
        "sub_issues_summary": _sub_issues(at, shown),
        "parent_issue_url": f"{urls.repo(at)}/issues/{shown.parent}" if shown.parent else None,
    }
    if shown.pull:
        api = f"{urls.repo(at)}/pulls/{shown.number}"
        body["draft"] = shown.pull.draft
        body["pull_request"] = {
            "url": api,
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "merged_at": stamp(shown.pull.merged_at),
        }
    return body


def _sub_issues(at: Repository, of: Issue) -> Json:
    """Schema ``sub-issues-summary``."""
    total = len(of.sub_issues)
    done = sum(at.issues[number].state == "closed" for number in of.sub_issues)
    return {"total": total, "completed": done, "percent_completed": 100 * done // total if total else 0}


def _type(shown: IssueType) -> Json:
    """Schema ``issue-type``."""
    return {"id": shown.id, "node_id": node_id("IssueType", shown.id), "name": shown.name, "description": None}


def milestone(urls: Urls, at: Repository, shown: Milestone) -> Json:
    """Schema ``milestone``."""
    here = f"{urls.repo(at)}/milestones/{shown.number}"
    of_it = [each.state for each in at.issues.values() if each.milestone == shown.number]
    return {
        "url": here,
        "html_url": f"{urls.repo_page(at)}/milestone/{shown.number}",
        "labels_url": f"{here}/labels",
        "id": shown.number,
        "node_id": node_id("Milestone", shown.number),
        "number": shown.number,
        "state": shown.state,
        "title": shown.title,
        "description": shown.description or None,
        "creator": simple_user(urls, at.owner),
        "open_issues": of_it.count("open"),
        "closed_issues": of_it.count("closed"),
        "created_at": stamp(at.created_at),
        "updated_at": stamp(at.created_at),
        "closed_at": None,
        "due_on": stamp(shown.due_on),
    }


def comment(urls: Urls, at: Repository, on: Issue, shown: Comment) -> Json:
    """Schema ``issue-comment``."""
    kind = "pull" if on.pull else "issues"
    return {
        "id": shown.id,
        "node_id": node_id("IssueComment", shown.id),
        "url": f"{urls.repo(at)}/issues/comments/{shown.id}",
        "html_url": f"{urls.repo_page(at)}/{kind}/{on.number}#issuecomment-{shown.id}",
        "issue_url": f"{urls.repo(at)}/issues/{on.number}",
        "body": shown.body,
        "user": simple_user(urls, shown.author),
        "created_at": stamp(shown.created_at),
        "updated_at": stamp(shown.created_at),
        "author_association": association(at, shown.author),
    }


def pull_request_simple(urls: Urls, at: Repository, shown: Issue, pull: Pull) -> Json:
    """Schema ``pull-request-simple``."""
    here = f"{urls.repo(at)}/pulls/{shown.number}"
    of_issue = f"{urls.repo(at)}/issues/{shown.number}"
    page = f"{urls.repo_page(at)}/pull/{shown.number}"
    statuses = f"{urls.repo(at)}/statuses/{pull.head_sha}"
    common = issue(urls, at, shown)
    kept = (
        "number", "state", "title", "body", "user", "labels", "assignee", "assignees", "milestone", "locked",
        "active_lock_reason", "closed_at", "created_at", "updated_at", "author_association",
    )  # fmt: skip
    links = {
        "self": here,
        "html": page,
        "issue": of_issue,
        "comments": f"{of_issue}/comments",
        "review_comments": f"{here}/comments",
        "review_comment": f"{urls.repo(at)}/pulls/comments{{/number}}",
        "commits": f"{here}/commits",
        "statuses": statuses,
    }
    return {
        **{key: common[key] for key in kept},
        "id": pull.id,
        "node_id": node_id("PullRequest", pull.id),
        "url": here,
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "issue_url": of_issue,
        "commits_url": links["commits"],
        "review_comments_url": links["review_comments"],
        "review_comment_url": links["review_comment"],
        "comments_url": links["comments"],
        "statuses_url": statuses,
        "merged_at": stamp(pull.merged_at),
        "merge_commit_sha": pull.merge_commit_sha,
        "requested_reviewers": [simple_user(urls, each) for each in pull.requested_reviewers],
        "requested_teams": [],
        "head": _side(urls, at, pull.head, pull.head_sha),
        "base": _side(urls, at, pull.base, pull.base_sha),
        "_links": {name: {"href": href} for name, href in links.items()},
        "auto_merge": None,
        "draft": pull.draft,
    }


def pull_request(
    urls: Urls, at: Repository, shown: Issue, pull: Pull, *, mergeable: bool | None, counts: dict[str, int]
) -> Json:
    """Schema ``pull-request``. ``counts``: commits, additions, deletions, changed_files."""
    return {
        **pull_request_simple(urls, at, shown, pull),
        "merged": pull.merged_at is not None,
        "mergeable": mergeable,
        "rebaseable": mergeable,
        "mergeable_state": {True: "clean", False: "dirty", None: "unknown"}[mergeable],
        "merged_by": maybe_user(urls, pull.merged_by),
        "comments": len(shown.comments),
        "review_comments": len(pull.review_comments),
        "maintainer_can_modify": False,
        **counts,
    }


def review(urls: Urls, at: Repository, of: Issue, shown: Review) -> Json:
    """Schema ``pull-request-review``."""
    here = f"{urls.repo(at)}/pulls/{of.number}"
    page = f"{urls.repo_page(at)}/pull/{of.number}#pullrequestreview-{shown.id}"
    body: Json = {
        "id": shown.id,
        "node_id": node_id("PullRequestReview", shown.id),
        "user": simple_user(urls, shown.author),
        "body": shown.body,
        "state": shown.state,
        "html_url": page,
        "pull_request_url": here,
        "_links": {"html": {"href": page}, "pull_request": {"href": here}},
        "commit_id": shown.commit_id,
        "author_association": association(at, shown.author),
    }
    return body | ({"submitted_at": stamp(shown.submitted_at)} if shown.submitted_at else {})


def review_comment(urls: Urls, at: Repository, of: Issue, shown: ReviewComment) -> Json:
    """Schema ``pull-request-review-comment``."""
    here = f"{urls.repo(at)}/pulls/comments/{shown.id}"
    pull = f"{urls.repo(at)}/pulls/{of.number}"
    page = f"{urls.repo_page(at)}/pull/{of.number}#discussion_r{shown.id}"
    body: Json = {
        "url": here,
        "pull_request_review_id": shown.review_id,
        "id": shown.id,
        "node_id": node_id("PullRequestReviewComment", shown.id),
        "diff_hunk": "@@ -1,2 +1,2 @@",
        "path": shown.path,
        "commit_id": shown.commit_id,
        "original_commit_id": shown.commit_id,
        "user": simple_user(urls, shown.author),
        "body": shown.body,
        "created_at": stamp(shown.created_at),
        "updated_at": stamp(shown.created_at),
        "html_url": page,
        "pull_request_url": pull,
        "author_association": association(at, shown.author),
        "_links": {"self": {"href": here}, "html": {"href": page}, "pull_request": {"href": pull}},
        "line": shown.line,
        "side": "RIGHT",
    }
    return body | ({"in_reply_to_id": shown.reply_to} if shown.reply_to else {})


def _side(urls: Urls, at: Repository, branch: str, sha: str) -> Json:
    return {
        "label": f"{at.owner.login}:{branch}",
        "ref": branch,
        "sha": sha,
        "user": simple_user(urls, at.owner),
        "repo": repository(urls, at),
    }
