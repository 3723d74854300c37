"""One repository: look, list its branches, commits and tags, compare two of them, delete it."""

from __future__ import annotations

from datetime import datetime

from loaner.sandbox.github.call import Call
from loaner.sandbox.github.errors import ApiError, empty, not_found
from loaner.sandbox.github.git import Commit
from loaner.sandbox.github.merging import changes, commits_between, merge_base
from loaner.sandbox.github.routing import operation
from loaner.sandbox.github.shapes import repositories as shapes
from loaner.sandbox.github.shapes.basics import Json
from loaner.sandbox.github.state import Account

FILES_OF_A_COMMIT, COMMITS_OF_A_COMPARISON = 300, 250
"""What one page holds unless the request says less."""


@operation("GET /repos/{owner}/{repo}")
def get_repository(call: Call) -> Json:
    return shapes.full_repository(call.urls, call.repo, call.role)


@operation("GET /repositories/{id}", installation=False)
def get_by_id(call: Call) -> Json:
    """Where a repository that was renamed is redirected to. Not in the published map."""
    found = next((each for each in call.reached() if each.id == call.number("id")), None)
    if found is None:
        raise not_found()
    return shapes.full_repository(call.urls, found, call.role_on(found))


@operation("DELETE /repos/{owner}/{repo}", status=204)
def delete_repository(call: Call) -> None:
    """The token's permission is not enough: the person must be an administrator too."""
    if call.login is not None and call.role != "admin":
        raise ApiError(403, "Must have admin rights to Repository.")
    del call.hub.world.repositories[call.repo.id]


@operation("GET /repos/{owner}/{repo}/branches")
def list_branches(call: Call) -> list[Json]:
    found = call.page(sorted(call.repo.git.branches.items()))
    return [shapes.branch(call.urls, call.repo, name, sha) for name, sha in found]


@operation("GET /repos/{owner}/{repo}/tags")
def list_tags(call: Call) -> list[Json]:
    found = call.page(sorted(call.repo.git.tags.items(), reverse=True))
    return [shapes.tag(call.urls, call.repo, name, sha) for name, sha in found]


@operation("GET /repos/{owner}/{repo}/commits")
def list_commits(call: Call) -> list[Json]:
    if not call.repo.git.branches:
        raise empty()
    start = call.repo.git.resolve(call.query.get("sha") or call.repo.default_branch)
    if start is None:
        raise not_found()
    found = [each for each in call.repo.git.history(start) if _is_wanted(call, each)]
    return [shapes.commit(call.urls, call.repo, each, author_of(call, each)) for each in call.page(found)]


@operation("GET /repos/{owner}/{repo}/commits/{ref}")
def get_commit(call: Call) -> Json:
    if not call.repo.git.branches:
        raise empty()
    found = call.repo.git.resolve(call.params["ref"])
    if found is None:
        raise ApiError(422, f"No commit found for SHA: {call.params['ref']}")
    parent = call.repo.git.commits[found.parents[0]] if found.parents else None
    diff = changes(call.repo.git, parent, found)
    shown = call.page(diff, FILES_OF_A_COMMIT)
    more: Json = {
        "stats": {
            "additions": sum(each.additions for each in diff),
            "deletions": sum(each.deletions for each in diff),
            "total": sum(each.additions + each.deletions for each in diff),
        },
        "files": [shapes.diff_entry(call.urls, call.repo, found.sha, each) for each in shown],
    }
    return shapes.commit(call.urls, call.repo, found, author_of(call, found)) | more


@operation("GET /repos/{owner}/{repo}/compare/{basehead}")
def compare(call: Call) -> Json:
    """``BASE...HEAD`` within one repository; its commits come in pages, and its files with the first of them."""
    store, (base, dots, head) = call.repo.git, call.params["basehead"].partition("...")
    if not store.branches:
        raise empty()
    before, after = store.resolve(base), store.resolve(head)
    if not dots or before is None or after is None:
        raise not_found()
    common = merge_base(store, before, after)
    if common is None:
        raise ApiError(404, f"No common ancestor between {base} and {head}.")
    commits, behind = commits_between(store, before, after), len(commits_between(store, after, before))
    shown = call.page(commits, COMMITS_OF_A_COMPARISON)
    files = changes(store, common, after) if call.query.get("page", "1") == "1" else []
    return shapes.comparison(
        call.urls,
        call.repo,
        (before, common, after),
        {
            "status": ("diverged" if behind else "ahead") if commits else ("behind" if behind else "identical"),
            "ahead_by": len(commits),
            "behind_by": behind,
            "total_commits": len(commits),
            "commits": [shapes.commit(call.urls, call.repo, each, author_of(call, each)) for each in shown],
            "files": [shapes.diff_entry(call.urls, call.repo, after.sha, each) for each in files[:FILES_OF_A_COMMIT]],
        },
    )


def author_of(call: Call, commit: Commit) -> Account | None:
    """The account whose address signed the commit."""
    return next((each for each in call.hub.world.accounts.values() if each.email == commit.author.email), None)


def _is_wanted(call: Call, commit: Commit) -> bool:
    """The filters ``author``, ``path``, ``since`` and ``until``."""
    author, path = call.query.get("author"), call.query.get("path")
    since, until = parse_time(call.query.get("since")), parse_time(call.query.get("until"))
    by = author_of(call, commit)
    parent = call.repo.git.commits[commit.parents[0]] if commit.parents else None
    return (
        (author is None or author in (commit.author.email, by.login if by else None))
        and (since is None or commit.author.at >= since)
        and (until is None or commit.author.at <= until)
        and (path is None or any(_is_below(each.path, path) for each in changes(call.repo.git, parent, commit)))
    )


def parse_time(text: str | None) -> datetime | None:
    """A time of the query; GitHub ignores one that it cannot read."""
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
