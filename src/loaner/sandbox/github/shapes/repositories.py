"""Repositories, their files and their commits."""

from __future__ import annotations

import base64

from loaner.sandbox.github.git import Commit, TreeEntry
from loaner.sandbox.github.merging import Change
from loaner.sandbox.github.shapes.basics import Json, Urls, git_commit, maybe_user, node_id, simple_user, stamp
from loaner.sandbox.github.state import Account, Repository, Role

_LINKS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}


def repository(urls: Urls, shown: Repository, role: Role | None = None) -> Json:
    """Schemas ``repository``, ``minimal-repository`` and ``repo-search-result-item``: they differ in what is needed."""
    page = urls.repo_page(shown)
    host = urls.web.split("//", 1)[1]
    may = ("admin", "write", "read").index(role) if role else 2
    at = urls.repo(shown)
    return {
        "id": shown.id,
        "node_id": node_id("Repository", shown.id),
        "name": shown.name,
        "full_name": shown.full_name,
        "owner": simple_user(urls, shown.owner),
        "private": not shown.public,
        "visibility": "public" if shown.public else "private",
        "html_url": page,
        "description": shown.description or None,
        "fork": False,
        "url": at,
        **{name: at + suffix for name, suffix in _LINKS.items()},
        "git_url": f"git://{host}/{shown.full_name}.git",
        "ssh_url": f"git@{host}:{shown.full_name}.git",
        "clone_url": f"{page}.git",
        "svn_url": page,
        "mirror_url": None,
        "homepage": None,
        "language": shown.language,
        "license": None,
        "topics": [],
        "forks": 0,
        "forks_count": 0,
        "stargazers_count": 0,
        "watchers": 0,
        "watchers_count": 0,
        "size": 1,
        "default_branch": shown.default_branch,
        "open_issues": shown.open_issues,
        "open_issues_count": shown.open_issues,
        "is_template": False,
        "allow_forking": False,
        "web_commit_signoff_required": False,
        "has_issues": shown.has_issues,
        "has_projects": False,
        "has_wiki": False,
        "has_pages": False,
        "has_downloads": True,
        "has_discussions": False,
        "archived": shown.archived,
        "disabled": False,
        "pushed_at": stamp(shown.updated_at or shown.created_at),
        "created_at": stamp(shown.created_at),
        "updated_at": stamp(shown.updated_at or shown.created_at),
        "permissions": {
            "admin": may == 0,
            "maintain": may == 0,
            "push": may <= 1,
            "triage": may <= 1,
            "pull": True,
        },
    }


def full_repository(urls: Urls, shown: Repository, role: Role | None = None) -> Json:
    """Schema ``full-repository``."""
    more: Json = {"subscribers_count": 0, "network_count": 0, "organization": simple_user(urls, shown.owner)}
    return repository(urls, shown, role) | more


def content(urls: Urls, at: Repository, entry: TreeEntry, ref: str, raw: bytes | None = None) -> Json:
    """One entry of a directory; schema ``content-file`` when its bytes are given."""
    here = f"{urls.repo(at)}/contents/{entry.path}?ref={ref}"
    git = f"{urls.repo(at)}/git/{entry.kind}s/{entry.sha}"
    page = f"{urls.repo_page(at)}/{entry.kind}/{ref}/{entry.path}"
    is_file = entry.kind == "blob"
    shown: Json = {
        "name": entry.path.rpartition("/")[2],
        "path": entry.path,
        "sha": entry.sha,
        "size": entry.size or 0,
        "url": here,
        "html_url": page,
        "git_url": git,
        "download_url": f"{urls.repo_page(at)}/raw/{ref}/{entry.path}{_pass(at, entry)}" if is_file else None,
        "type": "file" if is_file else "dir",
        "_links": {"self": here, "git": git, "html": page},
    }
    if raw is not None:
        shown |= {"content": base64.encodebytes(raw).decode(), "encoding": "base64"}
    return shown


def _pass(at: Repository, entry: TreeEntry) -> str:
    """What a private repository's file is fetched with for some minutes, by whoever has the address."""
    return "" if at.public else f"?token=AAAA{entry.sha.upper()}"


def commit(urls: Urls, at: Repository, shown: Commit, author: Account | None) -> Json:
    """Schema ``commit``."""
    git = git_commit(urls, at, shown)
    here = f"{urls.repo(at)}/commits/{shown.sha}"
    inner: Json = {key: git[key] for key in ("author", "committer", "message", "tree", "url", "verification")}
    return {
        "sha": shown.sha,
        "node_id": git["node_id"],
        "commit": inner | {"comment_count": 0},
        "url": here,
        "html_url": git["html_url"],
        "comments_url": f"{here}/comments",
        "author": maybe_user(urls, author),
        "committer": maybe_user(urls, author),
        "parents": [
            {"sha": sha, "url": f"{urls.repo(at)}/commits/{sha}", "html_url": f"{urls.repo_page(at)}/commit/{sha}"}
            for sha in shown.parents
        ],
    }


def branch(urls: Urls, at: Repository, name: str, sha: str) -> Json:
    """Schema ``short-branch``."""
    return {"name": name, "commit": {"sha": sha, "url": f"{urls.repo(at)}/commits/{sha}"}, "protected": False}


def tag(urls: Urls, at: Repository, name: str, sha: str) -> Json:
    """Schema ``tag``."""
    here = urls.repo(at)
    return {
        "name": name,
        "commit": {"sha": sha, "url": f"{here}/commits/{sha}"},
        "zipball_url": f"{here}/zipball/refs/tags/{name}",
        "tarball_url": f"{here}/tarball/refs/tags/{name}",
        "node_id": node_id("Ref", f"{at.full_name}:{name}"),
    }


def comparison(urls: Urls, at: Repository, ends: tuple[Commit, Commit, Commit], what: Json) -> Json:
    """Schema ``commit-comparison``; ``ends`` are the base, what both have in common, and the head."""
    base, common, head = ends
    between = f"compare/{base.sha}...{head.sha}"
    page = f"{urls.repo_page(at)}/{between}"
    return {
        "url": f"{urls.repo(at)}/{between}",
        "html_url": page,
        "permalink_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "base_commit": commit(urls, at, base, None),
        "merge_base_commit": commit(urls, at, common, None),
        **what,
    }


def ref(urls: Urls, at: Repository, name: str, sha: str) -> Json:
    """Schema ``git-ref``."""
    here = f"{urls.repo(at)}/git"
    return {
        "ref": f"refs/heads/{name}",
        "node_id": node_id("Ref", f"{at.full_name}:{name}"),
        "url": f"{here}/refs/heads/{name}",
        "object": {"type": "commit", "sha": sha, "url": f"{here}/commits/{sha}"},
    }


def diff_entry(urls: Urls, at: Repository, head: str, change: Change) -> Json:
    """Schema ``diff-entry``."""
    page = urls.repo_page(at)
    return {
        "sha": change.sha,
        "filename": change.path,
        "status": change.status,
        "additions": change.additions,
        "deletions": change.deletions,
        "changes": change.additions + change.deletions,
        "blob_url": f"{page}/blob/{head}/{change.path}",
        "raw_url": f"{page}/raw/{head}/{change.path}",
        "contents_url": f"{urls.repo(at)}/contents/{change.path}?ref={head}",
        "patch": change.patch,
    }
