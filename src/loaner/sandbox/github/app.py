"""The emulated GitHub as a web application: github.com at its root, api.github.com under ``/api``."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Mount

from loaner.sandbox.app import Sandbox
from loaner.sandbox.github import operations, routing
from loaner.sandbox.github.hub import Hub
from loaner.sandbox.github.oauth import OAuth
from loaner.sandbox.github.pages import Pages


def create_app(sandbox: Sandbox) -> Starlette:
    """To be mounted at ``/github``. The :class:`Hub` is ``sandbox.inside["github"]``, for tests to change."""
    hub = Hub(sandbox)
    sandbox.inside["github"] = hub
    operations.load()
    return Starlette(routes=[Mount("/api", routes=routing.routes(hub)), *OAuth(hub).routes(), *Pages(hub).routes()])
