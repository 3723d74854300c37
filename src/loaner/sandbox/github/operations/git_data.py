"""References and trees.

GitHub docs, REST API "Git references" and "Git trees". Creating a reference that exists is a 422.
"""

from __future__ import annotations

import re

from loaner.sandbox.github.call import Answer, Call
from loaner.sandbox.github.errors import ApiError, empty, not_found
from loaner.sandbox.github.git import TreeEntry
from loaner.sandbox.github.routing import operation
from loaner.sandbox.github.shapes.basics import Json
from loaner.sandbox.github.shapes.repositories import ref as show_ref

_BRANCH = re.compile(r"refs/heads/([A-Za-z0-9_.\-]+(?:/[A-Za-z0-9_.\-]+)*)")


@operation("GET /repos/{owner}/{repo}/git/ref/{ref}")
def get_ref(call: Call) -> Json:
    name = _branch(call)
    return show_ref(call.urls, call.repo, name, call.repo.git.branches[name])


@operation("POST /repos/{owner}/{repo}/git/refs", status=201)
def create_ref(call: Call) -> Answer:
    ref, sha = call.required("ref"), call.required("sha")
    named = _BRANCH.fullmatch(ref)
    if named is None:
        raise ApiError(422, f"{ref} is not a valid ref name.")
    if sha not in call.repo.git.commits:
        raise ApiError(422, "Object does not exist")
    if named[1] in call.repo.git.branches:
        raise ApiError(422, "Reference already exists")
    call.repo.git.branches[named[1]] = sha
    shown = show_ref(call.urls, call.repo, named[1], sha)
    return Answer(shown, status=201, headers={"location": str(shown["url"])})


@operation("DELETE /repos/{owner}/{repo}/git/refs/{ref}", status=204)
def delete_ref(call: Call) -> None:
    name = call.params["ref"].removeprefix("heads/")
    if name not in call.repo.git.branches:
        raise ApiError(422, "Reference does not exist")
    if name == call.repo.default_branch:
        raise ApiError(422, "Cannot delete the default branch")
    del call.repo.git.branches[name]


@operation("GET /repos/{owner}/{repo}/git/trees/{tree_sha}")
def get_tree(call: Call) -> Json:
    store, wanted = call.repo.git, call.params["tree_sha"]
    if not store.branches:
        raise empty()
    commit = store.resolve(wanted)
    sha = commit.tree if commit else wanted
    if sha not in store.trees:
        raise not_found()
    # GitHub: any value of ``recursive`` at all, even 0, means yes.
    entries = store.walk(sha) if "recursive" in call.query else store.trees[sha]
    at = f"{call.urls.repo(call.repo)}/git"
    return {"sha": sha, "url": f"{at}/trees/{sha}", "tree": [_entry(at, each) for each in entries], "truncated": False}


def _entry(at: str, entry: TreeEntry) -> Json:
    shown: Json = {
        "path": entry.path,
        "mode": entry.mode,
        "type": entry.kind,
        "sha": entry.sha,
        "url": f"{at}/{entry.kind}s/{entry.sha}",
    }
    return shown if entry.size is None else shown | {"size": entry.size}


def _branch(call: Call) -> str:
    """The branch of ``heads/…``; no tag exists here."""
    kind, _, name = call.params["ref"].partition("/")
    if not call.repo.git.branches:
        raise empty()
    if kind != "heads" or name not in call.repo.git.branches:
        raise not_found()
    return name
