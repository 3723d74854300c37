"""Comparing and merging snapshots, file by file."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal

from loaner.sandbox.github.git import Commit, GitStore


@dataclass(frozen=True)
class Change:
    """What happened to one file between two commits."""

    path: str
    status: Literal["added", "removed", "modified"]
    sha: str
    """The blob after the change, or the one that went."""
    additions: int
    deletions: int
    patch: str

    @property
    def new_lines(self) -> set[int]:
        """The lines of the new version that the diff shows."""
        hunks = re.findall(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", self.patch, re.MULTILINE)
        return {int(start) + at for start, length in hunks for at in range(int(length or 1))}


class Conflict(Exception):
    """Both sides changed the same file differently."""


def merge_base(store: GitStore, ours: Commit, theirs: Commit) -> Commit | None:
    reachable = {commit.sha for commit in store.history(ours)}
    return next((commit for commit in store.history(theirs) if commit.sha in reachable), None)


def changes(store: GitStore, before: Commit | None, after: Commit) -> list[Change]:
    """Every file that differs, by path."""
    old = before.files if before else {}
    return [
        _change(store, path, old.get(path), after.files.get(path))
        for path in sorted({*old, *after.files})
        if old.get(path) != after.files.get(path)
    ]


def merged_files(store: GitStore, ours: Commit, theirs: Commit) -> dict[str, str]:
    """The snapshot of a merge of ``theirs`` into ``ours``.

    Raises:
        Conflict: when a file was changed on both sides.
    """
    base = merge_base(store, ours, theirs)
    origin = base.files if base else {}
    files = dict(ours.files)
    for path in {*origin, *theirs.files}:
        was, mine, new = origin.get(path), ours.files.get(path), theirs.files.get(path)
        if new == was:
            continue
        if mine not in (was, new):
            raise Conflict(path)
        if new is None:
            files.pop(path, None)
        else:
            files[path] = new
    return files


def commits_between(store: GitStore, base: Commit, head: Commit) -> list[Commit]:
    """The commits that ``head`` has and ``base`` has not, oldest first."""
    had = {commit.sha for commit in store.history(base)}
    return [commit for commit in store.history(head) if commit.sha not in had][::-1]


def _change(store: GitStore, path: str, old: str | None, new: str | None) -> Change:
    before, after = (store.blobs[sha].decode(errors="replace").splitlines() if sha else [] for sha in (old, new))
    diff = list(difflib.unified_diff(before, after, lineterm="", n=3))[2:]
    status: Literal["added", "removed", "modified"] = (
        "added" if old is None else "removed" if new is None else "modified"
    )
    return Change(
        path=path,
        status=status,
        sha=new or old or "",
        additions=sum(line.startswith("+") for line in diff),
        deletions=sum(line.startswith("-") for line in diff),
        patch="\n".join(diff),
    )
