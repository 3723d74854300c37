"""One request to the REST API as its handler sees it: admitted, its body read, its repository found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast
from urllib.parse import urlencode

from loaner.sandbox.github.errors import invalid_request, not_found
from loaner.sandbox.github.git import Signature
from loaner.sandbox.github.hub import Hub
from loaner.sandbox.github.permissions import Permissions, covers
from loaner.sandbox.github.registered import APP_SLUG
from loaner.sandbox.github.shapes.basics import Urls
from loaner.sandbox.github.state import Account, Issue, Repository, Role
from loaner.sandbox.ledger import Entry

Item = TypeVar("Item")
DEFAULT_PAGE = 30
LARGEST_PAGE = 100
LONGEST_NUMBER = 18


@dataclass
class Answer:
    """What a handler says when plain JSON with the operation's usual status is not it."""

    body: object = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Call:
    hub: Hub
    path: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Mapping[str, object]
    entry: Entry | None = None
    repository: Repository | None = None
    link: str | None = None
    """The ``Link`` header, once a page was cut."""

    # --- who

    @property
    def token(self) -> Entry:
        if self.entry is None:
            raise not_found()
        return self.entry

    @property
    def login(self) -> str | None:
        return self.hub.tokens.login(self.token)

    @property
    def actor(self) -> Account:
        """The person, or the app's bot."""
        account = self.hub.world.account(self.login or f"{APP_SLUG}[bot]")
        if account is None:
            raise not_found()
        return account

    @property
    def role(self) -> Role | None:
        return self.role_on(self.repo)

    def role_on(self, repository: Repository) -> Role | None:
        """A person's role; an installation writes but does not administrate by role."""
        return repository.roles.get(self.login) if self.login else "write"

    def signature(self) -> Signature:
        return Signature(self.actor.name or self.actor.login, self.actor.email, self.hub.now())

    def holds(self, wanted: Permissions) -> bool:
        return covers(self.hub.tokens.permissions(self.token), wanted)

    def reached(self) -> list[Repository]:
        return self.hub.tokens.reaches(self.token)

    # --- on what

    @property
    def urls(self) -> Urls:
        return Urls(self.hub.api, self.hub.web)

    @property
    def repo(self) -> Repository:
        if self.repository is None:
            raise not_found()
        return self.repository

    def number(self, name: str) -> int:
        """A path segment that must be a number."""
        found = whole(self.params[name])
        if found is None:
            raise not_found()
        return found

    @property
    def organization(self) -> Account:
        """Where the path names one, as far as token, person and app reach it."""
        login = self.params["org"].casefold()
        found = next((each.owner for each in self.reached() if each.owner.login.casefold() == login), None)
        if found is None or found.type != "Organization":
            raise not_found()
        return found

    @property
    def issue(self) -> Issue:
        found = self.repo.issues.get(self.number("issue_number"))
        if found is None:
            raise not_found()
        return found

    # --- the body, checked as GitHub checks it

    def text(self, name: str) -> str | None:
        """An optional string; ``null`` counts as absent."""
        value = self.body.get(name)
        if value is not None and not isinstance(value, str):
            raise invalid_request(f"For 'properties/{name}', {value!r} is not a string.")
        return value

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise invalid_request(f'"{name}" wasn\'t supplied.')
        return value

    def one_of(self, name: str, allowed: Sequence[str]) -> str | None:
        value = self.text(name)
        if value is not None and value not in allowed:
            raise invalid_request(f"For 'properties/{name}', {value} is not one of {list(allowed)}.")
        return value

    def flag(self, name: str) -> bool:
        value = self.body.get(name, False)
        if not isinstance(value, bool):
            raise invalid_request(f"For 'properties/{name}', {value!r} is not a boolean.")
        return value

    def strings(self, name: str) -> list[str] | None:
        value = self.body.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise invalid_request(f"For 'properties/{name}', the value is not an array of strings.")
        return cast("list[str]", value)

    # --- pages

    def page(self, items: Sequence[Item], usual: int = DEFAULT_PAGE) -> list[Item]:
        """The page asked for, and the ``Link`` header that leads to the others."""
        size = min(_positive(self.query.get("per_page"), usual), max(usual, LARGEST_PAGE))
        number = _positive(self.query.get("page"), 1)
        last = max(1, -(-len(items) // size))
        leads = {"prev": number - 1, "first": 1} if number > 1 else {}
        leads |= {"next": number + 1, "last": last} if number < last else {}
        self.link = ", ".join(f'<{self._page_url(to)}>; rel="{rel}"' for rel, to in leads.items()) or None
        return list(items[(number - 1) * size : number * size])

    def _page_url(self, number: int) -> str:
        return f"{self.hub.api}{self.path}?{urlencode({**self.query, 'page': number})}"


def _positive(text: str | None, otherwise: int) -> int:
    """GitHub ignores a page or size that makes no sense."""
    return whole(text or "") or otherwise


def whole(text: str) -> int | None:
    """A number of at most 18 digits: no id is longer, and Python itself balks at thousands of them."""
    return int(text) if len(text) <= LONGEST_NUMBER and text.isascii() and text.isdigit() else None
