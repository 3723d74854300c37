"""The emulated Linear, to be mounted at ``/linear``; its API is under ``/linear/api``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Mount, Route

from loaner.sandbox.linear.authorize import Codes, Consent
from loaner.sandbox.linear.desk import Desk
from loaner.sandbox.linear.endpoint import Endpoint
from loaner.sandbox.linear.errors import PATH
from loaner.sandbox.linear.oauth import OAuth
from loaner.sandbox.login import sign_in_route

if TYPE_CHECKING:
    from loaner.sandbox.app import Sandbox


def create_app(sandbox: Sandbox) -> Starlette:
    desk = sandbox.inside["linear"] = Desk(sandbox)
    codes = Codes(desk)
    api = [*OAuth(desk, codes).routes(), Route(PATH, Endpoint(desk).answer, methods=["POST"])]
    app = Starlette(routes=[sign_in_route("linear"), *Consent(desk, codes).routes(), Mount("/api", routes=api)])
    app.state.desk = desk
    return app
