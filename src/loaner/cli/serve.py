"""``loaner serve``: the MCP server, over stdio or streamable HTTP, and its pages beside it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loaner.errors import SettingsInvalid
from loaner.loopback import is_loopback

if TYPE_CHECKING:
    from loaner.assembly import Loaner
    from loaner.cli._signals import Signals
    from loaner.identity.issuer_keys import IssuerKeys
    from loaner.settings import Settings


def serve(
    http: Annotated[bool, typer.Option("--http", help="Streamable HTTP at /mcp instead of stdio.")] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes any free one.")] = None,
    sandbox: Annotated[
        str | None, typer.Option(metavar="[URL]", help="Emulated providers: this home's sandbox, or the one at URL.")
    ] = None,
    task: Annotated[
        Path | None, typer.Option(help="A task (TOML) that a person agrees to before anything else is done.")
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="No tool that changes anything.")] = False,
    toolsets: Annotated[
        str | None, typer.Option(help="Toolsets to show, e.g. default,linear or github.issues.")
    ] = None,
    tools: Annotated[str | None, typer.Option(help="Only these tools.")] = None,
    exclude_tools: Annotated[str | None, typer.Option(help="Never these tools; beats everything else.")] = None,
) -> None:
    """Serve MCP clients, over stdio or HTTP.

    Over stdio for one local person, or over HTTP for many.

    \b
    Examples:
      loaner serve --sandbox
      loaner serve --http
      loaner serve --read-only --toolsets github.issues,slack
    """
    import anyio

    from loaner import settings as reading

    settings = reading.load(
        sandbox=sandbox,
        task=task,
        http=_said(host=host, port=port),
        tools=_said(
            toolsets=_names(toolsets),
            only=_names(tools),
            exclude=_names(exclude_tools),
            read_only=read_only or None,
        ),
    )
    with contextlib.suppress(KeyboardInterrupt):
        anyio.run(_serve, reading.with_project(settings), http)


def _said(**flags: Any) -> dict[str, Any]:
    return {name: value for name, value in flags.items() if value is not None}


def _names(listed: str | None) -> Any:
    return tuple(name.strip() for name in listed.split(",") if name.strip()) if listed else None


async def _serve(settings: Settings, http: bool) -> None:
    from loaner.assembly import open_loaner
    from loaner.cli import _logging, _servers, _signals

    _logging.to_stderr()
    async with contextlib.AsyncExitStack() as stack:
        signals = stack.enter_context(_signals.heard())
        signals.at_once.append(lambda: _servers.forget(settings.home, os.getpid()))
        connectors = None
        if settings.sandbox:
            from loaner.cli import _sandboxed

            url = settings.sandbox
            if settings.sandbox == "embedded":
                from loaner.cli import _own_sandbox
                from loaner.settings.home import made

                url = await _own_sandbox.joined(made(settings.home))
            settings, connectors = _sandboxed.on_sandbox(settings, url), _sandboxed.connectors(settings)
            await _sandboxed.refuse_nothing(url)
        loaner = await stack.enter_async_context(open_loaner(settings, connectors=connectors))
        if settings.sandbox:
            from loaner.cli import _own_sandbox

            await _own_sandbox.forget_the_gone(loaner)
        _say_of_the_store(settings, http=http)
        if not loaner.catalog.operations:
            _say_what_is_missing(loaner)
        signals.at_once.append(loaner.shutdown.cut)
        await (_over_http(loaner, signals) if http else _over_stdio(loaner, signals))


def _say_of_the_store(settings: Settings, *, http: bool) -> None:
    from sqlalchemy.engine import make_url

    from loaner.settings.notes import note
    from loaner.store.filesystems import network_kind

    url = make_url(settings.store_url)
    if url.get_backend_name() != "sqlite":
        if http and not settings.http.stateless:
            note(
                "the store can be shared by several servers. Behind a balancer, set http.stateless = true: a session "
                "of the earlier protocol era is known to one server only (docs/deploy.md)"
            )
    elif kind := network_kind(Path(url.database or "")):
        note(
            f"the store is on a network file system ({kind}), where SQLite is slower and depends on its locks. Set "
            "LOANER_HOME to a local disk, or store to a PostgreSQL database"
        )


def _say_what_is_missing(loaner: Loaner) -> None:
    from loaner.settings.notes import note

    settings = loaner.settings
    if loaner.connectors.serving(settings.environment):
        note("no tool is shown: the tools that are chosen are of providers without a connector")
        return
    file = settings.looked_for
    there = "" if settings.files else ", which does not exist yet"
    note(
        f"no connector is configured for the environment {settings.environment}, so no tool is shown. Add "
        f"[connectors.github] to {file}{there} (docs/configuration.md), or try: loaner serve --sandbox"
    )


async def _over_stdio(loaner: Loaner, signals: Signals) -> None:
    """The protocol on stdin and stdout, the consent pages on loopback."""
    from loaner import web
    from loaner.cli import _forwarding, _listening
    from loaner.identity.issuer_keys import IssuerKeys
    from loaner.mcp_server.stdio import serve_stdio
    from loaner.network import Network
    from loaner.settings.notes import note

    settings = loaner.settings
    if not is_loopback(settings.http.host):
        note(f"over stdio http.host ({settings.http.host}) is not used; http.stdio_host is what its pages listen on")
    # The person is at this machine, so the pages are too, unless they sign in from elsewhere.
    if is_loopback(settings.http.stdio_host):
        listener = _listening.loopback(settings.http.port)
        loaner.base_url = web.local_url(_listening.url(listener), settings)
        loaner.way_in = _forwarding.told(loaner.base_url)
    else:
        loaner.base_url = _from_elsewhere(settings)
        listener = _listening.at(settings.http.stdio_host, settings.http.port)
    if loaner.way_in:
        note(loaner.way_in)
    if sys.stdin.isatty():
        print("loaner: waiting for an MCP client on stdin; try: loaner demo", file=sys.stderr)
    async with contextlib.AsyncExitStack() as stack:
        way_out = Network.of(settings.network)
        keys = IssuerKeys(settings.identity.issuer, now=loaner.now, network=way_out) if settings.identity else None
        if keys:
            await stack.enter_async_context(keys)
        if keys and settings.identity and settings.consent.presence == "sign-in":
            await stack.enter_async_context(_looked_at(keys, settings))
        pages = web.create_app(web.local_site(loaner, keys))
        stack.enter_context(_announced(loaner, mcp_url=None))
        await stack.enter_async_context(_listening.served(pages, listener, limits=settings.limits))
        await serve_stdio(loaner, signals.told)


def _from_elsewhere(settings: Settings) -> str:
    """The address of pages that are not on loopback: whoever comes to them has to sign in."""
    if settings.consent.presence != "sign-in" or not settings.http.public_url:
        raise SettingsInvalid(
            f"http.stdio_host is {settings.http.stdio_host}: whoever reaches it would pass for the person of this "
            "computer.",
            do='Set consent.presence = "sign-in", and http.public_url to the address in their browser.',
        )
    return settings.http.public_url


async def _over_http(loaner: Loaner, signals: Signals) -> None:
    """The protocol at ``/mcp``, the pages and the well-known documents beside it."""
    import anyio

    from loaner import web
    from loaner.cli import _listening
    from loaner.identity.issuer_keys import IssuerKeys
    from loaner.mcp_server.http import create_app
    from loaner.network import Network
    from loaner.settings import urls
    from loaner.settings.notes import note

    settings = loaner.settings
    if settings.identity is None:
        raise SettingsInvalid(
            "serving over HTTP needs an identity provider, so that loaner knows who asks.",
            do="Set [identity] issuer in the settings file, or try: loaner serve --http --sandbox",
        )
    listener = _listening.at(settings.http.host, settings.http.port)
    here = urls.origin(web.local_url(_listening.url(listener), settings)) if not settings.http.public_url else ""
    loaner.base_url = settings.http.public_url or here
    if not urls.is_private(loaner.base_url):
        note(f"{loaner.base_url} is plain http: whoever is on the way can read and use access tokens and sessions")
    keys = IssuerKeys(settings.identity.issuer, now=loaner.now, network=Network.of(settings.network))
    app = create_app(loaner, web.routes(web.signed_in_site(loaner, settings.identity, keys)), keys=keys)
    print(f"loaner: MCP at {loaner.base_url}/mcp, pages at {loaner.base_url}/", file=sys.stderr, flush=True)
    with _announced(loaner, mcp_url=f"{loaner.base_url}/mcp"):
        async with (
            _listening.served(
                app,
                listener,
                lifespan="on",
                limits=settings.limits,
                shutdown=loaner.shutdown,
                finish_seconds=settings.stopping.finish_seconds,
            ),
            _looked_at(keys, settings),
        ):
            await signals.told.wait()
            loaner.shutdown.begin()
            if signals.first == signal.SIGTERM:  # a balancer takes a moment to see it; a terminal has none
                with anyio.move_on_after(settings.stopping.drain_seconds):
                    await signals.again.wait()


@contextlib.asynccontextmanager
async def _looked_at(keys: IssuerKeys, settings: Settings) -> AsyncIterator[None]:
    """Beside the serving, one look at each issuer: what is wrong there would otherwise show at the first sign-in."""
    import anyio

    from loaner.clock import utc_now
    from loaner.identity.issuer_faults import IssuerFault, issuer_faults, keys_missing, other_issuers
    from loaner.identity.issuer_keys import IssuerKeys
    from loaner.network import Network
    from loaner.settings.notes import note

    def tell(issuer: str, faults: list[IssuerFault]) -> None:
        for fault in faults:
            note(f"the issuer {issuer}: {fault.told}" + (f" (see {fault.cure})" if fault.cure else ""))

    async def look_at_other(issuer: str, setting: str) -> None:
        async with IssuerKeys(issuer, now=utc_now, network=Network.of(settings.network)) as others:
            tell(issuer, await keys_missing(others, setting))

    async def look() -> None:
        if settings.identity:
            tell(settings.identity.issuer, await issuer_faults(keys, settings.identity))

    async with anyio.create_task_group() as group:
        group.start_soon(look)
        for issuer, setting in other_issuers(settings).items():
            group.start_soon(look_at_other, issuer, setting)
        yield
        group.cancel_scope.cancel()


def _announced(loaner: Loaner, *, mcp_url: str | None) -> contextlib.AbstractContextManager[None]:
    from loaner.cli._servers import Server, announced

    return announced(loaner.settings.home, Server(os.getpid(), loaner.base_url, mcp_url, loaner.settings.sandbox))
