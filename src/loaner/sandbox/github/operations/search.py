"""Searching. GitHub's permission map has no row for it: what comes back is what the token may read anyway.

GitHub docs, REST API "Search" and "Searching on GitHub". Words must all occur; qualifiers narrow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from loaner.sandbox.github.call import Call
from loaner.sandbox.github.errors import validation_failed
from loaner.sandbox.github.git import TreeEntry
from loaner.sandbox.github.limits import CODE_SEARCH, SEARCH
from loaner.sandbox.github.routing import operation
from loaner.sandbox.github.shapes.basics import Json
from loaner.sandbox.github.shapes.issues import issue as show_issue
from loaner.sandbox.github.shapes.repositories import content
from loaner.sandbox.github.shapes.repositories import repository as show_repository
from loaner.sandbox.github.state import Issue, Repository

Item = TypeVar("Item")
_TERM = re.compile(r'(-?)(?:([a-z][a-z-]*):)?(?:"([^"]*)"|(\S+))')


@dataclass
class Query:
    """A parsed ``q``: free words, and qualifiers by name (negated ones apart)."""

    words: list[str] = field(default_factory=list)
    wanted: dict[str, list[str]] = field(default_factory=dict)
    unwanted: dict[str, list[str]] = field(default_factory=dict)

    def has_words(self, *texts: str | None) -> bool:
        whole = "\n".join(text or "" for text in texts).casefold()
        return all(word in whole for word in self.words)

    def accepts(self, name: str, values: Sequence[str]) -> bool:
        """Whether a thing with these values of one qualifier passes."""
        have = {value.casefold() for value in values}
        return all(each in have for each in self.wanted.get(name, [])) and not any(
            each in have for each in self.unwanted.get(name, [])
        )


@operation("GET /search/repositories", bucket=SEARCH)
def search_repositories(call: Call) -> Json:
    found = {
        each.id: each
        for query in _queries(call)
        for each in _repositories(call, query)
        if query.has_words(each.full_name, each.description) and query.accepts("language", [each.language])
    }
    return _results(call, list(found.values()), lambda each: show_repository(call.urls, each, call.role_on(each)))


@operation("GET /search/issues", bucket=SEARCH)
def search_issues(call: Call) -> Json:
    """Issues where the token may read issues, pull requests where it may read those."""
    both = {
        issue.id: (repository, issue)
        for query in _queries(call)
        for repository in _repositories(call, query)
        for issue in repository.issues.values()
        if call.holds({"pull_requests" if issue.pull else "issues": "read"}) and _matches(query, issue)
    }
    found = list(both.values())
    found.sort(key=lambda pair: pair[1].created_at, reverse=call.query.get("order", "desc") != "asc")
    return _results(call, found, lambda pair: show_issue(call.urls, *pair)) | {"search_type": "lexical"}


@operation("GET /search/code", bucket=CODE_SEARCH)
def search_code(call: Call) -> Json:
    """Default branches only, as GitHub does."""
    found = [
        (repository, TreeEntry(path, "blob", blob, len(repository.git.blobs[blob])))
        for query in (_queries(call) if call.holds({"contents": "read"}) else [])
        for repository in _repositories(call, query)
        if repository.git.branches
        for path, blob in repository.git.commits[repository.git.branches[repository.default_branch]].files.items()
        if _holds_code(query, repository, path, blob)
    ]

    def show(pair: tuple[Repository, TreeEntry]) -> Json:
        repository, entry = pair
        shown = content(call.urls, repository, entry, repository.default_branch)
        kept: Json = {key: shown[key] for key in ("name", "path", "sha", "url", "git_url", "html_url")}
        return kept | {"repository": show_repository(call.urls, repository)}

    return _results(call, found, show)


def _queries(call: Call) -> list[Query]:
    """``a b OR c``: whatever one of them finds."""
    text = call.query.get("q", "")
    if not text.strip():
        raise validation_failed("Search", "q", "missing")
    return [_query(part, call.login or "") for part in text.split(" OR ")]


def _query(text: str, login: str) -> Query:
    """``@me`` is whoever asks."""
    query = Query()
    for negated, name, quoted, plain in _TERM.findall(text):
        value = login.casefold() if name and plain == "@me" else (quoted or plain).casefold()
        if name:
            (query.unwanted if negated else query.wanted).setdefault(name, []).append(value)
        else:
            query.words.append(value)
    return query


def _repositories(call: Call, query: Query) -> list[Repository]:
    """Those the token reaches or that are public, among those the query names.

    Naming only such as are out of reach is an error, as at GitHub.
    """
    public = [each for each in call.hub.world.repositories.values() if each.public]
    reached = list({each.id: each for each in (*call.reached(), *public)}.values())
    names = query.wanted.get("repo", [])
    owners = [each for key in ("org", "user") for each in query.wanted.get(key, [])]
    known = {each.full_name.casefold() for each in reached}
    if names and not known.intersection(names):
        raise validation_failed(
            "Search",
            "q",
            "invalid",
            "The listed users and repositories cannot be searched either because the resources do not exist or you "
            "do not have permission to view them.",
        )
    return [
        each
        for each in reached
        if (not (names or owners) or each.full_name.casefold() in names or each.owner.login.casefold() in owners)
        and each.full_name.casefold() not in query.unwanted.get("repo", [])
    ]


def _matches(query: Query, issue: Issue) -> bool:
    kinds = ["pr", "pull-request"] if issue.pull else ["issue"]
    states = [issue.state, *(["merged"] if issue.pull and issue.pull.merged_at else [])]
    return (
        query.accepts("is", [*kinds, *states, "private"])
        and query.accepts("type", kinds)
        and query.accepts("state", states)
        and query.accepts("label", [each.name for each in issue.labels])
        and query.accepts("author", [issue.author.login])
        and query.accepts("assignee", [each.login for each in issue.assignees])
        and query.accepts(
            "review-requested", [each.login for each in issue.pull.requested_reviewers] if issue.pull else []
        )
        and query.has_words(issue.title, issue.body, *(each.body for each in issue.comments))
    )


def _holds_code(query: Query, repository: Repository, path: str, blob: str) -> bool:
    folders = [path.rpartition("/")[0][:end] for end in range(len(path) + 1)]
    return (
        query.accepts("path", [path, *folders])
        and query.accepts("filename", [path.rpartition("/")[2]])
        and query.accepts("extension", [path.rpartition(".")[2]])
        and query.has_words(path, repository.git.blobs[blob].decode(errors="replace"))
    )


def _results(call: Call, found: list[Item], show: Callable[[Item], Json]) -> Json:
    incomplete = call.hub.sandbox.switches.github_incomplete_search
    return {
        "total_count": len(found),
        "incomplete_results": incomplete,
        "items": [] if incomplete else [show(each) | {"score": 1.0} for each in call.page(found)],
    }
