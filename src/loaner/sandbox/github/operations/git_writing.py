"""Trees, commits and references, as several files of one commit are written.

GitHub docs, REST API "Git trees", "Git commits" and "Git references": a tree is made of a base and of entries with
their text; a reference moves only forward unless ``force`` is said.
"""

from __future__ import annotations

from loaner.sandbox.github.call import Answer, Call
from loaner.sandbox.github.errors import ApiError, empty, invalid_request, not_found, refused
from loaner.sandbox.github.git import Commit, TreeEntry
from loaner.sandbox.github.operations.contents import moved, writable
from loaner.sandbox.github.permissions import touches_workflows
from loaner.sandbox.github.routing import operation
from loaner.sandbox.github.shapes.basics import Json, git_commit
from loaner.sandbox.github.shapes.repositories import ref as show_ref

_MODES = ("100644", "100755", "040000", "160000", "120000")


@operation("GET /repos/{owner}/{repo}/git/commits/{commit_sha}")
def get_commit(call: Call) -> Json:
    return git_commit(call.urls, call.repo, _commit(call, call.params["commit_sha"]))


@operation("POST /repos/{owner}/{repo}/git/trees", status=201)
def create_tree(call: Call) -> Answer:
    store, entries, base = call.repo.git, call.body.get("tree"), call.text("base_tree")
    if not store.branches:
        raise empty()
    if not isinstance(entries, list) or not entries:
        raise ApiError(422, "Invalid tree info")
    files: dict[str, str] = {}
    if base is not None:
        if base not in store.trees:
            raise ApiError(422, "base_tree is not a valid tree oid")
        files = {each.path: each.sha for each in store.walk(base) if each.kind == "blob"}
    for entry in entries:
        path, blob = _entry(call, entry)
        if blob is None and path not in files:
            raise ApiError(422, "GitRPC::BadObjectState")
        above = {path[:at] for at, sign in enumerate(path) if sign == "/"}
        files = {
            each: sha for each, sha in files.items() if each not in {path, *above} and not each.startswith(f"{path}/")
        }
        if blob is not None:
            files[path] = blob
    tree = store.add_tree(files)
    at = f"{call.urls.repo(call.repo)}/git"
    shown = [_shown(at, each) for each in store.trees[tree]]
    body: Json = {"sha": tree, "url": f"{at}/trees/{tree}", "tree": shown, "truncated": False}
    return Answer(body, status=201, headers={"location": str(body["url"])})


@operation("POST /repos/{owner}/{repo}/git/commits", status=201)
def create_commit(call: Call) -> Answer:
    store, message, tree = call.repo.git, call.required("message"), call.required("tree")
    if tree not in store.trees:
        raise ApiError(422, "Tree SHA does not exist")
    parents = call.strings("parents") or []
    if any(each not in store.commits for each in parents):
        raise ApiError(422, "Parent SHA does not exist or is not a commit object")
    files = {each.path: each.sha for each in store.walk(tree) if each.kind == "blob"}
    made = store.commit(files, message, call.signature(), parents)
    shown = git_commit(call.urls, call.repo, made)
    return Answer(shown, status=201, headers={"location": str(shown["url"])})


@operation("PATCH /repos/{owner}/{repo}/git/refs/{ref}")
def update_ref(call: Call) -> Json:
    store, name, sha = call.repo.git, call.params["ref"].removeprefix("heads/"), call.required("sha")
    if name not in store.branches:
        raise ApiError(422, "Reference does not exist")
    if sha not in store.commits:
        raise ApiError(422, "Object does not exist")
    tip, to = store.commits[store.branches[name]], store.commits[sha]
    if tip not in store.history(to) and not call.flag("force"):
        raise ApiError(422, "Update is not a fast forward")
    changed = {path for path in {*tip.files, *to.files} if tip.files.get(path) != to.files.get(path)}
    if touches_workflows(changed) and not call.holds({"workflows": "write"}):
        raise refused("workflow")
    store.branches[name] = sha
    moved(call, name, to)
    return show_ref(call.urls, call.repo, name, sha)


def _commit(call: Call, sha: str) -> Commit:
    found = call.repo.git.commits.get(sha)
    if found is None:
        raise not_found()
    return found


def _entry(call: Call, entry: object) -> tuple[str, str | None]:
    """A path and its blob; ``None`` deletes it."""
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str) or entry.get("mode") not in _MODES:
        raise invalid_request("For 'properties/tree', the value is not an array of entries.")
    path, content, sha = writable(entry["path"]), entry.get("content"), entry.get("sha")
    if content is not None and "sha" in entry:
        raise ApiError(422, "Must supply either tree.sha or tree.content, not both")
    if isinstance(content, str):
        return path, call.repo.git.add_blob(content.encode())
    if sha is not None and sha not in call.repo.git.blobs:
        raise ApiError(422, f"tree.sha {sha} is not a valid blob")
    return path, sha if isinstance(sha, str) else None


def _shown(at: str, entry: TreeEntry) -> Json:
    shown: Json = {"path": entry.path, "mode": entry.mode, "type": entry.kind, "sha": entry.sha}
    return shown | {"url": f"{at}/{entry.kind}s/{entry.sha}"} | ({} if entry.size is None else {"size": entry.size})
