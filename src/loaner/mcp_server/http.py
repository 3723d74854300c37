"""The door for agents elsewhere: streamable HTTP at ``/mcp``, for people and agents that a token vouches for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from mcp.server.auth.routes import build_resource_metadata_url
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from loaner.errors import SettingsInvalid
from loaner.identity.access_tokens import AccessTokens
from loaner.identity.issuer_keys import IssuerKeys
from loaner.identity.workloads import PeopleAndWorkloads, WorkloadTokens
from loaner.mcp_server.bearer import BearerDoor, caller_of
from loaner.mcp_server.disconnect import CancelledByLeaving
from loaner.mcp_server.gate import Gate, HostNames, OriginGate
from loaner.mcp_server.health import Health, Readiness, clock_agrees, issuer_known, store_writable
from loaner.mcp_server.ports import Served
from loaner.mcp_server.server import build, shares_of
from loaner.mcp_server.sessions import SharedSessions
from loaner.mcp_server.shares import ShareDoor
from loaner.network import Network
from loaner.settings import IdentitySettings

PATH: Final = "/mcp"
MAX_BODY: Final = 2 * 1024 * 1024
"""Bytes of one request; a file's contents travel in one."""
_WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"


def create_app(served: Served, web_routes: Sequence[BaseRoute] = (), *, keys: IssuerKeys | None = None) -> Starlette:
    """The whole web server: ``/mcp``, its metadata, and the pages in ``web_routes``.

    ``served.base_url`` must already be the address that clients use. Raises :class:`SettingsInvalid` without an
    identity provider: this door opens for nobody unknown.
    """
    identity = served.settings.identity
    if identity is None:
        raise SettingsInvalid(
            "serving over HTTP needs to know who calls.", do="Set identity.issuer to your OpenID Connect issuer."
        )
    resource = f"{served.base_url}{PATH}"
    names = HostNames.of(served.base_url, served.settings.http)
    network = Network.of(served.settings.network)
    keys = keys or IssuerKeys(identity.issuer, now=served.now, network=network)
    limits, shares = served.settings.limits, shares_of(served)
    sessions = SharedSessions(
        build(served, caller_of, shares),
        limits=limits,
        json_response=True,
        stateless=served.settings.http.stateless,
        max_request_body_size=MAX_BODY,
        security_settings=TransportSecuritySettings(
            allowed_hosts=sorted(names.hosts), allowed_origins=sorted(names.origins)
        ),
    )
    metadata_url = build_resource_metadata_url(AnyHttpUrl(resource))
    people = AccessTokens(identity, audience=identity.audience or resource, keys=keys, now=served.now)
    workloads = WorkloadTokens(
        served.settings.workloads,
        environment=served.settings.environment,
        scope=identity.required_scope,
        now=served.now,
        keys={identity.issuer: keys},
        network=network,
    )
    door = BearerDoor(
        ShareDoor(CancelledByLeaving(StreamableHTTPASGIApp(sessions)), shares, max_body=MAX_BODY),
        PeopleAndWorkloads(people, workloads) if served.settings.workloads else people,
        environment=served.settings.environment,
        requested_scope=identity.requested_scope or identity.required_scope,
        resource_metadata=str(metadata_url),
    )
    for_browsers = _cors(served.settings.http.allowed_origins)
    metadata = _metadata(resource, identity)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with keys, workloads, sessions.run():
            yield

    readiness = Readiness(
        {
            "store": store_writable(served.store, served.now),
            "clock": clock_agrees(served.store, served.now),
            "issuer": issuer_known(keys),
        },
        served.shutdown,
    )
    endpoint = OriginGate(door, names)
    app = Starlette(
        routes=[
            Route(PATH, endpoint, middleware=for_browsers),
            Route(f"{PATH}/", endpoint, middleware=for_browsers),  # served, not redirected: see below
            Route(_WELL_KNOWN, metadata, middleware=for_browsers),
            Route(metadata_url.path or _WELL_KNOWN, metadata, middleware=for_browsers),
            *web_routes,
        ],
        middleware=[Middleware(Health, readiness=readiness), Middleware(Gate, names=names)],
        lifespan=lifespan,
    )
    # Starlette would redirect to an address made from the socket, which behind TLS is another one than clients use.
    app.router.redirect_slashes = False
    return app


def _metadata(resource: str, identity: IdentitySettings) -> Callable[[Request], Awaitable[Response]]:
    """Protected resource metadata (RFC 9728 §2). ``resource`` is exactly the URL that a client was given."""
    document = {
        "resource": resource,
        "authorization_servers": [identity.issuer],
        "scopes_supported": [identity.requested_scope or identity.required_scope],
        "bearer_methods_supported": ["header"],
        "resource_name": "loaner",
    }

    async def answer(_: Request) -> Response:
        return JSONResponse(document, headers={"Cache-Control": "public, max-age=300"})

    return answer


def _cors(origins: Sequence[str]) -> list[Middleware]:
    """Pages elsewhere may be agents too, if the operator names their origin. No cookie ever counts here."""
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=["Mcp-Session-Id", "WWW-Authenticate"],
        )
    ]
