"""``loaner sandbox``: emulated GitHub, Slack and Linear, their ledger, and a person to drive their pages."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from loaner.cli import _sandbox_control
from loaner.cli._address import AddressInUse
from loaner.cli._json import LINES, OBJECT
from loaner.errors import Exit, UsageError

app = typer.Typer(help="Emulated providers, on this machine.", invoke_without_command=True)
app.add_typer(_sandbox_control.fault, name="fault")
app.command("switch")(_sandbox_control.switch)


_Remember = Literal["once", "hour"]
_Reads = Literal["kind", "here", "everything", "none"]
_Agents = Literal["this", "all"]
_Lasting = Literal["hour", "8h", "30d", "ended"]


@app.callback()
def sandbox(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.")] = 0,
    while_used: Annotated[bool, typer.Option("--while-used", help="End once no server uses it.", hidden=True)] = False,
) -> None:
    """Start the emulated providers.

    Prints one line of JSON with their addresses, then serves.

    \b
    Examples:
      loaner sandbox
      loaner sandbox ledger
    """
    if context.invoked_subcommand is not None:
        return
    import anyio

    anyio.run(_serve, port, while_used)


async def _serve(port: int, while_used: bool) -> None:
    import anyio

    from loaner import settings
    from loaner.cli import _own_sandbox, _signals
    from loaner.sandbox.run import PortInUse, serving
    from loaner.settings.home import made

    home = made(settings.load().home)
    try:
        async with serving(port, home) as running:
            print(json.dumps({"base_url": running.base_url, **running.urls}), flush=True)
            async with anyio.create_task_group() as tasks:

                async def end_after(what: Callable[[], Awaitable[None]]) -> None:
                    await what()
                    tasks.cancel_scope.cancel()

                tasks.start_soon(end_after, _signals.told_to_stop)
                if while_used:
                    tasks.start_soon(end_after, partial(_own_sandbox.unused, home, running.base_url))
    except PortInUse as taken:
        raise AddressInUse(f"port {taken.port} is in use.", do="Choose another with --port (0 takes any).") from None


@app.command()
def ledger(
    as_json: Annotated[bool, typer.Option("--json", help=LINES)] = False,
) -> None:
    """List every token that was minted.

    By the emulated providers, with what was done with it.

    \b
    Examples:
      loaner sandbox ledger --json
    """
    import httpx2

    from loaner.cli import _sandboxed

    entries = httpx2.get(f"{_sandboxed.running(_home())}/sandbox/ledger", trust_env=False).json()
    if as_json:
        for entry in entries:
            print(json.dumps(entry))
        return
    for entry in entries:
        permissions = entry["permissions"]
        shown = [f"{k}:{v}" for k, v in permissions.items()] if isinstance(permissions, dict) else permissions
        end = f"revoked {entry['revoked_at']}" if entry["revoked_at"] else "alive"
        print(f"{entry['provider']:8} {entry['kind']:12} {entry['fingerprint'][:12]} {entry['subject']:8} {end}")
        where = ", ".join(entry["resources"])
        print(f"         {', '.join(shown) or 'no permission'} on {where}, used {len(entry['uses'])}x")


@app.command()
def approve(
    code: Annotated[str, typer.Argument(help="The code that the agent showed, or the page's address.")],
    login: Annotated[str, typer.Option("--as", help="Who is at the browser: alice or bob.")] = "alice",
    deny: Annotated[bool, typer.Option("--deny", help="Say no.")] = False,
    remember: Annotated[_Remember | None, typer.Option(help="For a write: this one call, or an hour of them.")] = None,
    reads: Annotated[
        _Reads | None, typer.Option(help="For a read: this kind there, all that is there, or everything.")
    ] = None,
    agents: Annotated[_Agents | None, typer.Option(help="For a read: this agent, or all of the person's.")] = None,
    lasting: Annotated[_Lasting | None, typer.Option("--for", help="For a read: how long.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help=OBJECT)] = False,
) -> None:
    """Walk a consent's pages, and say yes or no.

    The very pages that a browser would, of the sandbox only. What is not chosen is what the page has chosen already.

    \b
    Examples:
      loaner sandbox approve WDJB-MJHT
      loaner sandbox approve WDJB-MJHT --as bob --deny
    """
    from loaner.cli import _sandboxed, _servers
    from loaner.sandbox.person import Lost, NotTheSandbox, Person

    home = _home()
    url = _sandboxed.running(home)
    servers = [server for server in _servers.running(home) if server.sandbox == url]
    try:
        loaner_url = servers[0].base_url if servers else None
        chosen = {"remember": remember, "reads": reads, "agents": agents, "lasting": lasting}
        choose = {name: value for name, value in chosen.items() if value is not None}
        outcome = Person(login, url).approve(code, loaner_url=loaner_url, deny=deny, choose=choose)
    except NotTheSandbox as elsewhere:
        raise UsageError(f"{elsewhere}.", do="This verb drives the sandbox only.") from None
    except Lost as lost:
        raise UsageError(f"{lost}.", do="Open the page in a browser, to see what it says.") from None
    print(json.dumps({"state": outcome.state, "pages": list(outcome.pages)}) if as_json else outcome.state)
    wanted = "denied" if deny else "approved"
    if outcome.state != wanted:
        if outcome.state == "unknown":
            print("loaner: nobody here knows that code; it may have expired or been used.", file=sys.stderr)
        raise typer.Exit(int(Exit.ERROR))


@app.command()
def token(
    user: Annotated[str, typer.Option(help="alice or bob.")] = "alice",
    agent: Annotated[str, typer.Option(help="Name of the agent that the token vouches for.")] = "agent",
    audience: Annotated[str | None, typer.Option(help="The server it is for; the running one if not given.")] = None,
) -> None:
    """Print an access token for an HTTP client.

    Of the sandbox's own identity provider.

    \b
    Examples:
      loaner sandbox token --user alice --agent hosted
    """
    import httpx2

    from loaner import settings
    from loaner.cli import _sandboxed, _servers

    configured = settings.load()
    url = _sandboxed.running(configured.home)
    if audience is None:
        serving = [server.mcp_url for server in _servers.running(configured.home) if server.mcp_url]
        audience = serving[0] if serving else f"{configured.public_url}/mcp"
    answer = httpx2.post(
        f"{url}/idp/sandbox/token", json={"user": user, "agent": agent, "audience": audience}, trust_env=False
    )
    if answer.status_code != 200:  # noqa: PLR2004
        raise UsageError("the sandbox refused.", do="Users are alice and bob.")
    print(answer.json()["access_token"])


def _home() -> Path:
    from loaner import settings

    return settings.load().home
