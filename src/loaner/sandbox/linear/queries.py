"""What each root query starts from; filtering and paging come after (``resolving.py``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from loaner.sandbox.linear.derived import View
from loaner.sandbox.linear.errors import invalid_input, not_found
from loaner.sandbox.linear.state import (
    Comment,
    Cycle,
    Document,
    E,
    Entity,
    Initiative,
    Issue,
    IssueLabel,
    Project,
    ProjectMilestone,
    ProjectStatus,
    Team,
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


QUERIES: Mapping[str, Callable[[View, Arguments], Any]] = {
    "viewer": lambda view, _: view.viewer,
    "teams": _every(Team),
    "team": _one(Team),
    "users": _every(User),
    "issues": _every(Issue),
    "issue": _one(Issue),
    "searchIssues": _search,
    "comments": _every(Comment),
    "projects": _every(Project),
    "project": _one(Project),
    "workflowStates": _every(WorkflowState),
    "issueLabels": _every(IssueLabel),
    "documents": _every(Document),
    "document": _document,
    "cycles": _every(Cycle),
    "projectMilestones": _every(ProjectMilestone),
    "initiatives": _every(Initiative),
    "projectStatuses": _every(ProjectStatus),
}
