"""The door for one local person: an agent starts loaner and talks to it over stdin and stdout."""

from __future__ import annotations

import os
from typing import Any, Final

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.stdio import stdio_server

from loaner.characters import hides
from loaner.errors import InvalidArguments
from loaner.identity.caller import Agent, Caller, is_reserved
from loaner.identity.local_person import local_subject
from loaner.mcp_server import pipes
from loaner.mcp_server.ports import CallerOf, Served
from loaner.mcp_server.server import build

_MAX_NAME: Final = 80
_TOLD: Final = 5.0
"""Seconds in which the calls that end with the server are answered."""


def local_caller(environment: str) -> CallerOf:
    """Who asks over stdio: the operating system's user, through whatever the client calls itself."""
    subject = local_subject()
    origin = f"this computer (stdio, pid {os.getppid()})"

    def caller_of(ctx: ServerRequestContext[Any, Any]) -> Caller:
        known = ctx.session.client_params
        name = _shown(known.client_info.name, "name") if known else ""
        version = _shown(known.client_info.version, "version") if known else ""
        agent = Agent(name or "an unnamed agent", version=version or None)
        return Caller(subject, agent, environment, origin, subject.sub)

    return caller_of


async def serve_stdio(served: Served, told: anyio.Event | None = None) -> None:
    """Serve until the client closes stdin, or somebody ``told`` us to stop: the same end, and the same answers.

    While serving, file descriptor 1 is stderr for everybody but the protocol, children included, so that a stray
    ``print`` cannot break a message.
    """
    server = build(served, local_caller(served.settings.environment))

    async def end(unanswered: pipes.Open | None = None) -> None:
        served.shutdown.cut()
        if unanswered:
            with anyio.move_on_after(_TOLD):
                await unanswered.none_left()

    async with (
        pipes.opened(end) if pipes.usable() else stdio_server() as (read, write),
        anyio.create_task_group() as tasks,
    ):

        async def stop() -> None:
            await (told or anyio.Event()).wait()
            await end(write.open if isinstance(write, pipes.Writing) else None)
            tasks.cancel_scope.cancel()

        tasks.start_soon(stop)
        await server.run(read, write, server.create_initialization_options())
        tasks.cancel_scope.cancel()


def _shown(text: str, what: str) -> str:
    """What a client says of itself ends on a consent page: one short line, nothing invisible.

    Refused and not cleaned: two names that differ in what nobody sees would be one. Raises :class:`InvalidArguments`.
    """
    if hidden := hides(text):
        raise InvalidArguments(
            f"the {what} in this client's clientInfo holds a character that shows nothing ({hidden}).",
            do=f"Start the client with a {what} of visible characters.",
        )
    if what == "name" and is_reserved(text.strip()):
        raise InvalidArguments("this client calls itself loaner, which is us.", do="Give it a name of its own.")
    if what == "name" and len(text) > _MAX_NAME:  # cut, two names would be one
        raise InvalidArguments(f"the name in this client's clientInfo is longer than {_MAX_NAME} characters.")
    return text[:_MAX_NAME].strip()
