"""Just enough git: blobs, trees and commits with their true SHA-1 names, and branches that point at them.

Object formats: git's own ``gitformat-*`` manuals. A commit keeps its whole snapshot as ``path -> blob``, so reading
a file or comparing two commits is a lookup.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

SHORTEST_SHA = 7


@dataclass(frozen=True)
class Signature:
    name: str
    email: str
    at: datetime

    def line(self) -> str:
        return f"{self.name} <{self.email}> {int(self.at.timestamp())} +0000"


@dataclass(frozen=True)
class TreeEntry:
    path: str
    kind: Literal["blob", "tree"]
    sha: str
    size: int | None = None

    @property
    def mode(self) -> str:
        return "100644" if self.kind == "blob" else "040000"


@dataclass(frozen=True)
class Commit:
    sha: str
    tree: str
    parents: tuple[str, ...]
    message: str
    author: Signature
    files: Mapping[str, str]
    """Every file of the snapshot: path to blob."""


@dataclass
class GitStore:
    """One repository's objects, branches and tags."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    trees: dict[str, tuple[TreeEntry, ...]] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    """Lightweight ones: a name for a commit."""

    def add_blob(self, content: bytes) -> str:
        sha = _name("blob", content)
        self.blobs[sha] = content
        return sha

    def commit(self, files: Mapping[str, str], message: str, author: Signature, parents: Sequence[str] = ()) -> Commit:
        """Write a snapshot as a new commit. No branch moves."""
        tree = self.add_tree(files)
        lines = [f"tree {tree}", *(f"parent {each}" for each in parents)]
        lines += [f"author {author.line()}", f"committer {author.line()}", "", message]
        made = Commit(_name("commit", "\n".join(lines).encode()), tree, tuple(parents), message, author, dict(files))
        self.commits[made.sha] = made
        return made

    def commit_on(self, branch: str, changes: Mapping[str, str | None], message: str, author: Signature) -> Commit:
        """Commit these changes (path to blob, ``None`` removes) on top of a branch and move it."""
        tip = self.commits[self.branches[branch]]
        files = {path: sha for path, sha in {**tip.files, **changes}.items() if sha is not None}
        made = self.commit(files, message, author, [tip.sha])
        self.branches[branch] = made.sha
        return made

    def resolve(self, ref: str) -> Commit | None:
        """The name of a branch or a tag, with ``heads/`` or ``tags/`` or not, or a SHA, whole or abbreviated."""
        kind, _, name = ref.removeprefix("refs/").partition("/")
        named = {"heads": self.branches, "tags": self.tags}.get(kind, {})
        for sha in (self.branches.get(ref), self.tags.get(ref), named.get(name)):
            if sha:
                return self.commits[sha]
        if len(ref) < SHORTEST_SHA:
            return None
        begun = [commit for sha, commit in self.commits.items() if sha.startswith(ref)]
        return begun[0] if len(begun) == 1 else None

    def history(self, start: Commit) -> list[Commit]:
        """A commit and its ancestors, nearest first."""
        seen: dict[str, Commit] = {}
        queue = [start.sha]
        while queue:
            sha = queue.pop(0)
            if sha not in seen:
                seen[sha] = self.commits[sha]
                queue.extend(seen[sha].parents)
        return list(seen.values())

    def walk(self, tree: str, prefix: str = "") -> list[TreeEntry]:
        """Every entry below a tree, with whole paths, a directory before what is in it."""
        found: list[TreeEntry] = []
        for entry in self.trees[tree]:
            path = prefix + entry.path
            found.append(TreeEntry(path, entry.kind, entry.sha, entry.size))
            if entry.kind == "tree":
                found.extend(self.walk(entry.sha, f"{path}/"))
        return found

    def add_tree(self, files: Mapping[str, str]) -> str:
        folders: dict[str, dict[str, str]] = {}
        entries: list[TreeEntry] = []
        for path, blob in files.items():
            head, slash, rest = path.partition("/")
            if slash:
                folders.setdefault(head, {})[rest] = blob
            else:
                entries.append(TreeEntry(head, "blob", blob, len(self.blobs[blob])))
        entries += [TreeEntry(name, "tree", self.add_tree(inside)) for name, inside in folders.items()]
        entries.sort(key=lambda entry: entry.path + ("/" if entry.kind == "tree" else ""))  # git's own order
        raw = b"".join(
            f"{entry.mode.lstrip('0')} {entry.path}\0".encode() + bytes.fromhex(entry.sha) for entry in entries
        )
        sha = _name("tree", raw)
        self.trees[sha] = tuple(entries)
        return sha


def _name(kind: str, body: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(body)}\0".encode() + body, usedforsecurity=False).hexdigest()
