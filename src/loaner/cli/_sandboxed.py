"""The sandbox in the providers' place: only base URLs, registered apps and the issuer are replaced."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from loaner.connectors import Connectors
from loaner.errors import UsageError
from loaner.loopback import is_loopback
from loaner.sandbox.github import registered as github
from loaner.sandbox.linear import registered as linear
from loaner.sandbox.run import STATE_FILE
from loaner.sandbox.slack import registered as slack
from loaner.secret import Secret
from loaner.settings import Connector, IdentitySettings, Settings

ENVIRONMENT = "sandbox"
"""Grants of the sandbox belong to an environment of their own, so that none ever meets a real provider."""


_APPS = {"github": github, "slack": slack, "linear": linear}


def connectors(settings: Settings | None = None) -> Connectors:
    """The apps that every sandbox has registered; each further provider of the settings has that of the one it is
    like."""
    more = {name: one.like for name, one in settings.providers.items()} if settings else {}
    apps = _APPS | {name: _APPS[like] for name, like in more.items() if like in _APPS}
    return Connectors(
        Connector(name, name, app.CLIENT_ID, Secret(app.CLIENT_SECRET), environments=(ENVIRONMENT,))
        for name, app in apps.items()
    )


def on_sandbox(settings: Settings, url: str) -> Settings:
    """The same settings, with the sandbox at ``url`` in the providers' place. Raises :class:`UsageError`."""
    url = url.rstrip("/")
    refuse_elsewhere(url)
    hosts = {
        "github": {"web": f"{url}/github", "api": f"{url}/github/api"},
        "slack": {"web": f"{url}/slack"},
        "linear": {"web": f"{url}/linear", "api": f"{url}/linear/api"},
    }
    emulated = {name: one for name, one in settings.providers.items() if one.like in hosts}
    return settings.model_copy(
        update={
            "sandbox": url,
            "environment": ENVIRONMENT,
            "identity": _identity(settings.identity, f"{url}/idp"),
            "hosts": hosts,
            # What no sandbox emulates is not there, so that no call can reach its real host.
            "providers": {name: one.model_copy(update={"host": hosts[one.like]}) for name, one in emulated.items()},
        }
    )


_SHAPES = {"token_types", "scope_claim", "agent_claim", "subject_claim", "page_subject_claim"}


def _identity(chosen: IdentitySettings | None, issuer: str) -> IdentitySettings:
    """The sandbox's issuer. How its tokens are read stays as it was set, so that it can be tried; who loaner is there
    is another matter, unless the settings mean this very issuer."""
    if chosen and chosen.issuer == issuer:
        return chosen
    return IdentitySettings(issuer=issuer, **(chosen.model_dump(include=_SHAPES) if chosen else {}))


async def refuse_nothing(url: str) -> None:
    """Where no sandbox answers, a server would start well and fail at every call. Raises :class:`UsageError`."""
    parts = urlsplit(url)
    try:
        with anyio.fail_after(5):
            await (await anyio.connect_tcp(parts.hostname or "", parts.port or 80)).aclose()
    except (OSError, TimeoutError):
        raise UsageError(
            f"no sandbox answers at {url}.", do="Start one with: loaner sandbox --port N   and give its address."
        ) from None


def refuse_elsewhere(url: str) -> None:
    """The sandbox's secrets are published, so it is only ever on this machine."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not is_loopback(parts.hostname):
        raise UsageError("the sandbox is only ever on this machine.", do="Give its http://127.0.0.1:PORT address.")


def running(home: Path) -> str:
    """The base URL of the sandbox that runs for this ``LOANER_HOME``. Raises :class:`UsageError` when none does."""
    try:
        state = json.loads((home / STATE_FILE).read_text())
        os.kill(int(state["pid"]), 0)
        url = str(state["base_url"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            "no sandbox is running here.",
            do="Start one with: loaner sandbox   (or loaner serve --sandbox), with the same LOANER_HOME.",
        ) from None
    refuse_elsewhere(url)
    return url
