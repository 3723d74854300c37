"""Sub-issues of an issue.

GitHub docs, REST API "Sub-issues": they go by the issue's id, not by its number; they belong to repositories of the
same owner; an issue has one parent, which only ``replace_parent`` changes; a parent has at most a hundred.
"""

from __future__ import annotations

from loaner.sandbox.github.call import Answer, Call
from loaner.sandbox.github.errors import invalid_request, not_found, validation_failed
from loaner.sandbox.github.routing import operation
from loaner.sandbox.github.shapes import issues as shapes
from loaner.sandbox.github.shapes.basics import Json
from loaner.sandbox.github.state import Issue

_MOST = 100


@operation("GET /repos/{owner}/{repo}/issues/{issue_number}/sub_issues")
def list_sub_issues(call: Call) -> list[Json]:
    listed = [call.repo.issues[number] for number in call.issue.sub_issues]
    return [shapes.issue(call.urls, call.repo, each) for each in call.page(listed)]


@operation("POST /repos/{owner}/{repo}/issues/{issue_number}/sub_issues", status=201)
def add_sub_issue(call: Call) -> Answer:
    parent, sub = call.issue, _sub_issue(call)
    if parent.number == sub.number or parent.number in _below(call, sub):
        raise validation_failed("SubIssue", "sub_issue_id", "invalid", "An issue cannot be below itself")
    if sub.number in parent.sub_issues:
        raise validation_failed(
            "SubIssue", "sub_issue_id", "already_exists", "Issue may not contain duplicate sub-issues"
        )
    if sub.parent is not None and not call.flag("replace_parent"):
        raise validation_failed("SubIssue", "sub_issue_id", "custom", "Sub issue may only have one parent")
    if len(parent.sub_issues) >= _MOST:
        raise validation_failed("SubIssue", "sub_issue_id", "custom", "Parent cannot have more than 100 sub-issues")
    if sub.parent is not None:
        call.repo.issues[sub.parent].sub_issues.remove(sub.number)
    parent.sub_issues.append(sub.number)
    sub.parent = parent.number
    return Answer(shapes.issue(call.urls, call.repo, parent), status=201)


@operation("DELETE /repos/{owner}/{repo}/issues/{issue_number}/sub_issue")
def remove_sub_issue(call: Call) -> Json:
    parent, sub = call.issue, _sub_issue(call)
    if sub.number not in parent.sub_issues:
        raise not_found()
    parent.sub_issues.remove(sub.number)
    sub.parent = None
    return shapes.issue(call.urls, call.repo, parent)


def _sub_issue(call: Call) -> Issue:
    wanted = call.body.get("sub_issue_id")
    if not isinstance(wanted, int) or isinstance(wanted, bool):
        raise invalid_request('"sub_issue_id" wasn\'t supplied.')
    found = next((each for each in call.repo.issues.values() if each.id == wanted), None)
    if found is None or found.pull:
        raise not_found()
    return found


def _below(call: Call, issue: Issue) -> set[int]:
    found, waiting = set[int](), list(issue.sub_issues)
    while waiting:
        number = waiting.pop()
        found.add(number)
        waiting += call.repo.issues[number].sub_issues
    return found
