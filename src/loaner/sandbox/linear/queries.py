"""What each root query starts from; filtering and paging come after (``resolving.py``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from loaner.sandbox.linear.derived import View, memberships
from loaner.sandbox.linear.errors import invalid_input, not_found
from loaner.sandbox.linear.state import (
    Attachment,
    Comment,
    Cycle,
    Document,
    E,
    Entity,
    Initiative,
    Issue,
    IssueLabel,
    IssueRelation,
    Project,
    ProjectMilestone,
    ProjectStatus,
    ProjectUpdate,
    Team,
    TeamMembership,
    User,
    WorkflowState,
)

Arguments = Mapping[str, Any]


def found(view: View, kind: type[E], identifier: str) -> E:
    """An entity that the caller refers to by id; issues by identifier and teams by key as well.

    Raises:
        GraphQLError: ``Entity not found``.
    """
    entity: Entity | None = view.world.issue(identifier) if kind is Issue else view.world.get(kind, identifier)
    if entity is None and kind is Team:
        entity = next((each for each in view.world.every(Team) if each.key == identifier), None)
    if not isinstance(entity, kind):
        raise not_found(kind.__name__)
    return entity


def _every(kind: type[Entity]) -> Callable[[View, Arguments], list[Entity]]:
    return lambda view, _: list(view.world.every(kind))


def _one(kind: type[Entity]) -> Callable[[View, Arguments], Entity]:
    return lambda view, arguments: found(view, kind, arguments["id"])


def _document(view: View, arguments: Arguments) -> Document:
    """By its id or the end of its address."""
    wanted = arguments["id"]
    named = next((each for each in view.world.every(Document) if each.slug_id == wanted), None)
    return named or found(view, Document, wanted)


def _search(view: View, arguments: Arguments) -> list[Issue]:
    """Every word must occur. ``teamId`` boosts a team in the ranking and does not limit the search to it: so says
    the description of the argument in the schema."""
    words = arguments["term"].lower().split()
    if not words:
        raise invalid_input("The search term is empty.")

    def text(issue: Issue) -> str:
        said = (comment.body for comment in view.pointing(Comment, "issue", issue))
        parts = [view.read(issue, "searchableContent"), *(said if arguments.get("includeComments") else ())]
        return " ".join(parts).lower()

    return [issue for issue in view.world.every(Issue) if all(word in text(issue) for word in words)]


def _rate_limit(view: View, _: Arguments) -> dict[str, Any]:
    return {"identifier": view.viewer.id, "kind": "user", "limits": view.limits.told()}


def _comment(view: View, arguments: Arguments) -> Comment:
    """By its id, or the hash that its address ends with."""
    ending = arguments.get("hash")
    named = next((each for each in view.world.every(Comment) if ending and each.id.startswith(ending)), None)
    return named or found(view, Comment, arguments.get("id") or "")


def _membership(view: View, arguments: Arguments) -> TeamMembership:
    wanted = next((one for one in memberships(view) if one.id == arguments["id"]), None)
    return wanted or found(view, TeamMembership, arguments["id"])


_BY_ID: Mapping[str, type[Entity]] = {
    "team": Team,
    "issue": Issue,
    "user": User,
    "project": Project,
    "workflowState": WorkflowState,
    "issueLabel": IssueLabel,
    "cycle": Cycle,
    "attachment": Attachment,
    "projectStatus": ProjectStatus,
    "projectUpdate": ProjectUpdate,
    "projectMilestone": ProjectMilestone,
    "initiative": Initiative,
    "issueRelation": IssueRelation,
}
_ALL: Mapping[str, type[Entity]] = {
    "teams": Team,
    "users": User,
    "issues": Issue,
    "comments": Comment,
    "projects": Project,
    "workflowStates": WorkflowState,
    "issueLabels": IssueLabel,
    "documents": Document,
    "cycles": Cycle,
    "attachments": Attachment,
    "projectUpdates": ProjectUpdate,
    "projectMilestones": ProjectMilestone,
    "initiatives": Initiative,
    "projectStatuses": ProjectStatus,
}
QUERIES: Mapping[str, Callable[[View, Arguments], Any]] = {
    **{name: _one(kind) for name, kind in _BY_ID.items()},
    **{name: _every(kind) for name, kind in _ALL.items()},
    "viewer": lambda view, _: view.viewer,
    "organization": lambda view, _: view.organization,
    "rateLimitStatus": _rate_limit,
    "teamMembership": _membership,
    "teamMemberships": lambda view, _: memberships(view),
    "comment": _comment,
    "document": _document,
    "searchIssues": _search,
}
