"""What a key could reach, as its own provider says: one or two requests that read, to the configured host alone.

Only where a person asks for it: whoever sees the provider's log sees that the key was used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

from loaner.catalog.provider import Provider
from loaner.inventory.kinds import Key
from loaner.network import Network, told

_SECONDS = 15
_NO_REACH: Final = {"refresh token of a GitHub App", "refresh token", "incoming webhook", "browser session"}
"""A refresh token dies, or makes others, when it is used; a webhook would post; a session belongs to a browser."""


@dataclass(frozen=True)
class Reach:
    alive: bool | None
    """``None`` where it was not asked, or did not answer."""
    who: str = ""
    what: tuple[str, ...] = ()
    """Scopes, as the provider names them."""
    where: str = ""
    why: str = ""
    """Why nothing is known."""

    def facts(self) -> dict[str, Any]:
        return {"alive": self.alive, "as": self.who, "scopes": list(self.what), "reaches": self.where, "why": self.why}

    def told(self) -> str:
        if self.alive is None:
            return self.why
        if not self.alive:
            return "dead: its provider no longer takes it"
        scopes = ", ".join(self.what) or "its scopes are not told"
        return f"alive, as {self.who or 'somebody'}: {scopes}{f'; reaches {self.where}' if self.where else ''}"


async def reach(key: Key, provider: Provider, network: Network) -> Reach:
    """Ask the provider that is configured under this name."""
    if key.kind.title in _NO_REACH:
        return Reach(None, why="not asked: using it would change something")
    host = urlsplit(provider.hosts["api"] if "api" in provider.hosts else provider.hosts["web"]).hostname or ""
    try:
        async with network.client(host, timeout=_SECONDS) as client:
            return await _ASK[key.kind.provider](key, provider.hosts, client)
    except (httpx2.HTTPError, ValueError, KeyError, TypeError, AttributeError) as failure:
        why = told(failure, host) if isinstance(failure, httpx2.HTTPError) else f"{host} answered something else"
        return Reach(None, why=f"not known: {why}")


async def _github(key: Key, hosts: Mapping[str, str], client: httpx2.AsyncClient) -> Reach:
    headers = {"Authorization": f"Bearer {key.secret.reveal()}", "Accept": "application/vnd.github+json"}
    who = await client.get(f"{hosts['api']}/user", headers=headers)
    if who.status_code == httpx2.codes.UNAUTHORIZED:
        return Reach(alive=False)
    # https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps
    scopes = _words(who.headers.get("x-oauth-scopes", ""))
    ends = who.headers.get("github-authentication-token-expiration", "")
    all_of_them = await client.get(f"{hosts['api']}/user/repos", params={"per_page": 1}, headers=headers)
    last = re.search(r"[?&]page=(\d+)[^>]*>;\s*rel=\"last\"", all_of_them.headers.get("link", ""))
    many = int(last[1]) if last else len(all_of_them.json()) if all_of_them.is_success else None
    where = "" if many is None else f"{many} repositories"
    return Reach(True, str(who.json().get("login", "")), scopes, where + (f", until {ends}" if ends else ""))


async def _slack(key: Key, hosts: Mapping[str, str], client: httpx2.AsyncClient) -> Reach:
    # https://docs.slack.dev/reference/methods/auth.test
    answer = await client.post(
        f"{hosts['web']}/api/auth.test", headers={"Authorization": f"Bearer {key.secret.reveal()}"}
    )
    said = answer.json()
    if not said["ok"]:
        return Reach(alive=False)
    return Reach(
        True, said.get("user", ""), _words(answer.headers.get("x-oauth-scopes", "")), f"workspace {said.get('team')}"
    )


async def _linear(key: Key, hosts: Mapping[str, str], client: httpx2.AsyncClient) -> Reach:
    # https://linear.app/developers/graphql: an API key stands there alone, an OAuth token as a bearer.
    value = key.secret.reveal()
    query = {"query": "{ viewer { name } organization { name } }"}
    headers = {"Authorization": value if value.startswith("lin_api_") else f"Bearer {value}"}
    answer = await client.post(f"{hosts['api']}/graphql", json=query, headers=headers)
    if answer.status_code == httpx2.codes.UNAUTHORIZED or "data" not in answer.json():
        return Reach(alive=False)
    said = answer.json()["data"]
    return Reach(True, said["viewer"]["name"], (), f"organisation {said['organization']['name']}")


_ASK: Final = {"github": _github, "slack": _slack, "linear": _linear}


def _words(listed: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[,\s]+", listed) if word)
