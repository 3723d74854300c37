"""Fields of the schema that are not kept but worked out: who I am, addresses, and everything that refers to a thing."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from loaner.sandbox.linear.limits import Limits
from loaner.sandbox.linear.state import (
    Attachment,
    Comment,
    Cycle,
    Document,
    Entity,
    Initiative,
    Issue,
    IssueLabel,
    IssueRelation,
    Organization,
    Project,
    ProjectMilestone,
    ProjectStatus,
    ProjectUpdate,
    Team,
    TeamMembership,
    User,
    Webhook,
    WorkflowState,
    World,
)

ABSENT = object()
"""What reading gives for a field that the sandbox keeps nothing for."""

PRIORITIES = ("No priority", "Urgent", "High", "Medium", "Low")


@dataclass(frozen=True)
class View:
    """The workspace as one caller sees it."""

    world: World
    viewer: User
    web: str
    """Base address of the web side, for the addresses of things."""
    limits: Limits
    """The caller's."""

    def read(self, entity: Entity, name: str) -> Any:
        """A field by its GraphQL name, or :data:`ABSENT`."""
        for kind in type(entity).__mro__:
            derive = DERIVED.get((kind, name))
            if derive is not None:
                return derive(self, entity)
        return getattr(entity, snake(name), ABSENT)

    def pointing(self, kind: type[Entity], attribute: str, entity: Entity) -> list[Any]:
        """Everything of a kind whose attribute is this very entity, or a list that holds it."""
        return [each for each in self.world.every(kind) if _refers(getattr(each, attribute), entity)]

    @property
    def organization(self) -> Organization:
        return next(self.world.every(Organization))


def _refers(value: object, entity: Entity) -> bool:
    return entity in value if isinstance(value, list) else value is entity


@cache
def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _path(entity: Any) -> str:
    match entity:
        case Issue():
            return f"issue/{entity.identifier}/{_slug(entity.title)}"
        case Comment():
            return f"{_path(entity.issue or entity.project_update)}#comment-{entity.id[:8]}"
        case Project() | Document() | Initiative():
            called = entity.title if isinstance(entity, Document) else entity.name
            return f"{type(entity).__name__.lower()}/{_slug(called)}-{entity.slug_id}"
        case ProjectUpdate():
            return f"{_path(entity.project)}/updates#project-update-{entity.id[:8]}"
        case User():
            return f"profiles/{entity.display_name}"
    raise LookupError(type(entity).__name__)


def _url(view: View, entity: Entity) -> str:
    return f"{view.web}/{view.organization.url_key}/{_path(entity)}"


def _to(kind: type[Entity], attribute: str) -> Callable[[View, Any], Any]:
    return lambda view, entity: view.pointing(kind, attribute, entity)


def _state_of_type(kind: str) -> Callable[[View, Any], Any]:
    def find(view: View, team: Any) -> WorkflowState | None:
        return next((each for each in view.pointing(WorkflowState, "team", team) if each.type == kind), None)

    return find


def _progress(attribute: str) -> Callable[[View, Any], float]:
    def share(view: View, whole: Any) -> float:
        issues = [one for one in view.pointing(Issue, attribute, whole) if one.state.type != "canceled"]
        return sum(one.state.type == "completed" for one in issues) / len(issues) if issues else 0.0

    return share


def _beside(view: View, cycle: Any, *, after: bool) -> bool:
    """Is it the one of its team right after now, or right before?"""
    now, mine = view.world.now(), view.pointing(Cycle, "team", cycle.team)
    if after:
        coming = [each for each in mine if now < each.starts_at]
        return bool(coming) and cycle is min(coming, key=lambda each: each.starts_at)
    over = [each for each in mine if each.ends_at <= now]
    return bool(over) and cycle is max(over, key=lambda each: each.ends_at)


def memberships(view: View) -> list[TeamMembership]:
    """Each as old as its team, with an id that is the same whenever it is asked for."""
    return [
        TeamMembership(
            id=str(uuid.uuid5(uuid.UUID(team.id), user.id)),
            created_at=team.created_at,
            updated_at=team.created_at,
            team=team,
            user=user,
        )
        for team in view.world.every(Team)
        for user in team.members
    ]


def membership(view: View, team: Any, user: str) -> TeamMembership | None:
    return next((one for one in memberships(view) if one.team is team and one.user.id == user), None)


_UNSHARED = {
    "isShared": False,
    "sharedWithCount": 0,
    "sharedWithUsers": (),
    "viewerHasOnlySharedAccess": False,
    "disallowedIssueFields": (),
}

DERIVED: Mapping[tuple[type[Entity], str], Callable[[View, Any], Any]] = {
    **{(kind, "url"): _url for kind in (Issue, Comment, Project, ProjectUpdate, User, Document, Initiative)},
    **{(kind, "organization"): lambda view, _: view.organization for kind in (Team, User, IssueLabel)},
    **{(kind, "reactionData"): lambda *_: {} for kind in (Issue, Comment, ProjectUpdate)},
    **{
        (kind, "priorityLabel"): lambda _, it: PRIORITIES[it.priority if isinstance(it, Issue) else 0]
        for kind in (Issue, Project)
    },
    (Organization, "teams"): lambda view, _: list(view.world.every(Team)),
    (Organization, "users"): lambda view, _: list(view.world.every(User)),
    (Organization, "labels"): lambda view, _: list(view.world.every(IssueLabel)),
    (Organization, "projectStatuses"): lambda view, _: list(view.world.every(ProjectStatus)),
    (Organization, "userCount"): lambda view, _: sum(not each.app for each in view.world.every(User)),
    (Organization, "createdIssueCount"): lambda view, _: len(list(view.world.every(Issue))),
    (User, "isMe"): lambda view, user: user is view.viewer,
    (User, "initials"): lambda _, user: "".join(word[0].upper() for word in user.name.split()),
    (User, "teamMemberships"): lambda view, user: [one for one in memberships(view) if one.user is user],
    (User, "teams"): _to(Team, "members"),
    (User, "assignedIssues"): _to(Issue, "assignee"),
    (User, "createdIssues"): _to(Issue, "creator"),
    (User, "createdIssueCount"): lambda view, user: len(view.pointing(Issue, "creator", user)),
    (Team, "displayName"): lambda _, team: team.name,
    (Team, "memberships"): lambda view, team: [one for one in memberships(view) if one.team is team],
    (Team, "viewerMembership"): lambda view, team: membership(view, team, view.viewer.id),
    (Team, "viewerCanJoin"): lambda view, team: view.viewer not in team.members,
    (Team, "viewerCanLeave"): lambda view, team: view.viewer in team.members,
    (Team, "issues"): _to(Issue, "team"),
    (Team, "issueCount"): lambda view, team: sum(not each.archived_at for each in view.pointing(Issue, "team", team)),
    (Team, "states"): _to(WorkflowState, "team"),
    (Team, "labels"): _to(IssueLabel, "team"),
    (Team, "projects"): _to(Project, "teams"),
    (Team, "webhooks"): _to(Webhook, "team"),
    (Team, "defaultIssueState"): _state_of_type("unstarted"),
    (WorkflowState, "issues"): _to(Issue, "state"),
    (IssueLabel, "issues"): _to(Issue, "labels"),
    (IssueLabel, "children"): _to(IssueLabel, "parent"),
    (IssueLabel, "isGroup"): lambda view, label: bool(view.pointing(IssueLabel, "parent", label)),
    (Project, "issues"): _to(Issue, "project"),
    (Project, "state"): lambda _, project: project.status.type,
    (Project, "projectUpdates"): _to(ProjectUpdate, "project"),
    (Project, "lastUpdate"): lambda view, project: next(
        reversed(view.pointing(ProjectUpdate, "project", project)), None
    ),
    (Project, "accessibleTeams"): lambda _, project: project.teams,
    (ProjectUpdate, "comments"): _to(Comment, "project_update"),
    (ProjectUpdate, "commentCount"): lambda view, update: len(view.pointing(Comment, "project_update", update)),
    (Issue, "sharedAccess"): lambda *_: _UNSHARED,
    (Issue, "labelIds"): lambda _, issue: [label.id for label in issue.labels],
    (Issue, "comments"): _to(Comment, "issue"),
    (Issue, "attachments"): _to(Attachment, "issue"),
    (Issue, "children"): _to(Issue, "parent"),
    (Issue, "relations"): _to(IssueRelation, "issue"),
    (Issue, "inverseRelations"): _to(IssueRelation, "related_issue"),
    (Cycle, "issues"): _to(Issue, "cycle"),
    (Cycle, "isActive"): lambda view, cycle: cycle.starts_at <= view.world.now() < cycle.ends_at,
    (Cycle, "isPast"): lambda view, cycle: cycle.ends_at <= view.world.now(),
    (Cycle, "isFuture"): lambda view, cycle: view.world.now() < cycle.starts_at,
    (Cycle, "isNext"): lambda view, cycle: _beside(view, cycle, after=True),
    (Cycle, "isPrevious"): lambda view, cycle: _beside(view, cycle, after=False),
    (Cycle, "progress"): _progress("cycle"),
    (Cycle, "documents"): _to(Document, "cycle"),
    (Project, "progress"): _progress("project"),
    (Project, "documents"): _to(Document, "project"),
    (Project, "projectMilestones"): _to(ProjectMilestone, "project"),
    (Project, "initiatives"): _to(Initiative, "projects"),
    (ProjectMilestone, "issues"): _to(Issue, "project_milestone"),
    (ProjectMilestone, "progress"): _progress("project_milestone"),
    (Initiative, "documents"): _to(Document, "initiative"),
    (Initiative, "organization"): lambda view, _: view.organization,
    (Issue, "documents"): _to(Document, "issue"),
    (Team, "cycles"): _to(Cycle, "team"),
    (Team, "activeCycle"): lambda view, team: next(
        (each for each in view.pointing(Cycle, "team", team) if view.read(each, "isActive")), None
    ),
    (Issue, "branchName"): lambda _, issue: (
        f"{issue.creator.display_name}/{issue.identifier.lower()}-{_slug(issue.title)}"
    ),
    (Issue, "searchableContent"): lambda _, issue: f"{issue.identifier} {issue.title} {issue.description or ''}",
    (Comment, "children"): _to(Comment, "parent"),
    (Comment, "issueId"): lambda _, comment: comment.issue and comment.issue.id,
    (Comment, "parentId"): lambda _, comment: comment.parent and comment.parent.id,
    (Comment, "projectUpdateId"): lambda _, comment: comment.project_update and comment.project_update.id,
    (Webhook, "teamIds"): lambda _, webhook: [webhook.team.id] if webhook.team else None,
    (Webhook, "secret"): lambda *_: None,  # shown once if ever; an emulator need not show it at all
}
