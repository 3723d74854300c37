"""What Linear keeps: a workspace of teams, people, issues and what hangs on them.

Attributes are the schema's field names in snake case, so that one resolver and one filter can read them all. An
entity refers to others by reference; what refers *to* it is looked up (``derived.py``), never booked twice.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar


@dataclass(eq=False, kw_only=True)
class Entity:
    id: str
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None


@dataclass(eq=False, kw_only=True)
class Organization(Entity):
    name: str
    url_key: str


@dataclass(eq=False, kw_only=True)
class User(Entity):
    name: str
    display_name: str
    email: str
    admin: bool = False
    app: bool = False
    active: bool = True
    is_assignable: bool = True


@dataclass(eq=False, kw_only=True)
class Team(Entity):
    name: str
    key: str
    members: list[User]
    private: bool = False
    visibility: str = "public"
    timezone: str = "Etc/UTC"


@dataclass(eq=False, kw_only=True)
class TeamMembership(Entity):
    """A member's place in a team. Worked out: the members are in the team (``derived.py``)."""

    team: Team
    user: User
    owner: bool = False
    sort_order: float = 0.0


@dataclass(eq=False, kw_only=True)
class WorkflowState(Entity):
    name: str
    type: str
    """``triage``, ``backlog``, ``unstarted``, ``started``, ``completed``, ``canceled`` or ``duplicate``."""
    color: str
    position: float
    team: Team


@dataclass(eq=False, kw_only=True)
class IssueLabel(Entity):
    name: str
    color: str
    team: Team | None = None
    """``None``: a label of the whole workspace."""
    creator: User | None = None
    parent: IssueLabel | None = None


@dataclass(eq=False, kw_only=True)
class ProjectStatus(Entity):
    name: str
    type: str
    color: str
    position: float


@dataclass(eq=False, kw_only=True)
class Project(Entity):
    name: str
    slug_id: str
    status: ProjectStatus
    teams: list[Team]
    members: list[User]
    lead: User | None = None
    creator: User | None = None
    description: str = ""
    color: str = "#5e6ad2"
    health: str | None = None
    health_updated_at: datetime | None = None
    content: str | None = None
    priority: int = 0
    start_date: str | None = None
    target_date: str | None = None


@dataclass(eq=False, kw_only=True)
class ProjectMilestone(Entity):
    name: str
    project: Project
    description: str | None = None
    target_date: str | None = None
    status: str = "unstarted"
    sort_order: float = 0.0


@dataclass(eq=False, kw_only=True)
class Initiative(Entity):
    name: str
    slug_id: str
    status: str
    """``Proposed``, ``Planned``, ``Active``, ``Completed`` or ``Canceled``."""
    projects: list[Project] = field(default_factory=list)
    owner: User | None = None
    creator: User | None = None
    description: str | None = None
    health: str | None = None
    target_date: str | None = None


@dataclass(eq=False, kw_only=True)
class Cycle(Entity):
    number: int
    team: Team
    starts_at: datetime
    ends_at: datetime
    name: str | None = None


@dataclass(eq=False, kw_only=True)
class Issue(Entity):
    team: Team
    number: int
    title: str
    state: WorkflowState
    creator: User
    description: str | None = None
    priority: int = 0
    estimate: int | None = None
    due_date: str | None = None
    assignee: User | None = None
    delegate: User | None = None
    cycle: Cycle | None = None
    project: Project | None = None
    project_milestone: ProjectMilestone | None = None
    parent: Issue | None = None
    labels: list[IssueLabel] = field(default_factory=list)
    subscribers: list[User] = field(default_factory=list)
    sort_order: float = 0.0
    priority_sort_order: float = 0.0
    sub_issue_sort_order: float | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    canceled_at: datetime | None = None
    trashed: bool | None = None
    previous_identifiers: list[str] = field(default_factory=list)

    @property
    def identifier(self) -> str:
        return f"{self.team.key}-{self.number}"


@dataclass(eq=False, kw_only=True)
class IssueRelation(Entity):
    type: str
    """``blocks``, ``duplicate``, ``related`` or ``similar``."""
    issue: Issue
    related_issue: Issue


@dataclass(eq=False, kw_only=True)
class ExternalUser(Entity):
    """Somebody who writes from elsewhere, such as Slack."""

    name: str
    display_name: str


@dataclass(eq=False, kw_only=True)
class ActorBot(Entity):
    """An integration that acts as itself."""

    name: str
    type: str


@dataclass(eq=False, kw_only=True)
class Comment(Entity):
    body: str
    user: User | None = None
    external_user: ExternalUser | None = None
    bot_actor: ActorBot | None = None
    resolved_at: datetime | None = None
    edited_at: datetime | None = None
    issue: Issue | None = None
    project_update: ProjectUpdate | None = None
    parent: Comment | None = None
    quoted_text: str | None = None


@dataclass(eq=False, kw_only=True)
class Attachment(Entity):
    title: str
    url: str
    issue: Issue
    creator: User
    subtitle: str | None = None
    source_type: str | None = None


@dataclass(eq=False, kw_only=True)
class Document(Entity):
    """It belongs to one thing: a project, an issue, an initiative or a team."""

    title: str
    slug_id: str
    content: str | None = None
    creator: User | None = None
    project: Project | None = None
    issue: Issue | None = None
    initiative: Initiative | None = None
    team: Team | None = None
    cycle: Cycle | None = None


@dataclass(eq=False, kw_only=True)
class ProjectUpdate(Entity):
    body: str
    health: str
    project: Project
    user: User
    is_diff_hidden: bool = False


@dataclass(eq=False, kw_only=True)
class Webhook(Entity):
    url: str
    resource_types: list[str]
    team: Team | None
    all_public_teams: bool
    creator: User
    enabled: bool = True
    label: str | None = None
    secret: str | None = None


E = TypeVar("E", bound=Entity)


class World:
    """Every entity of the workspace, by kind and in order of creation."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.last_sync_id = 0
        self._kept: dict[type[Entity], dict[str, Entity]] = {}
        self._numbers: dict[str, int] = {}

    def every(self, kind: type[E]) -> Iterator[E]:
        for entity in self._kept.get(kind, {}).values():
            if isinstance(entity, kind):
                yield entity

    def get(self, kind: type[E], identifier: str) -> E | None:
        found = self._kept.get(kind, {}).get(identifier)
        return found if isinstance(found, kind) else None

    def add(self, entity: E) -> E:
        self._kept.setdefault(type(entity), {})[entity.id] = entity
        self.last_sync_id += 1
        return entity

    def touch(self, entity: Entity) -> None:
        """Note that an entity was changed just now."""
        entity.updated_at = self.now()
        self.last_sync_id += 1

    def remove(self, entity: Entity) -> None:
        del self._kept[type(entity)][entity.id]
        self.last_sync_id += 1

    def next_number(self, team: Team) -> int:
        """Numbers are never given twice, not even after a deletion."""
        self._numbers[team.id] = self._numbers.get(team.id, 0) + 1
        return self._numbers[team.id]

    def new(self, kind: Callable[..., E], identifier: str | None = None, **values: object) -> E:
        """Make an entity as of now and keep it."""
        moment = self.now()
        return self.add(kind(id=identifier or str(uuid.uuid4()), created_at=moment, updated_at=moment, **values))

    def issue(self, reference: str) -> Issue | None:
        """By id, or by an identifier it has or had, such as ``ENG-1``."""
        wanted = reference.upper()
        for issue in self.every(Issue):
            if issue.id == reference or issue.identifier == wanted or wanted in issue.previous_identifiers:
                return issue
        return None
