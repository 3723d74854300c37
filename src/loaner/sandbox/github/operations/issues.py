"""Issues, their comments and labels.

GitHub docs, REST API "Issues". A pull request is an issue too: lists hold both, and both count in one row of numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from loaner.sandbox.github.call import Answer, Call
from loaner.sandbox.github.errors import ApiError, invalid_request, validation_failed
from loaner.sandbox.github.operations.repositories import parse_time
from loaner.sandbox.github.routing import operation
from loaner.sandbox.github.shapes import issues as shapes
from loaner.sandbox.github.shapes.basics import Json
from loaner.sandbox.github.shapes.basics import label as show_label
from loaner.sandbox.github.state import Account, Comment, Issue, IssueType, Label


@operation("GET /repos/{owner}/{repo}/issues")
def list_issues(call: Call) -> list[Json]:
    found = [each for each in call.repo.issues.values() if _is_wanted(call, each)]
    found.sort(key=_order(call), reverse=call.query.get("direction", "desc") != "asc")
    return [shapes.issue(call.urls, call.repo, each) for each in call.page(found)]


@operation("POST /repos/{owner}/{repo}/issues", status=201)
def create_issue(call: Call) -> Answer:
    if not call.repo.has_issues:
        raise ApiError(410, "Issues are disabled for this repo")
    now = call.hub.now()
    issue = Issue(call.hub.world.next_id(), call.repo.next_number(), _title(call), call.actor, now, now)
    issue.body = call.text("body")
    issue.assignees = _assignees(call) or []
    issue.labels = _labels(call) or []
    issue.milestone = _milestone(call, None)
    issue.type = _type(call, None)
    call.repo.issues[issue.number] = issue
    shown = shapes.issue(call.urls, call.repo, issue)
    return Answer(shown, status=201, headers={"location": str(shown["url"])})


@operation("GET /repos/{owner}/{repo}/issues/{issue_number}")
def get_issue(call: Call) -> Json:
    return shapes.issue(call.urls, call.repo, call.issue)


@operation("PATCH /repos/{owner}/{repo}/issues/{issue_number}")
def update_issue(call: Call) -> Json:
    issue = call.issue
    state = call.one_of("state", ["open", "closed"])
    reason = call.one_of("state_reason", ["completed", "not_planned", "duplicate", "reopened"])
    title = _title(call) if "title" in call.body else issue.title
    assignees, labels, milestone = _assignees(call), _labels(call), _milestone(call, issue.milestone)
    issue.type = _type(call, issue.type)
    issue.title = title
    if "body" in call.body:
        issue.body = call.text("body")
    issue.assignees = issue.assignees if assignees is None else assignees
    issue.labels = issue.labels if labels is None else labels
    issue.milestone = milestone
    if state == "closed" and issue.state == "open":
        issue.state, issue.closed_at, issue.state_reason = "closed", call.hub.now(), reason or "completed"
    elif state == "open" and issue.state == "closed":
        issue.state, issue.closed_at, issue.state_reason = "open", None, "reopened"
    issue.updated_at = call.hub.now()
    return shapes.issue(call.urls, call.repo, issue)


@operation("GET /repos/{owner}/{repo}/issues/{issue_number}/comments")
def list_comments(call: Call) -> list[Json]:
    since = parse_time(call.query.get("since"))
    found = [each for each in call.issue.comments if since is None or each.created_at >= since]
    return [shapes.comment(call.urls, call.repo, call.issue, each) for each in call.page(found)]


@operation("POST /repos/{owner}/{repo}/issues/{issue_number}/comments", status=201)
def create_comment(call: Call) -> Answer:
    issue, body = call.issue, call.required("body")
    if not body.strip():
        raise validation_failed("IssueComment", "body", "missing_field", "Body cannot be blank")
    comment = Comment(call.hub.world.next_id(), body, call.actor, call.hub.now())
    issue.comments.append(comment)
    issue.updated_at = call.hub.now()
    shown = shapes.comment(call.urls, call.repo, issue, comment)
    return Answer(shown, status=201, headers={"location": str(shown["url"])})


@operation("POST /repos/{owner}/{repo}/issues/{issue_number}/labels", array="labels")
def add_labels(call: Call) -> list[Json]:
    issue, added = call.issue, _labels(call)
    if added is None:
        raise invalid_request('"labels" wasn\'t supplied.')
    issue.labels += [each for each in added if each not in issue.labels]
    issue.updated_at = call.hub.now()
    return [show_label(call.urls, call.repo, each) for each in issue.labels]


def _title(call: Call) -> str:
    title = call.required("title")
    if not title.strip():
        raise validation_failed("Issue", "title", "missing_field")
    return title


def _labels(call: Call) -> list[Label] | None:
    """The labels named, as strings or as objects with a name; one that does not exist yet is made."""
    wanted = call.body.get("labels")
    if wanted is None:
        return None
    given = wanted if isinstance(wanted, list) else [None]
    names = [name for each in given if isinstance(name := each.get("name") if isinstance(each, dict) else each, str)]
    if len(names) != len(given) or not all(names):
        raise invalid_request("For 'properties/labels', the value is not an array of labels.")
    for name in names:
        if call.repo.label(name) is None:
            call.repo.labels[name] = Label(call.hub.world.next_id(), name)
    found = [call.repo.label(name) for name in names]
    return [each for each in dict.fromkeys(found) if each]


def _assignees(call: Call) -> list[Account] | None:
    names = call.strings("assignees")
    if names is None and call.text("assignee"):
        names = [call.required("assignee")]
    if names is None:
        return None
    found = [call.hub.world.account(name) if name in call.repo.roles else None for name in names]
    if call.role == "read":
        return None  # "Only users with push access can set assignees. Assignees are silently dropped otherwise."
    if not all(found):
        raise validation_failed("Issue", "assignees", "invalid")
    return [each for each in found if each]


def _milestone(call: Call, before: int | None) -> int | None:
    """By its number; ``null`` takes it away."""
    wanted = call.body.get("milestone", before)
    if wanted is not None and wanted not in call.repo.milestones:
        raise validation_failed("Issue", "milestone", "invalid")
    return wanted if isinstance(wanted, int) else None


def _type(call: Call, before: IssueType | None) -> IssueType | None:
    """By its name; ``null`` takes it away. Without push access, "type changes are silently dropped"."""
    if "type" not in call.body or call.role == "read":
        return before
    wanted = call.text("type")
    found = next((each for each in call.repo.types if wanted and each.name.casefold() == wanted.casefold()), None)
    if wanted is not None and found is None:
        raise validation_failed("Issue", "type", "invalid")
    return found


def _has_type(issue: Issue, wanted: str) -> bool:
    """The name of a type, ``*`` for any or ``none``."""
    if wanted in ("*", "none"):
        return (issue.type is None) is (wanted == "none")
    return issue.type is not None and issue.type.name.casefold() == wanted.casefold()


def _is_wanted(call: Call, issue: Issue) -> bool:
    """The filters of the list: ``state`` (open unless said), ``labels``, ``creator``, ``assignee``, ``since``."""
    query = call.query
    labels = {each.name for each in issue.labels}
    since = parse_time(query.get("since"))
    assignees = [each.login for each in issue.assignees]
    assignee = query.get("assignee", "*any")
    return (
        query.get("state", "open") in ("all", issue.state)
        and all(name in labels for name in query.get("labels", "").split(",") if name)
        and query.get("creator", issue.author.login) == issue.author.login
        and (assignee == "*any" or (assignee == "none" and not assignees) or (assignee == "*" and bool(assignees))
             or assignee in assignees)
        and query.get("milestone", "any") in ("any", str(issue.milestone or "none"), "*" if issue.milestone else "")
        and ("type" not in query or _has_type(issue, query["type"]))
        and ("mentioned" not in query or f"@{query['mentioned']}" in (issue.body or ""))
        and (since is None or issue.updated_at >= since)
    )  # fmt: skip


def _order(call: Call) -> Callable[[Issue], tuple[float, int]]:
    def key(issue: Issue) -> tuple[float, int]:
        moments: dict[str, datetime] = {"created": issue.created_at, "updated": issue.updated_at}
        sort = call.query.get("sort", "created")
        first = len(issue.comments) if sort == "comments" else moments.get(sort, issue.created_at).timestamp()
        return first, issue.number

    return key
