"""The way out of the network that loaner is in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from loaner.settings import urls
from loaner.settings.references import Reference
from loaner.settings.sections import _Section


def _proxy(written: str) -> str:
    if "@" in written:
        raise ValueError("must hold no credentials: name them by network.proxy_credentials")
    return urls.origin(written)


def _host_or_domain(written: str) -> str:
    """A host that would match nothing as it is written would be believed to be reached directly."""
    dot = "." if written.startswith(".") else ""
    return dot + urls.bindable(written.removeprefix("."))


class HostNetworkSettings(_Section):
    ca_file: Path
    """Authorities (PEM) that this host alone may have its certificate from, beside the usual ones."""


class NetworkSettings(_Section):
    """The way out, for everything that leaves loaner. The environment's proxies and authorities are never used."""

    proxy: Annotated[str, AfterValidator(_proxy)] | None = None
    """``http://proxy.corp.example:3128``: an HTTP proxy that makes tunnels (CONNECT). It never sees a request."""
    proxy_credentials: Reference | None = None
    """``user:password`` for the proxy."""
    no_proxy: tuple[Annotated[str, AfterValidator(_host_or_domain)], ...] = ()
    """Hosts that are reached directly: ``host``, or ``.suffix``. Loopback always is."""
    ca_file: Path | None = None
    """Authorities (PEM) to trust beside the usual ones, such as a company's own."""
    hosts: dict[Annotated[str, AfterValidator(urls.bindable)], HostNetworkSettings] = Field(default_factory=dict)
    """The same for one host: ``[network.hosts."ghe.corp.example"]``."""

    @model_validator(mode="after")
    def _credentials_are_for_a_proxy(self) -> Self:
        if self.proxy_credentials and not self.proxy:
            raise ValueError("proxy_credentials are for a proxy: set network.proxy too")
        return self
