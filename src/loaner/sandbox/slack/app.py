"""The emulated Slack, to be mounted at ``/slack``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Route

from loaner.sandbox.login import sign_in_route
from loaner.sandbox.slack.api import WebApi
from loaner.sandbox.slack.authorize import Codes, Consent
from loaner.sandbox.slack.files import UPLOAD_PATH, upload
from loaner.sandbox.slack.oauth import TokenEndpoint
from loaner.sandbox.slack.workspace import Workspace

if TYPE_CHECKING:
    from loaner.sandbox.app import Sandbox


def create_app(sandbox: Sandbox) -> Starlette:
    workspace = sandbox.inside["slack"] = Workspace(sandbox)
    codes = Codes(sandbox.clock)
    app = Starlette(
        routes=[
            sign_in_route("slack"),
            *Consent(workspace, codes).routes(),
            Route(
                "/api/oauth.v2.user.access",
                TokenEndpoint(workspace, codes, "oauth.v2.user.access").answer,
                methods=["POST"],
            ),
            Route("/api/oauth.v2.access", TokenEndpoint(workspace, codes, "oauth.v2.access").answer, methods=["POST"]),
            Route("/api/{method}", WebApi(workspace).answer, methods=["GET", "POST"]),
            Route(UPLOAD_PATH, upload(workspace), methods=["POST"]),
        ]
    )
    app.state.workspace = workspace
    return app
