"""A loaner opened for one verb: the same rooms as a server's, without a door."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from loaner import connectors as registered
from loaner.assembly import Loaner, open_loaner
from loaner.cli import _logging, _sandboxed, _servers
from loaner.errors import SettingsInvalid
from loaner.identity.caller import Agent, Caller
from loaner.identity.local_person import local_subject
from loaner.settings import Settings, load, with_project
from loaner.store.looking import NoStore, looked_at, nothing_yet


def settings_for_a_verb() -> tuple[Settings, bool]:
    """The settings of the server that runs here, if one does: a verb speaks of the same providers as it."""
    _logging.to_stderr()  # standard output is for the answer
    settings = load()
    sandbox = settings.sandbox or next((s.sandbox for s in _servers.running(settings.home) if s.sandbox), None)
    if sandbox and sandbox != "embedded":
        return _sandboxed.on_sandbox(settings, sandbox), True
    return settings, False


@asynccontextmanager
async def loaner_for_a_verb() -> AsyncIterator[Loaner]:
    """One that may write, and ask providers."""
    settings, sandboxed = settings_for_a_verb()
    connectors = _sandboxed.connectors(settings) if sandboxed else None
    async with open_loaner(settings, connectors=connectors, serving=False) as loaner:
        yield loaner


@asynccontextmanager
async def loaner_to_look_at(*, store_needed: bool = True) -> AsyncIterator[tuple[Loaner, Path | None]]:
    """One that writes nothing and needs no secret; and where its store would be, if there is none yet.

    Not ``store_needed``: where its address cannot be had here, as if there were none.
    """
    settings, sandboxed = settings_for_a_verb()
    settings = with_project(settings)
    connectors = _sandboxed.connectors(settings) if sandboxed else registered.without_secrets(settings.connectors)
    missing = None
    async with AsyncExitStack() as stack:
        try:
            store = stack.enter_context(looked_at(settings.store_url))
        except NoStore as nowhere:
            missing, store = nowhere.where, stack.enter_context(nothing_yet())
        except SettingsInvalid:
            if store_needed:
                raise
            store = stack.enter_context(nothing_yet())
        opened = open_loaner(settings, connectors=connectors, serving=False, store=store)
        yield await stack.enter_async_context(opened), missing


def local_caller(loaner: Loaner, agent: Agent) -> Caller:
    """The person at this machine."""
    subject, origin = local_subject(), f"this computer (command line, pid {os.getpid()})"
    return Caller(subject, agent, loaner.settings.environment, origin, display=subject.sub)
