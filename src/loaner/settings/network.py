"""The way out of the network that loaner is in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from loaner.settings.references import Reference
from loaner.settings.sections import _Section


class HostNetworkSettings(_Section):
    ca_file: Path
    """Authorities (PEM) that this host alone may have its certificate from, beside the usual ones."""


class NetworkSettings(_Section):
    """The way out, for everything that leaves loaner. The environment's proxies and authorities are never used."""

    proxy: Annotated[str, StringConstraints(pattern=r"https?://[^/?#@\s]+/?")] | None = None
    """``http://proxy.corp.example:3128``: an HTTP proxy that makes tunnels (CONNECT). It never sees a request."""
    proxy_credentials: Reference | None = None
    """``user:password`` for the proxy."""
    no_proxy: tuple[str, ...] = ()
    """Hosts that are reached directly: ``host``, or ``.suffix``. Loopback always is."""
    ca_file: Path | None = None
    """Authorities (PEM) to trust beside the usual ones, such as a company's own."""
    hosts: dict[str, HostNetworkSettings] = Field(default_factory=dict)
    """The same for one host: ``[network.hosts."ghe.corp.example"]``."""
