"""What every shape needs: addresses, times, node ids, accounts and labels."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime

from loaner.sandbox.github.git import Commit
from loaner.sandbox.github.state import Account, Label, Repository

Json = dict[str, object]


@dataclass(frozen=True)
class Urls:
    """Where the emulated GitHub is: ``api`` stands for https://api.github.com, ``web`` for https://github.com."""

    api: str
    web: str

    def repo(self, repository: Repository) -> str:
        return f"{self.api}/repos/{repository.full_name}"

    def repo_page(self, repository: Repository) -> str:
        return f"{self.web}/{repository.full_name}"


def stamp(moment: datetime | None) -> str | None:
    """GitHub writes times to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def node_id(kind: str, identity: object) -> str:
    return base64.b64encode(f"{kind}{identity}".encode()).decode()


_USER_LINKS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}


def simple_user(urls: Urls, account: Account) -> Json:
    """Schema ``simple-user``."""
    at = f"{urls.api}/users/{account.login}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id(account.type, account.id),
        "avatar_url": f"{urls.web}/avatars/{account.id}",
        "gravatar_id": "",
        "url": at,
        "html_url": f"{urls.web}/{account.login}",
        **{name: at + suffix for name, suffix in _USER_LINKS.items()},
        "type": account.type,
        "site_admin": False,
    }


def maybe_user(urls: Urls, account: Account | None) -> Json | None:
    return simple_user(urls, account) if account else None


def public_user(urls: Urls, account: Account, since: datetime) -> Json:
    """Schema ``public-user``."""
    return simple_user(urls, account) | {
        "user_view_type": "public",
        "name": account.name or None,
        "company": "Acme Inc.",
        "blog": "",
        "location": None,
        "email": account.email or None,
        "hireable": None,
        "bio": None,
        "public_repos": 0,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": stamp(since),
        "updated_at": stamp(since),
    }


def label(urls: Urls, repository: Repository, shown: Label) -> Json:
    """Schema ``label``."""
    return {
        "id": shown.id,
        "node_id": node_id("Label", shown.id),
        "url": f"{urls.repo(repository)}/labels/{shown.name}",
        "name": shown.name,
        "description": shown.description or None,
        "color": shown.color,
        "default": shown.name in ("bug", "documentation", "enhancement"),
    }


def git_commit(urls: Urls, repository: Repository, shown: Commit) -> Json:
    """The git side of a commit, as in schema ``file-commit``."""
    who = {"name": shown.author.name, "email": shown.author.email, "date": stamp(shown.author.at)}
    at = f"{urls.repo(repository)}/git"
    page = urls.repo_page(repository)
    return {
        "sha": shown.sha,
        "node_id": node_id("Commit", shown.sha),
        "url": f"{at}/commits/{shown.sha}",
        "html_url": f"{page}/commit/{shown.sha}",
        "author": who,
        "committer": who,
        "message": shown.message,
        "tree": {"sha": shown.tree, "url": f"{at}/trees/{shown.tree}"},
        "parents": [
            {"sha": sha, "url": f"{at}/commits/{sha}", "html_url": f"{page}/commit/{sha}"} for sha in shown.parents
        ],
        "verification": {
            "verified": False,
            "reason": "unsigned",
            "signature": None,
            "payload": None,
            "verified_at": None,
        },
    }
