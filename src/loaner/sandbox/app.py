"""The whole sandbox as one web application: every provider under its prefix, and the controls beside them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
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


@dataclass
class Sandbox:
    """What the providers of one sandbox share. ``base_url`` is known once the port is."""

    clock: SandboxClock = field(default_factory=SandboxClock)
    switches: Switches = field(default_factory=Switches)
    faults: Faults = field(default_factory=Faults)
    ledger: Ledger = None  # type: ignore[assignment] # made from the clock just below
    base_url: str = "http://127.0.0.1"
    inside: dict[str, object] = field(default_factory=dict)
    """Each provider's own state, by provider, for tests that change its world."""

    def __post_init__(self) -> None:
        self.ledger = self.ledger or Ledger(self.clock)

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
        create = _provider(name)
        if create is not None:
            routes.append(Mount(f"/{name}", app=Faulty(create(sandbox), name, sandbox.faults)))
    routes.extend(root_routes(sandbox))
    return Starlette(routes=routes)


def _provider(name: str) -> Callable[[Sandbox], Starlette] | None:
    if importlib.util.find_spec(f"loaner.sandbox.{name}") is None:
        return None
    return cast(
        "Callable[[Sandbox], Starlette] | None", getattr(import_module(f"loaner.sandbox.{name}"), "create_app", None)
    )
