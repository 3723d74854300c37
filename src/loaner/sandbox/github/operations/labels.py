"""The labels and milestones of a repository, and taking a label off an issue.

GitHub docs, REST API "Labels" and "Milestones". A label is found in whatever case it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from loaner.sandbox.github.call import Answer, Call
from loaner.sandbox.github.errors import ApiError, validation_failed
from loaner.sandbox.github.routing import operation
from loaner.sandbox.github.shapes.basics import Json
from loaner.sandbox.github.shapes.basics import label as show_label
from loaner.sandbox.github.shapes.issues import milestone as show_milestone
from loaner.sandbox.github.state import Label, Milestone

_COLOR = re.compile(r"[0-9a-fA-F]{6}")
_LONGEST_DESCRIPTION = 100
_NEVER = datetime.max.replace(tzinfo=UTC)


@operation("GET /repos/{owner}/{repo}/labels")
def list_labels(call: Call) -> list[Json]:
    return [show_label(call.urls, call.repo, each) for each in call.page(list(call.repo.labels.values()))]


@operation("POST /repos/{owner}/{repo}/labels", status=201)
def create_label(call: Call) -> Answer:
    name, color = call.required("name"), call.text("color") or "ededed"
    description = call.text("description") or ""
    if not name.strip():
        raise validation_failed("Label", "name", "missing_field")
    if not _COLOR.fullmatch(color):
        raise validation_failed("Label", "color", "invalid")
    if len(description) > _LONGEST_DESCRIPTION:
        raise validation_failed("Label", "description", "custom", "description is too long (maximum is 100 characters)")
    if call.repo.label(name):
        raise validation_failed("Label", "name", "already_exists")
    made = call.repo.labels[name] = Label(call.hub.world.next_id(), name, color.lower(), description)
    shown = show_label(call.urls, call.repo, made)
    return Answer(shown, status=201, headers={"location": str(shown["url"])})


@operation("DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels/{name}")
def remove_label(call: Call) -> list[Json]:
    """The remaining ones; 404 also where the repository has it and the issue has not."""
    issue, label = call.issue, call.repo.label(call.params["name"])
    if label is None or label not in issue.labels:
        raise ApiError(404, "Label does not exist")
    issue.labels.remove(label)
    issue.updated_at = call.hub.now()
    return [show_label(call.urls, call.repo, each) for each in issue.labels]


@operation("GET /repos/{owner}/{repo}/milestones")
def list_milestones(call: Call) -> list[Json]:
    wanted = call.query.get("state", "open")
    found = [each for each in call.repo.milestones.values() if wanted in ("all", each.state)]
    found.sort(key=_order(call), reverse=call.query.get("direction", "asc") == "desc")
    return [show_milestone(call.urls, call.repo, each) for each in call.page(found)]


def _order(call: Call) -> Callable[[Milestone], tuple[float, int]]:
    def key(milestone: Milestone) -> tuple[float, int]:
        of_it = [each.state for each in call.repo.issues.values() if each.milestone == milestone.number]
        done = of_it.count("closed") / len(of_it) if of_it else 0.0
        by_date = (milestone.due_on or _NEVER).timestamp()
        return done if call.query.get("sort") == "completeness" else by_date, milestone.number

    return key
