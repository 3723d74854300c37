"""The emulated providers in this process, without sockets, and a credential of any width at any of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import httpx2
from starlette.routing import Mount

from loaner import catalog
from loaner.provider_call import ProviderTransport
from loaner.sandbox.app import Sandbox, create_app
from loaner.sandbox.world import PEOPLE
from loaner.secret import Secret
from stand_in import Over

BASE = "http://127.0.0.1"
BASES = {
    "github": {"web": f"{BASE}/github", "api": f"{BASE}/github/api"},
    "slack": {"web": f"{BASE}/slack"},
    "linear": {"web": f"{BASE}/linear", "api": f"{BASE}/linear/api"},
}


class Emulated:
    def __init__(self) -> None:
        self.sandbox = Sandbox()
        app = create_app(self.sandbox)
        self.apps: dict[str, Any] = {
            mount.path.strip("/"): cast("Any", mount.app) for mount in app.routes if isinstance(mount, Mount)
        }
        self.catalog = catalog.load(bases=BASES)
        self.transport = ProviderTransport(Over(httpx2.ASGITransport(app=app)))

    def credential(
        self, provider: str, permissions: Iterable[str], *, login: str = "alice", repositories: Iterable[str] = ()
    ) -> Secret:
        """A token of ``login`` with exactly these permissions."""
        if provider == "github":
            return self._github(dict(name.rsplit(":", 1) for name in permissions), login, list(repositories))
        state = self.apps[provider].app.state
        if provider == "slack":
            workspace = state.workspace
            member = workspace.state.members[PEOPLE[login].slack_id]
            return Secret(workspace.tokens.authorize(member, sorted(permissions), public=False).access)
        pair = state.desk.tokens.authorize(PEOPLE[login], sorted(permissions), actor="user", needs_secret=True)
        return Secret(pair.access)

    def _github(self, permissions: dict[str, str], login: str, repositories: list[str]) -> Secret:
        hub = cast("Any", self.sandbox.inside["github"])
        user, _ = hub.tokens.pair(login)
        chosen = [repo.id for repo in hub.world.repositories.values() if repo.full_name in repositories]
        return Secret(hub.tokens.scoped(user.entry, {"metadata": "read"} | permissions, chosen).token)
