"""What holds after every test, whatever it was about: no secret got out.

A plugin for the whole suite. It notes every secret that comes into being in this process (all that the emulated
providers ever mint, and whatever loaner itself keeps in a ``Secret``) and listens wherever something could get out:
standard output and error, logs, every byte that loaner's own servers answer, every line of a server over stdio, and
every file in a test's folder, the database and its write-ahead log included. A test after which the two meet fails.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import mcp.client.stdio
import pytest

from loaner.cli import _listening
from loaner.consent import codes
from loaner.sandbox.github.device import DeviceCodes
from loaner.sandbox.idp.keys import Signer
from loaner.sandbox.ledger import Ledger
from loaner.sandbox.slack.authorize import Codes
from loaner.secret import Secret

Place = Literal["output", "file", "answer to an agent", "page"]
EVERYWHERE: frozenset[Place] = frozenset({"output", "file", "answer to an agent", "page"})
SHORTEST = 16
"""Shorter secrets are only test data, and turn up by chance."""
TOKEN = re.compile(rb"gh[uprs]_[\w.]{30,}|xox[a-z][.-][\w.-]{30,}|lin_(?:oauth|refresh)_[0-9a-f]{40,}")
"""What the providers' tokens look like."""


class Escaped(AssertionError):
    """A secret is where nobody may read it. Names what and where, and never the secret."""


class Watch:
    """Everything that must not get out, and everything that did."""

    def __init__(self) -> None:
        self.minted: set[str] = set()
        """Fingerprints of every token of this session."""
        self._secrets: dict[bytes, tuple[str, frozenset[Place]]] = {}
        self._heard: dict[Place, list[bytes]] = {place: [] for place in EVERYWHERE}

    def note(self, secret: str, what: str, *, nowhere_in: frozenset[Place] = EVERYWHERE) -> None:
        self._secrets.setdefault(secret.encode(), (what, nowhere_in))

    def hear(self, place: Place, said: str | bytes) -> None:
        self._heard[place].append(said.encode() if isinstance(said, str) else said)

    def escaped(self) -> list[str]:
        """What was found where since the last time; looks once."""
        everything = {place: b"\n".join(said) for place, said in self._heard.items()}
        for said in self._heard.values():
            said.clear()
        return [
            f"{what} in {place}"
            for secret, (what, places) in self._secrets.items()
            for place in sorted(places)
            if secret in everything[place]
        ]

    def forget(self) -> None:
        """A secret is watched for until the module that made it is over."""
        self._secrets.clear()


WATCH = Watch()


def token_shaped(said: bytes) -> Iterator[str]:
    """Fingerprints of whatever looks like a provider's token."""
    return (hashlib.sha256(found).hexdigest() for found in TOKEN.findall(said))


def listen_to_files(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file() and file.name != "key":
            content = file.read_bytes()
            # A file that holds one secret and nothing else is how an operator keeps one: ``file:/run/secrets/x``.
            if content.strip() not in WATCH._secrets:
                WATCH.hear("file", content)


# --- where secrets come into being


def _after(owner: Any, name: str, told: Callable[..., None]) -> None:
    """Have ``told(result, *arguments)`` called after each call of a method."""
    real = getattr(owner, name)

    @functools.wraps(real)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = real(*args, **kwargs)
        told(result, *args, **kwargs)
        return result

    setattr(owner, name, wrapped)


def _minted(_: object, ledger: Ledger, token: str, **facts: Any) -> None:
    WATCH.note(token, f"{facts['provider']}'s {facts['kind']} token")
    WATCH.minted.add(hashlib.sha256(token.encode()).hexdigest())


def _kept(_: object, secret: Secret, value: str) -> None:
    if len(value) >= SHORTEST and len(set(value)) >= SHORTEST // 2:
        WATCH.note(value, "a secret of loaner's")


def _started(device: Any, *_: object) -> None:
    WATCH.note(device.device_code, "a device code of GitHub's")
    # The person types it at GitHub, so loaner's page shows it, and nothing else does.
    WATCH.note(device.user_code, "a user code of GitHub's", nowhere_in=EVERYWHERE - {"page"})


def _asked(code: str) -> None:
    WATCH.note(code, "a user code of loaner's", nowhere_in=frozenset({"file"}))


# --- where they could get out


class Overheard:
    """The app, with all that it answers noted."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        place: Place = "answer to an agent" if scope.get("path", "").startswith("/mcp") else "page"

        async def heard(message: Any) -> None:
            WATCH.hear(place, message.get("body", b""))
            for name, value in message.get("headers", ()):
                if name != b"set-cookie":  # a browser's session is for that browser
                    WATCH.hear(place, value)
            await send(message)

        await self._app(scope, receive, heard if scope["type"] == "http" else send)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "last: looks back over the whole session")
    _after(Ledger, "mint", _minted)
    _after(Secret, "__init__", _kept)
    _after(DeviceCodes, "issue", _started)
    _after(Codes, "issue", lambda code, *_: WATCH.note(code, "an authorization code of Slack's"))
    _after(Signer, "sign", lambda token, *_, **__: WATCH.note(token, "an agent's own access token"))
    _after(codes, "new_user_code", _asked)

    served = _listening.served

    @contextlib.asynccontextmanager
    async def overheard(app: Any, *args: Any, **kwargs: Any) -> AsyncIterator[None]:
        async with served(Overheard(app), *args, **kwargs):
            yield

    _listening.served = overheard
    parse = mcp.client.stdio._parse_line

    def overheard_line(line: str) -> Any:
        WATCH.hear("answer to an agent", line)
        return parse(line)

    mcp.client.stdio._parse_line = overheard_line


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Look while the test's servers and stores are still open."""
    for _, _, captured in item._report_sections:
        WATCH.hear("output", captured)
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if folder is not None:
        listen_to_files(folder)
    found = WATCH.escaped()
    yield
    if nextitem is None or nextitem.path != item.path:
        WATCH.forget()
    if found:
        raise Escaped("; ".join(sorted(set(found))))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What looks back over the whole session comes last."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)
