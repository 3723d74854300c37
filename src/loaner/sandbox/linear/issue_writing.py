"""Creating, changing, archiving and deleting issues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loaner.sandbox.linear.derived import PRIORITIES, View, snake
from loaner.sandbox.linear.errors import forbidden, invalid_input
from loaner.sandbox.linear.inputs import as_uuid4, only, text
from loaner.sandbox.linear.queries import Arguments, found
from loaner.sandbox.linear.state import (
    Cycle,
    E,
    Entity,
    Issue,
    IssueLabel,
    Project,
    ProjectMilestone,
    Team,
    User,
    WorkflowState,
)

_PLAIN = "title description priority estimate dueDate sortOrder prioritySortOrder subIssueSortOrder"
_CLEARABLE = {"description", "estimate", "dueDate", "subIssueSortOrder"}
_ONE: Mapping[str, type[Entity]] = {
    "assigneeId": User,
    "delegateId": User,
    "cycleId": Cycle,
    "projectId": Project,
    "projectMilestoneId": ProjectMilestone,
    "parentId": Issue,
}
_MANY: Mapping[str, type[Entity]] = {"labelIds": IssueLabel, "subscriberIds": User}
_BOTH = f"{_PLAIN} teamId stateId {' '.join([*_ONE, *_MANY])}"


def create(view: View, arguments: Arguments) -> Issue:
    given = only(arguments["input"], f"id createAsUser displayIconUrl useDefaultTemplate {_BOTH}")
    if given.get("createAsUser") and not view.viewer.app:
        raise forbidden("createAsUser is only available in actor=app mode.")
    team, title = found(view, Team, given["teamId"]), text(given, "title")
    identifier = as_uuid4(view, Issue, given.get("id"))
    changes = _checked(view, given, team)
    _check_milestone(changes, None)
    state = changes.pop("state", None) or view.read(team, "defaultIssueState")
    issue = view.world.new(
        Issue, identifier, team=team, number=view.world.next_number(team), title=title, state=state, creator=view.viewer
    )
    issue.subscribers.append(view.viewer)
    _enter(view, issue, state)
    _set(issue, changes)
    return issue


def update(view: View, arguments: Arguments) -> Issue:
    given = only(arguments["input"], f"addedLabelIds removedLabelIds trashed {_BOTH}")
    issue = found(view, Issue, arguments["id"])
    if "title" in given:
        text(given, "title")
    team = found(view, Team, given["teamId"]) if given.get("teamId") else issue.team
    changes = _checked(view, given, team)
    if team is not issue.team:
        changes.setdefault("state", view.read(team, "defaultIssueState"))
        changes.setdefault("cycle", None)  # of the team that it leaves, as some of its labels are
        changes.setdefault("labels", [each for each in issue.labels if each.team in {None, team}])
    _check_milestone(changes, issue)
    labels: list[IssueLabel] = changes.get("labels", issue.labels)
    gone = given.get("removedLabelIds") or ()
    added = [_label(view, each, team) for each in given.get("addedLabelIds") or ()]
    changes["labels"] = [each for each in dict.fromkeys([*labels, *added]) if each.id not in gone]
    # Only now, when nothing can be refused any more: a refused change must leave no trace.
    if team is not issue.team:
        issue.previous_identifiers.append(issue.identifier)
        issue.team, issue.number = team, view.world.next_number(team)
    if given.get("trashed") is not None:
        issue.trashed = given["trashed"] or None
        issue.archived_at = view.world.now() if given["trashed"] else None
    if changes.get("state", issue.state) is not issue.state:
        _enter(view, issue, changes["state"])
    _set(issue, changes)
    view.world.touch(issue)
    return issue


def mark_duplicate(view: View, issue: Issue) -> None:
    """It turned out to be a duplicate of another: each team has a state for those."""
    states = view.pointing(WorkflowState, "team", issue.team)
    issue.state = next(each for each in states if each.type == "duplicate")
    _enter(view, issue, issue.state)
    view.world.touch(issue)


def add_label(view: View, arguments: Arguments) -> Issue:
    issue = found(view, Issue, arguments["id"])
    label = _label(view, arguments["labelId"], issue.team)
    if label not in issue.labels:
        issue.labels.append(label)
        view.world.touch(issue)
    return issue


def archive(view: View, arguments: Arguments) -> Issue:
    issue = found(view, Issue, arguments["id"])
    issue.archived_at = issue.archived_at or view.world.now()
    if arguments.get("trash"):
        issue.trashed = True
    view.world.touch(issue)
    return issue


def delete(view: View, arguments: Arguments) -> Issue:
    """To the trash, from where it could be had back for 30 days; for good only by an admin."""
    if not arguments.get("permanentlyDelete"):
        return archive(view, {"id": arguments["id"], "trash": True})
    if not view.viewer.admin:
        raise forbidden("Only admins may delete an issue permanently.")
    issue = found(view, Issue, arguments["id"])
    view.world.remove(issue)
    return issue


def _checked(view: View, given: Mapping[str, Any], team: Team) -> dict[str, Any]:
    """The attributes to set, every reference looked up."""
    changes: dict[str, Any] = {
        snake(name): given[name]
        for name in _PLAIN.split()
        if name in given and (given[name] is not None or name in _CLEARABLE)
    }
    if changes.get("priority", 0) not in range(len(PRIORITIES)):
        raise invalid_input("priority must be between 0 and 4.")
    for name, kind in _ONE.items():
        if name in given:
            changes[snake(name[:-2])] = given[name] and found(view, kind, given[name])
    for name, kind in _MANY.items():
        if given.get(name) is not None:
            changes[f"{name[:-3]}s"] = [_many(view, kind, each, team) for each in dict.fromkeys(given[name])]
    if given.get("stateId"):
        changes["state"] = found(view, WorkflowState, given["stateId"])
        if changes["state"].team is not team:
            raise invalid_input("The state belongs to another team.")
    if changes.get("cycle") is not None and changes["cycle"].team is not team:
        raise invalid_input("The cycle belongs to another team.")
    return changes


def _check_milestone(changes: dict[str, Any], issue: Issue | None) -> None:
    """A milestone is one of the issue's project, and does not stay where that goes."""
    project = changes.get("project", issue.project if issue else None)
    milestone = changes.get("project_milestone")
    if milestone is not None and milestone.project is not project:
        raise invalid_input("The milestone belongs to another project.")
    if issue is not None and project is not issue.project:
        changes.setdefault("project_milestone", None)


def _many(view: View, kind: type[E], identifier: str, team: Team) -> E | IssueLabel:
    return _label(view, identifier, team) if kind is IssueLabel else found(view, kind, identifier)


def _label(view: View, identifier: str, team: Team) -> IssueLabel:
    label = found(view, IssueLabel, identifier)
    if label.team not in {None, team}:
        raise invalid_input("The label belongs to another team.")
    return label


def _set(issue: Issue, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        setattr(issue, name, value)


def _enter(view: View, issue: Issue, state: WorkflowState) -> None:
    """The dates that follow from the state an issue is in."""
    now = view.world.now()
    if state.type in {"started", "completed"}:
        issue.started_at = issue.started_at or now
    issue.completed_at = now if state.type == "completed" else None
    issue.canceled_at = now if state.type == "canceled" else None
