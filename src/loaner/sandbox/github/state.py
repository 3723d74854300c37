"""What the emulated GitHub knows: accounts, repositories, issues, pull requests and runs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from loaner.sandbox.github.alerts import Alerts
from loaner.sandbox.github.git import GitStore

Role = Literal["read", "write", "admin"]


@dataclass(frozen=True)
class Account:
    """A user, an organisation or a bot."""

    login: str
    id: int
    type: Literal["User", "Organization", "Bot"] = "User"
    name: str = ""
    email: str = ""


@dataclass(frozen=True)
class Label:
    id: int
    name: str
    color: str = "ededed"
    description: str = ""


@dataclass(frozen=True)
class Milestone:
    number: int
    title: str
    description: str = ""
    state: Literal["open", "closed"] = "open"
    due_on: datetime | None = None


@dataclass(frozen=True)
class IssueType:
    """An organisation says which there are."""

    id: int
    name: str


@dataclass
class Comment:
    id: int
    body: str
    author: Account
    created_at: datetime


@dataclass
class Review:
    id: int
    body: str
    state: str
    author: Account
    commit_id: str
    submitted_at: datetime | None


@dataclass
class ReviewComment:
    """On one line of the diff."""

    id: int
    review_id: int
    body: str
    author: Account
    path: str
    line: int
    commit_id: str
    created_at: datetime
    reply_to: int | None = None


@dataclass(frozen=True)
class Check:
    """A check run of an app or a workflow."""

    id: int
    name: str
    conclusion: str
    at: datetime
    summary: str = ""


@dataclass(frozen=True)
class Status:
    """What somebody else says of a commit."""

    id: int
    context: str
    state: str
    description: str
    at: datetime


@dataclass
class Pull:
    """What an issue has more when it is a pull request."""

    id: int
    head: str
    base: str
    head_sha: str
    """The last known tip; stays when the branch goes."""
    base_sha: str
    draft: bool = False
    merged_at: datetime | None = None
    merged_by: Account | None = None
    merge_commit_sha: str | None = None
    reviews: list[Review] = field(default_factory=list)
    review_comments: list[ReviewComment] = field(default_factory=list)
    requested_reviewers: list[Account] = field(default_factory=list)


@dataclass
class Issue:
    """An issue; a pull request when ``pull`` is there. Both count in one row of numbers."""

    id: int
    number: int
    title: str
    author: Account
    created_at: datetime
    updated_at: datetime
    body: str | None = None
    state: Literal["open", "closed"] = "open"
    state_reason: str | None = None
    closed_at: datetime | None = None
    labels: list[Label] = field(default_factory=list)
    assignees: list[Account] = field(default_factory=list)
    milestone: int | None = None
    type: IssueType | None = None
    comments: list[Comment] = field(default_factory=list)
    pull: Pull | None = None
    parent: int | None = None
    sub_issues: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Asset:
    """A file of a release."""

    id: int
    name: str
    size: int
    content_type: str


@dataclass
class Release:
    id: int
    tag: str
    target: str
    name: str
    body: str
    author: Account
    created_at: datetime
    """When its commit was made."""
    published_at: datetime | None
    """``None``: a draft."""
    prerelease: bool = False
    assets: list[Asset] = field(default_factory=list)


@dataclass
class Workflow:
    id: int
    name: str
    path: str
    dispatchable: bool = True
    inputs: dict[str, bool] = field(default_factory=dict)
    """The inputs that its file declares, and whether each is required."""


@dataclass
class Job:
    id: int
    name: str
    log: str


@dataclass
class Run:
    id: int
    number: int
    workflow: Workflow
    branch: str
    sha: str
    event: str
    actor: Account
    created_at: datetime
    status: str = "completed"
    conclusion: str | None = "success"
    jobs: list[Job] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)
    attempt: int = 1


@dataclass(frozen=True)
class Pointer:
    """A symbolic link or a submodule: what its path leads to."""

    to: str
    sha: str
    size: int = 0


@dataclass
class Repository:
    id: int
    name: str
    owner: Account
    roles: dict[str, Role]
    """Who may do what, by login. Whoever is missing does not see it, unless it is public."""
    created_at: datetime
    public: bool = False
    """Searching finds it for everybody. Nothing else here is open to those who were given no role."""
    description: str = ""
    language: str = "Python"
    default_branch: str = "main"
    has_issues: bool = True
    archived: bool = False
    former_names: list[str] = field(default_factory=list)
    """Full names that it had before it was renamed or transferred."""
    git: GitStore = field(default_factory=GitStore)
    links: dict[str, Pointer] = field(default_factory=dict)
    submodules: dict[str, Pointer] = field(default_factory=dict)
    checks: dict[str, list[Check]] = field(default_factory=dict)
    """By the commit."""
    milestones: dict[int, Milestone] = field(default_factory=dict)
    types: list[IssueType] = field(default_factory=list)
    statuses: dict[str, list[Status]] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    workflows: list[Workflow] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    latest_release: int | None = None
    """The id of the one that was made the latest; without one, the youngest is."""
    alerts: Alerts = field(default_factory=Alerts)
    updated_at: datetime | None = None

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"

    @property
    def open_issues(self) -> int:
        """As GitHub counts: pull requests too."""
        return sum(issue.state == "open" for issue in self.issues.values())

    def label(self, name: str) -> Label | None:
        """In whatever case it is written."""
        return next((each for each in self.labels.values() if each.name.casefold() == name.casefold()), None)

    def next_number(self) -> int:
        return max(self.issues, default=0) + 1


@dataclass(frozen=True)
class Team:
    id: int
    organization: str
    name: str
    slug: str
    description: str
    members: dict[str, Literal["member", "maintainer"]]


@dataclass
class World:
    """All accounts and repositories of one sandbox."""

    accounts: dict[str, Account] = field(default_factory=dict)
    repositories: dict[int, Repository] = field(default_factory=dict)
    teams: list[Team] = field(default_factory=list)
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(50_001))

    def next_id(self) -> int:
        return next(self._ids)

    def find(self, full_name: str) -> Repository | None:
        """By ``owner/name``; GitHub does not mind the case."""
        wanted = full_name.casefold()
        return next((each for each in self.repositories.values() if each.full_name.casefold() == wanted), None)

    def formerly(self, full_name: str) -> Repository | None:
        """The one that had this name before; a name is free for another repository once it was given up."""
        wanted = full_name.casefold()
        every = self.repositories.values()
        return next((each for each in every if wanted in [name.casefold() for name in each.former_names]), None)

    def account(self, login: str) -> Account | None:
        return self.accounts.get(login.casefold())
