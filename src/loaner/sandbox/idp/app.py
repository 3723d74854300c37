"""The sandbox's identity provider, to be mounted at ``/idp``; its issuer is ``{base_url}/idp``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from jwt.exceptions import PyJWTError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from loaner.sandbox.idp.introspection import SECRET_METHODS, Introspection
from loaner.sandbox.idp.keys import ALGORITHM, Signer
from loaner.sandbox.idp.registered import Clients
from loaner.sandbox.idp.signin import SignIn
from loaner.sandbox.idp.tokens import ACCESS_TYPE, LIFE, SCOPE, access_claims
from loaner.sandbox.login import sign_in_route
from loaner.sandbox.world import PEOPLE

if TYPE_CHECKING:
    from loaner.sandbox.app import Sandbox


class IdentityProvider:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._signer = Signer()
        self.sign_in = SignIn(lambda: self.issuer, self._signer, sandbox.clock, Clients(sandbox.switches))
        self.introspection = Introspection(sandbox.clock)

    @property
    def issuer(self) -> str:
        return _issuer(self._sandbox)

    async def jwks(self, _: Request) -> Response:
        return JSONResponse(self._signer.jwks())

    async def rotate(self, _: Request) -> Response:
        """Sandbox only: a new signing key, as after a compromise."""
        self._signer.rotate()
        return JSONResponse(self._signer.jwks())

    async def token(self, request: Request) -> Response:
        """Sandbox only: an access token without any ceremony, also a wrong one.

        JSON ``{user, agent, audience, expires_in?, claims?, header?, signed_by?, opaque?}``: ``claims`` and ``header``
        replace what would stand there (``null`` removes it), ``signed_by`` is ``sandbox`` or ``stranger``. An
        ``opaque`` one says nothing by itself: the introspection endpoint knows it.
        """
        try:
            wanted = dict(await request.json())
            expires_in = int(wanted.get("expires_in", LIFE.total_seconds()))
            claims = access_claims(
                self.issuer,
                PEOPLE[wanted["user"]],
                agent=str(wanted["agent"]),
                audience=str(wanted["audience"]),
                now=self._sandbox.clock(),
                life=timedelta(seconds=expires_in),
                changes=dict(wanted.get("claims") or {}),
            )
            token = (
                self.introspection.issued(claims)
                if wanted.get("opaque")
                else self._signer.sign(
                    claims,
                    header={"typ": ACCESS_TYPE, **(wanted.get("header") or {})},
                    stranger=wanted.get("signed_by") == "stranger",
                )
            )
        except (KeyError, TypeError, ValueError, NotImplementedError, PyJWTError) as wrong:
            return JSONResponse({"error": f"{type(wrong).__name__}: {wrong}"}, status_code=422)
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": expires_in})

    async def id_token(self, request: Request) -> Response:
        """Sandbox only: what every ID token says from now on, as ``{claims}``; ``null`` removes a claim."""
        try:
            self.sign_in.id_changes = dict((await request.json())["claims"])
        except (KeyError, TypeError, ValueError) as wrong:
            return JSONResponse({"error": f"{type(wrong).__name__}: {wrong}"}, status_code=422)
        return JSONResponse(self.sign_in.id_changes)


def create_app(sandbox: Sandbox) -> Starlette:
    provider = IdentityProvider(sandbox)

    async def metadata(_: Request) -> Response:
        return JSONResponse(_metadata(provider.issuer))

    return Starlette(
        routes=[
            sign_in_route("idp"),
            Route("/.well-known/openid-configuration", metadata),
            Route("/.well-known/oauth-authorization-server", metadata),
            Route("/jwks", provider.jwks),
            Route("/authorize", provider.sign_in.authorize),
            Route("/continue", provider.sign_in.proceed, methods=["POST"]),
            Route("/token", provider.sign_in.token, methods=["POST"]),
            Route("/introspect", provider.introspection.answer, methods=["POST"]),
            Route("/sandbox/revoke", provider.introspection.revoke, methods=["POST"]),
            Route("/sandbox/id-token", provider.id_token, methods=["POST"]),
            Route("/sandbox/token", provider.token, methods=["POST"]),
            Route("/sandbox/rotate", provider.rotate, methods=["POST"]),
        ]
    )


def root_routes(sandbox: Sandbox) -> list[Route]:
    """RFC 8414 section 3.1 puts the well-known part before the issuer's path, so outside of ``/idp``."""

    async def metadata(_: Request) -> Response:
        return JSONResponse(_metadata(_issuer(sandbox)))

    return [Route("/.well-known/oauth-authorization-server/idp", metadata)]


def _issuer(sandbox: Sandbox) -> str:
    return f"{sandbox.base_url}/idp"


def _metadata(issuer: str) -> dict[str, object]:
    """OpenID Connect Discovery section 3, which is also valid by RFC 8414 section 2."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
        "scopes_supported": ["openid", "profile", "email", SCOPE],
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": ["none", *SECRET_METHODS],
        "introspection_endpoint": f"{issuer}/introspect",
        "introspection_endpoint_auth_methods_supported": SECRET_METHODS,
        "code_challenge_methods_supported": ["S256"],
        "client_id_metadata_document_supported": True,
        "authorization_response_iss_parameter_supported": True,
    }
