"""The workspace as every sandbox finds it: acme, two teams, a project, and a few issues to talk about."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from loaner.sandbox.linear.registered import APP_NAME, WORKSPACE
from loaner.sandbox.linear.state import (
    Comment,
    Cycle,
    Document,
    Initiative,
    Issue,
    IssueLabel,
    Organization,
    Project,
    ProjectMilestone,
    ProjectStatus,
    Team,
    User,
    WorkflowState,
    World,
)
from loaner.sandbox.world import PEOPLE

APP_USER_ID = "a9900000-0000-4000-8000-00000000000a"
"""Who an app is when it acts as itself (``actor=app``)."""

_STATES = (
    ("Backlog", "backlog", "#bec2c8"),
    ("Todo", "unstarted", "#e2e2e2"),
    ("In Progress", "started", "#f2c94c"),
    ("Done", "completed", "#5e6ad2"),
    ("Canceled", "canceled", "#95a2b3"),
    ("Duplicate", "duplicate", "#95a2b3"),
)
_LABELS = (("Bug", "#eb5757"), ("Feature", "#bb87fc"), ("Improvement", "#4ea7fc"))
_TEAM_LABELS = (("ENG", "frontend", "#26b5ce"), ("OPS", "on-call", "#f2994a"))


@dataclass(frozen=True)
class _Planned:
    team: str
    title: str
    state: str
    creator: str
    description: str = ""
    assignee: str | None = None
    labels: tuple[str, ...] = ()
    priority: int = 0
    in_project: bool = False


_ISSUES = (
    _Planned("ENG", "Login page flickers on slow networks", "Todo", "alice", "Seen on 3G.", "bob", ("Bug",), 2),
    _Planned(
        "ENG", "Add dark mode to settings", "In Progress", "bob", "Follow the system.", "alice", ("Feature",), 3, True
    ),
    _Planned("ENG", "Checkout total ignores discounts", "Todo", "bob", "Only for orders over 100.", None, ("Bug",), 1),
    _Planned("ENG", "Remove the old search box", "Done", "alice", "", "alice", ("Improvement", "frontend"), 4, True),
    _Planned("OPS", "Rotate the staging certificates", "Todo", "alice", "They expire in two weeks.", "bob", (), 2),
    _Planned("OPS", "Write the runbook for failover", "Backlog", "bob", "", None, ("on-call",), 0, True),
    _Planned("OPS", "Disk alert fires every night", "In Progress", "bob", "", "alice", ("Bug", "on-call"), 2),
)
_COMMENTS = (
    ("ENG-1", "bob", "I can reproduce it with the network throttled."),
    ("ENG-1", "alice", "Thanks, the skeleton is drawn twice."),
    ("ENG-2", "alice", "Design is ready."),
    ("OPS-1", "bob", "On it this week."),
)


def _id(name: str) -> str:
    """A version 4 UUID that is the same in every sandbox, so that examples can name things."""
    return str(uuid.UUID(bytes=uuid.uuid5(uuid.NAMESPACE_URL, f"sandbox:linear:{name}").bytes, version=4))


TEAM_IDS = {key: _id(f"team:{key}") for key in ("ENG", "OPS")}


def seeded(now: Callable[[], datetime]) -> World:
    """A fresh workspace, everything in it made some days ago and each thing a minute after the other."""
    started = now() - timedelta(days=7)
    ticks = iter(range(10_000))
    world = World(lambda: started + timedelta(minutes=next(ticks)))
    organization = world.new(Organization, _id("acme"), name="Acme", url_key=WORKSPACE)
    people = {
        login: world.new(
            User, person.linear_id, name=person.name, display_name=login, email=person.email, admin=login == "alice"
        )
        for login, person in PEOPLE.items()
    }
    world.new(
        User,
        APP_USER_ID,
        name=APP_NAME,
        display_name=APP_NAME,
        email=f"{APP_NAME}@apps.acme.example",
        app=True,
        is_assignable=False,
    )
    everyone = list(people.values())
    teams = {
        key: world.new(Team, TEAM_IDS[key], name=name, key=key, members=everyone)
        for key, name in (("ENG", "Engineering"), ("OPS", "Operations"))
    }
    states = {
        (key, name): world.new(
            WorkflowState, _id(f"state:{key}:{name}"), name=name, type=kind, color=color, position=float(at), team=team
        )
        for key, team in teams.items()
        for at, (name, kind, color) in enumerate(_STATES)
    }
    labels = {
        name: world.new(IssueLabel, _id(f"label:{name}"), name=name, color=color, creator=people["alice"])
        for name, color in _LABELS
    }
    for key, name, color in _TEAM_LABELS:
        labels[name] = world.new(
            IssueLabel, _id(f"label:{name}"), name=name, color=color, team=teams[key], creator=people["alice"]
        )
    project = _project(world, teams, people)
    began = now() - timedelta(days=3)
    world.new(
        Cycle, _id("cycle:ENG:1"), number=1, team=teams["ENG"], starts_at=began, ends_at=began + timedelta(days=14)
    )
    _around(world, project, people["alice"])
    for planned in _ISSUES:
        team = teams[planned.team]
        number = world.next_number(team)
        creator, assignee = people[planned.creator], people.get(planned.assignee or "")
        issue = world.new(
            Issue,
            _id(f"issue:{planned.team}-{number}"),
            team=team,
            number=number,
            title=planned.title,
            description=planned.description or None,
            state=states[planned.team, planned.state],
            creator=creator,
            assignee=assignee,
            labels=[labels[name] for name in planned.labels],
            priority=planned.priority,
            project=project if planned.in_project else None,
            subscribers=[creator],
        )
        issue.started_at = issue.created_at if issue.state.type in {"started", "completed"} else None
        issue.completed_at = issue.created_at if issue.state.type == "completed" else None
    for at, (identifier, login, body) in enumerate(_COMMENTS):
        world.new(Comment, _id(f"comment:{at}"), body=body, user=people[login], issue=world.issue(identifier))
    world.touch(organization)
    world.now = now
    return world


def _project(world: World, teams: dict[str, Team], people: dict[str, User]) -> Project:
    planned, started = (
        world.new(ProjectStatus, _id(f"status:{name}"), name=name, type=kind, color=color, position=position)
        for name, kind, color, position in (
            ("Planned", "planned", "#e2e2e2", 0.0),
            ("In Progress", "started", "#f2c94c", 1.0),
        )
    )
    world.new(
        Project,
        _id("project:migration"),
        name="Move to the new cluster",
        slug_id="b2c4d6e8f0a1",
        status=planned,
        teams=[teams["OPS"]],
        members=[people["bob"]],
        lead=people["bob"],
        creator=people["bob"],
    )
    return world.new(
        Project,
        _id("project:launch"),
        name="Spring launch",
        description="Everything that has to be there on the day.",
        slug_id="a1b2c3d4e5f6",
        status=started,
        teams=list(teams.values()),
        members=list(people.values()),
        lead=people["alice"],
        creator=people["alice"],
    )


def _around(world: World, project: Project, owner: User) -> None:
    """What a project is planned with, and a document of it."""
    world.new(ProjectMilestone, _id("milestone:beta"), name="Beta", project=project, target_date="2026-12-18")
    world.new(
        Initiative,
        _id("initiative:growth"),
        name="Grow",
        slug_id="c3d4e5f6a7b8",
        status="Active",
        projects=[project],
        owner=owner,
        creator=owner,
        description="Twice as many teams by the summer.",
    )
    world.new(
        Document,
        _id("document:plan"),
        title="Launch plan",
        slug_id="d4e5f6a7b8c9",
        content="# Plan\n\nFirst the beta, then everybody.",
        creator=owner,
        project=project,
    )
