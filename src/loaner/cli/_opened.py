"""A loaner opened for one verb: the same rooms as a server's, without a door."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loaner.assembly import Loaner, open_loaner
from loaner.caller import Agent, Caller, local_subject
from loaner.cli import _sandboxed, _servers
from loaner.settings import Settings, load


def settings_for_a_verb() -> tuple[Settings, bool]:
    """The settings of the server that runs here, if one does: a verb speaks of the same providers as it."""
    settings = load()
    sandbox = settings.sandbox or next((s.sandbox for s in _servers.running(settings.home) if s.sandbox), None)
    if sandbox and sandbox != "embedded":
        return _sandboxed.on_sandbox(settings, sandbox), True
    return settings, False


@asynccontextmanager
async def loaner_for_a_verb() -> AsyncIterator[Loaner]:
    settings, sandboxed = settings_for_a_verb()
    connectors = _sandboxed.connectors() if sandboxed else None
    async with open_loaner(settings, connectors=connectors, serving=False) as loaner:
        yield loaner


def local_caller(loaner: Loaner, agent: Agent) -> Caller:
    """The person at this machine."""
    subject, origin = local_subject(), f"this computer (command line, pid {os.getpid()})"
    return Caller(subject, agent, loaner.settings.environment, origin, display=subject.sub)
