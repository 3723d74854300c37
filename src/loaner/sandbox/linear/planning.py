"""The mutations that write projects and documents."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from loaner.sandbox.linear.derived import PRIORITIES, View, snake
from loaner.sandbox.linear.errors import invalid_input
from loaner.sandbox.linear.inputs import as_uuid4, only, text
from loaner.sandbox.linear.queries import Arguments, found
from loaner.sandbox.linear.state import Cycle, Document, Entity, Initiative, Issue, Project, ProjectStatus, Team, User

_PLAIN = "name description content priority startDate targetDate color"
_CLEARABLE = {"content", "startDate", "targetDate"}
_PARENTS: Mapping[str, type[Entity]] = {
    "projectId": Project,
    "issueId": Issue,
    "initiativeId": Initiative,
    "teamId": Team,
    "cycleId": Cycle,
}
_SLUG = 12


def create_project(view: View, arguments: Arguments) -> Project:
    given = only(arguments["input"], f"id {_PLAIN} leadId memberIds teamIds statusId")
    name = text(given, "name")
    changes = _checked(view, given)
    if not changes.get("teams"):
        raise invalid_input("A project has at least one team.")
    status = changes.pop("status", None) or next(view.world.every(ProjectStatus))
    identifier = as_uuid4(view, Project, given.get("id"))
    values = {"members": [view.viewer], **changes, "name": name, "status": status}
    return view.world.new(Project, identifier, slug_id=uuid.uuid4().hex[:_SLUG], creator=view.viewer, **values)


def update_project(view: View, arguments: Arguments) -> Project:
    project = found(view, Project, arguments["id"])
    given = only(arguments["input"], f"{_PLAIN} leadId memberIds teamIds statusId")
    if "name" in given:
        text(given, "name")
    changes = _checked(view, given)
    if changes.get("teams") == []:
        raise invalid_input("A project has at least one team.")
    for name, value in changes.items():
        setattr(project, name, value)
    view.world.touch(project)
    return project


def create_document(view: View, arguments: Arguments) -> Document:
    given = only(arguments["input"], f"id title content color {' '.join(_PARENTS)}")
    parents = [name for name in _PARENTS if given.get(name)]
    if len(parents) != 1:
        raise invalid_input("A document belongs to exactly one project, issue, initiative, team or cycle.")
    parent = {parents[0][:-2]: found(view, _PARENTS[parents[0]], given[parents[0]])}
    identifier = as_uuid4(view, Document, given.get("id"))
    return view.world.new(
        Document,
        identifier,
        title=given["title"],
        content=given.get("content"),
        slug_id=uuid.uuid4().hex[:_SLUG],
        creator=view.viewer,
        **parent,
    )


def _checked(view: View, given: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes to set, every reference looked up."""
    changes: dict[str, Any] = {
        snake(name): given[name]
        for name in _PLAIN.split()
        if name in given and (given[name] is not None or name in _CLEARABLE)
    }
    if changes.get("priority", 0) not in range(len(PRIORITIES)):
        raise invalid_input("priority must be between 0 and 4.")
    if "leadId" in given:
        changes["lead"] = given["leadId"] and found(view, User, given["leadId"])
    if given.get("statusId"):
        changes["status"] = found(view, ProjectStatus, given["statusId"])
    if given.get("memberIds") is not None:
        changes["members"] = [found(view, User, each) for each in given["memberIds"]]
    if given.get("teamIds") is not None:
        changes["teams"] = [found(view, Team, each) for each in dict.fromkeys(given["teamIds"])]
    return changes
