"""The GitHub world at the start: organisation acme with web, api and secrets."""

from __future__ import annotations

from datetime import datetime, timedelta

from loaner.sandbox.github import alerts, registered
from loaner.sandbox.github.git import Signature
from loaner.sandbox.github.state import (
    Account,
    Asset,
    Check,
    Comment,
    Issue,
    IssueType,
    Job,
    Label,
    Milestone,
    Pull,
    Release,
    Repository,
    Review,
    ReviewComment,
    Role,
    Run,
    Status,
    Team,
    Workflow,
    World,
)
from loaner.sandbox.world import PEOPLE

WORKFLOW_PATH = ".github/workflows/ci.yml"
_CI = """\
name: ci
on: [push, workflow_dispatch]
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - run: make test
"""

_ROLES: dict[str, dict[str, Role]] = {
    "web": {"alice": "admin", "bob": "write"},
    "api": {"alice": "admin", "bob": "write"},
    "secrets": {"alice": "admin"},
}

_ISSUES: dict[str, list[tuple[str, str, list[str], list[tuple[str, str]]]]] = {
    "web": [
        (
            "Login button does nothing on Safari",
            "Clicking **Log in** on Safari 18 has no effect. Chrome works.",
            ["bug"],
            [("bob", "I can reproduce this."), ("alice", "Looks like the click handler is never attached.")],
        ),
        ("Add a dark theme", "Many users ask for it.", ["enhancement"], [("bob", "Design is in progress.")]),
        ("Typo on the pricing page", "It says 'anualy'.", ["documentation"], []),
    ],
    "api": [
        ("Rate limiter counts requests twice", "Behind the proxy every request is counted twice.", ["bug"], []),
        ("Document the pagination of /orders", "The cursor is not described.", ["documentation"], []),
    ],
    "notes": [("An outage of the login page", "On Monday.", [], [])],
    "secrets": [
        ("Rotate the signing key", "It is two years old.", [], [("alice", "Planned for Friday.")]),
        ("Remove the old deploy token", "Nobody uses it any more.", [], []),
    ],
}


def seeded(now: datetime) -> World:
    """A new world whose history ends at ``now``."""
    world = World()
    for person in PEOPLE.values():
        world.accounts[person.login] = Account(person.login, person.github_id, "User", person.name, person.email)
    world.accounts["bigcorp"] = Account("bigcorp", 1002, "Organization", "BigCorp")
    world.accounts["acme"] = Account(registered.ORGANIZATION, 1001, "Organization", "Acme Inc.")
    bot = f"{registered.APP_SLUG}[bot]"
    world.accounts[bot] = Account(bot, 9001, "Bot", email=f"9001+{bot}@users.noreply.github.com")
    start = now - timedelta(days=30)
    for index, (name, roles) in enumerate(_ROLES.items()):
        repository = Repository(2001 + index, name, world.accounts["acme"], dict(roles), start)
        repository.description = f"The {name} of Acme"
        world.repositories[repository.id] = repository
        _fill(world, repository, start)
    _open_pull(world, world.repositories[2001], now - timedelta(days=1))
    _released(world, world.repositories[2001], now - timedelta(days=2))
    world.repositories[2001].alerts = alerts.seeded(start)
    world.teams = [
        Team(
            3001, "acme", "Platform", "platform", "Those who keep it running", {"alice": "maintainer", "bob": "member"}
        ),
        Team(3002, "acme", "Design", "design", "Those who draw it", {"bob": "maintainer"}),
    ]
    for number, owner in enumerate(("alice", "bigcorp"), start=2101):  # where the app is not installed at first
        repository = Repository(number, "notes", world.accounts[owner], {"alice": "admin"}, start)
        repository.description = f"The notes of {owner}"
        world.repositories[number] = repository
        _fill(world, repository, start)
    return world


def _fill(world: World, repository: Repository, at: datetime) -> None:
    alice = world.accounts["alice"]
    author = Signature(alice.name, alice.email, at)
    store = repository.git
    contents = {
        "README.md": f"# {repository.name}\n\n{repository.description}.\n",
        "src/app.py": 'def greet(name: str) -> str:\n    return f"Hello, {name}"\n',
        WORKFLOW_PATH: _CI,
    }
    files = {path: store.add_blob(text.encode()) for path, text in contents.items()}
    first = store.commit({"README.md": files["README.md"]}, "Initial commit", author)
    main = store.commit(files, "Add the application", Signature(alice.name, alice.email, at), [first.sha])
    store.branches = {"main": main.sha, "feature": main.sha}
    repository.milestones = {1: Milestone(1, "Next release", "What has to be in it.", due_on=at + timedelta(days=60))}
    repository.types = [IssueType(number, name) for number, name in enumerate(("Bug", "Feature", "Task"), start=1)]
    for label in ("bug", "documentation", "enhancement"):
        repository.labels[label] = Label(world.next_id(), label, "d73a4a" if label == "bug" else "a2eeef")
    for offset, (title, body, labels, comments) in enumerate(_ISSUES[repository.name], start=1):
        opened = at + timedelta(days=offset)
        number = repository.next_number()
        repository.issues[number] = Issue(
            world.next_id(), number, title, world.accounts["alice"], opened, opened, body,
            labels=[repository.labels[each] for each in labels],
            comments=[
                Comment(world.next_id(), text, world.accounts[login], opened + timedelta(hours=hours))
                for hours, (login, text) in enumerate(comments, start=1)
            ],
        )  # fmt: skip
    workflow = Workflow(world.next_id(), "ci", WORKFLOW_PATH)
    repository.workflows.append(workflow)
    for number, conclusion in enumerate(("success", "failure"), start=1):
        job = Job(world.next_id(), "test", f"make test\n3 tests, {conclusion}\n")
        when = at + timedelta(hours=number)
        run = Run(world.next_id(), number, workflow, "main", main.sha, "push", alice, when, jobs=[job])
        run.conclusion = conclusion
        repository.runs.append(run)


def _released(world: World, repository: Repository, at: datetime) -> None:
    """The first commit, as version 1.0.0."""
    store = repository.git
    first = store.history(store.commits[store.branches["main"]])[-1]
    store.tags["v1.0.0"] = first.sha
    release = Release(
        world.next_id(), "v1.0.0", "main", "Version 1", "The first one.", world.accounts["alice"], first.author.at, at
    )
    release.assets.append(Asset(world.next_id(), "web.tar.gz", 4096, "application/gzip"))
    repository.releases.append(release)


def _open_pull(world: World, repository: Repository, at: datetime) -> None:
    bob = world.accounts["bob"]
    store = repository.git
    blob = store.add_blob(b'def greet(name: str) -> str:\n    return f"Good morning, {name}"\n')
    made = store.commit_on("feature", {"src/app.py": blob}, "Greet politely", Signature(bob.name, bob.email, at))
    number = repository.next_number()
    pull = Pull(world.next_id(), "feature", "main", made.sha, store.branches["main"])
    repository.issues[number] = Issue(
        world.next_id(), number, "Greet politely", bob, at, at, "A friendlier greeting.", pull=pull
    )
    alice, review = world.accounts["alice"], world.next_id()
    pull.reviews.append(Review(review, "One question.", "COMMENTED", alice, made.sha, at))
    pull.review_comments.append(
        ReviewComment(world.next_id(), review, "At night too?", alice, "src/app.py", 2, made.sha, at)
    )
    repository.checks[made.sha] = [
        Check(world.next_id(), "test", "failure", at, "1 of 3 tests failed"),
        Check(world.next_id(), "lint", "success", at),
    ]
    repository.statuses[made.sha] = [Status(world.next_id(), "preview", "success", "Deployed", at)]
