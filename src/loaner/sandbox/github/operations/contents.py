"""Files: read, write and delete through ``/contents/{path}``.

GitHub docs, REST API "Repository contents". A write over an existing file needs its blob's SHA: 422 without, 409 with a
wrong one.
"""

from __future__ import annotations

import base64
import binascii

from loaner.sandbox.github.call import Answer, Call
from loaner.sandbox.github.errors import ApiError, empty, invalid_request, not_found, refused
from loaner.sandbox.github.git import Commit, TreeEntry
from loaner.sandbox.github.routing import operation
from loaner.sandbox.github.shapes.basics import Json, git_commit
from loaner.sandbox.github.shapes.repositories import content


@operation("GET /repos/{owner}/{repo}/contents/{path}")
def get_content(call: Call) -> object:
    if not call.repo.git.branches:
        raise empty(404)
    ref = call.query.get("ref") or call.repo.default_branch
    commit = call.repo.git.resolve(ref)
    if commit is None:
        raise ApiError(404, f"No commit found for the ref {ref}")
    path = call.params.get("path", "").strip("/")
    if special := _special(call, path, ref):
        return special
    blob = commit.files.get(path)
    if blob is not None:
        return _file(call, path, blob, ref)
    prefix = f"{path}/" if path else ""
    inside = [
        each
        for each in call.repo.git.walk(commit.tree)
        if each.path.startswith(prefix) and "/" not in each.path.removeprefix(prefix)
    ]
    if not inside:
        raise not_found()
    return [content(call.urls, call.repo, each, ref) for each in inside]


def _file(call: Call, path: str, blob: str, ref: str) -> object:
    raw, switches = call.repo.git.blobs[blob], call.hub.sandbox.switches
    if len(raw) > switches.github_largest_blob:
        raise refused("too_large")
    if "raw" in call.headers.get("accept", ""):
        return Answer(raw, headers={"content-type": "application/vnd.github.raw+json; charset=utf-8"})
    shown = content(call.urls, call.repo, TreeEntry(path, "blob", blob, len(raw)), ref, raw)
    return shown | ({"content": "", "encoding": "none"} if len(raw) > switches.github_inline_bytes else {})


def _special(call: Call, path: str, ref: str) -> Json | None:
    """A symbolic link whose target is no file of the repository, or a submodule."""
    if target := call.repo.links.get(path):
        shown = content(call.urls, call.repo, TreeEntry(path, "blob", target.sha, target.size), ref)
        return shown | {"type": "symlink", "target": target.to}
    if module := call.repo.submodules.get(path):
        shown = content(call.urls, call.repo, TreeEntry(path, "blob", module.sha, 0), ref)
        return shown | {"type": "submodule", "submodule_git_url": module.to, "download_url": None}
    return None


@operation("PUT /repos/{owner}/{repo}/contents/{path}")
def put_content(call: Call) -> Answer:
    path, message = writable(call.params["path"]), call.required("message")
    try:
        raw = base64.b64decode("".join(call.required("content").split()), validate=True)
    except binascii.Error:
        raise ApiError(422, "content is not valid Base64") from None
    if not call.repo.git.branches:
        first = call.repo.git.commit({}, "", call.signature())  # what the first commit of a repository comes after
        call.repo.git.branches[call.repo.default_branch] = first.sha
    branch, tip = _tip(call, call.text("branch"))
    existed = path in tip.files
    if existed or call.text("sha"):
        _check_sha(path, tip, call.text("sha"))
    if any(each == path or each.startswith(f"{path}/") for each in tip.files) and not existed:
        raise ApiError(422, "path is a directory")
    blob = call.repo.git.add_blob(raw)
    commit = call.repo.git.commit_on(branch, {path: blob}, message, call.signature())
    moved(call, branch, commit)
    shown = content(call.urls, call.repo, TreeEntry(path, "blob", blob, len(raw)), branch)
    return Answer(
        {"content": shown, "commit": git_commit(call.urls, call.repo, commit)}, status=200 if existed else 201
    )


@operation("DELETE /repos/{owner}/{repo}/contents/{path}")
def delete_content(call: Call) -> Json:
    """Takes its parameters from the body or, as GitHub does, from the query."""
    call.body = {**call.query, **call.body}
    path, message = writable(call.params["path"]), call.required("message")
    branch, tip = _tip(call, call.text("branch"))
    if path not in tip.files:
        raise not_found()
    _check_sha(path, tip, call.text("sha"))
    commit = call.repo.git.commit_on(branch, {path: None}, message, call.signature())
    moved(call, branch, commit)
    return {"content": None, "commit": git_commit(call.urls, call.repo, commit)}


def writable(path: str) -> str:
    if not path or any(part in ("", ".", "..", ".git") for part in path.split("/")):
        raise ApiError(422, "path contains a malformed path component")
    return path


def _tip(call: Call, wanted: str | None) -> tuple[str, Commit]:
    branch = (wanted or call.repo.default_branch).removeprefix("refs/heads/")
    sha = call.repo.git.branches.get(branch)
    if sha is None:
        raise ApiError(404, f"Branch {branch} not found")
    return branch, call.repo.git.commits[sha]


def _check_sha(path: str, tip: Commit, given: str | None) -> None:
    if given is None:
        raise invalid_request('"sha" wasn\'t supplied.')
    if tip.files.get(path) != given:
        raise ApiError(409, f"{path} does not match {given}")


def moved(call: Call, branch: str, commit: Commit) -> None:
    """A branch went forward: open pull requests from it follow."""
    call.repo.updated_at = call.hub.now()
    for issue in call.repo.issues.values():
        if issue.pull and issue.state == "open" and issue.pull.head == branch:
            issue.pull.head_sha = commit.sha
