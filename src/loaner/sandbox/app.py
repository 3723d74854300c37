"""The whole sandbox as one web application: every provider under its prefix, and the controls beside them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from typing import cast

from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount

from loaner.sandbox.clock import SandboxClock
from loaner.sandbox.control import Control
from loaner.sandbox.faults import Faults, Faulty
from loaner.sandbox.idp import root_routes
from loaner.sandbox.ledger import Ledger
from loaner.sandbox.switches import Switches

PROVIDERS = ("github", "slack", "linear", "idp")


class Sandbox:
    """What the providers of one sandbox share. ``base_url`` is known once the port is."""

    def __init__(
        self,
        clock: SandboxClock | None = None,
        switches: Switches | None = None,
        faults: Faults | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.clock = clock or SandboxClock()
        self.switches = switches or Switches()
        self.faults = faults or Faults()
        self.ledger = Ledger(self.clock) if ledger is None else ledger
        self.base_url = "http://127.0.0.1"
        self.inside: dict[str, object] = {}
        """Each provider's own state, by provider, for tests that change its world."""

    @cached_property
    def github_app_key(self) -> rsa.RSAPrivateKey:
        """The private key of the registered GitHub App; made when first asked for, because it takes a while."""
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def urls(self) -> dict[str, str]:
        """Where each provider is: the web side by its name, the API beside it."""
        at = self.base_url
        return {
            "github": f"{at}/github",
            "github_api": f"{at}/github/api",
            "slack": f"{at}/slack",
            "slack_api": f"{at}/slack/api",
            "linear": f"{at}/linear",
            "linear_api": f"{at}/linear/api",
            "idp": f"{at}/idp",
            "control": f"{at}/sandbox",
        }


def create_app(sandbox: Sandbox) -> Starlette:
    """Mount every provider, each behind its faults."""
    routes: list[BaseRoute] = [Mount("/sandbox", routes=Control(sandbox).routes())]
    for name in PROVIDERS:
        # By name and only now: the providers' packages need this module first.
        create = cast("Callable[[Sandbox], Starlette]", import_module(f"loaner.sandbox.{name}").create_app)
        routes.append(Mount(f"/{name}", app=Faulty(create(sandbox), name, sandbox.faults)))
    routes.extend(root_routes(sandbox))
    return Starlette(routes=routes)
