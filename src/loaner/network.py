"""The way out: which authorities are trusted, which proxy is used. From the settings alone, not the environment.

Everything that leaves loaner uses it: requests to providers, an issuer's keys, Vault.
"""

from __future__ import annotations

import errno
import socket
import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from loaner.errors import SettingsInvalid
from loaner.loopback import is_loopback
from loaner.secret import Secret
from loaner.settings import NetworkSettings, resolve


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy that makes tunnels (CONNECT, RFC 9110 §9.3.6): it sees names and ports, never a request."""

    url: str
    credentials: Secret | None = None
    """``user:password``."""

    @property
    def headers(self) -> dict[str, str]:
        """For the CONNECT request alone."""
        if self.credentials is None:
            return {}
        return {"Proxy-Authorization": f"Basic {b64encode(self.credentials.reveal().encode()).decode()}"}


@dataclass(frozen=True)
class Network:
    """How a host is reached. Contexts are made once for each file of authorities."""

    proxy: Proxy | None = None
    no_proxy: tuple[str, ...] = ()
    """Hosts that are reached directly: ``host``, or ``.suffix`` for a domain and all below it."""
    ca_file: Path | None = None
    ca_files: dict[str, Path] = field(default_factory=dict)
    """For one host, beside the usual authorities."""
    _contexts: dict[Path | None, ssl.SSLContext] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, settings: NetworkSettings) -> Network:
        """Raises :class:`SettingsInvalid` for a file of authorities that cannot be used."""
        credentials = resolve(settings.proxy_credentials) if settings.proxy_credentials else None
        if credentials and ":" not in credentials.reveal():
            raise SettingsInvalid("network.proxy_credentials: what it names is not user:password.")
        proxy = Proxy(settings.proxy, credentials) if settings.proxy else None
        network = cls(
            proxy,
            tuple(host.lower() for host in settings.no_proxy),
            settings.ca_file,
            {name.lower(): host.ca_file for name, host in settings.hosts.items()},
        )
        if settings.ca_file:
            _check("network.ca_file", settings.ca_file)
        for name, host in settings.hosts.items():
            _check(f'network.hosts."{name}".ca_file', host.ca_file)
        return network

    def proxy_for(self, host: str) -> Proxy | None:
        """``None`` for loopback, and for what ``no_proxy`` names."""
        host = host.lower()
        named = any(host == one or (one.startswith(".") and f".{host}".endswith(one)) for one in self.no_proxy)
        return None if named or is_loopback(host) else self.proxy

    def tls(self, host: str) -> ssl.SSLContext:
        """What verifies this host. Blocks while a context is made."""
        own = self.ca_files.get(host.lower())
        if own not in self._contexts:
            context = httpx2.create_ssl_context(trust_env=False)
            context.set_alpn_protocols(["http/1.1"])
            for file in filter(None, (self.ca_file, own)):
                context.load_verify_locations(file)
            self._contexts[own] = context
        return self._contexts[own]

    def client(self, host: str, **options: Any) -> httpx2.AsyncClient:
        """An httpx2 client for this one host."""
        proxy = self.proxy_for(host)
        return httpx2.AsyncClient(
            verify=self.tls(host),
            proxy=httpx2.Proxy(proxy.url, headers=proxy.headers) if proxy else None,
            trust_env=False,
            follow_redirects=False,
            **options,
        )


def told(failure: httpx2.HTTPError, host: str) -> str:
    """Why a host was not reached, from what the system says, which httpx keeps below its own words."""
    below: BaseException = failure
    while (cause := below.__cause__ or below.__context__) is not None:
        below = cause
    match failure, below:
        case _, ssl.SSLCertVerificationError():
            return (
                f"the certificate of {host} is not accepted: {below.verify_message} (CERTIFICATE_VERIFY_FAILED). If a "
                "private authority issued it, set network.ca_file"
            )
        case httpx2.ProxyError(), _:
            return f"the proxy (network.proxy) makes no tunnel to {host}"
        case _, socket.gaierror():
            return f"the name {host} cannot be resolved"
        case httpx2.TimeoutException(), _:
            return f"no answer from {host} in time"
        case _, OSError():
            return f"no connection to {host}: {errno.errorcode.get(below.errno or 0, type(below).__name__)}"
    return f"no answer from {host}: {type(failure).__name__}"


def _check(setting: str, file: Path) -> None:
    """A file of certificates and nothing else. Its content is never told."""
    try:
        text = file.read_text(encoding="ascii", errors="replace")
    except OSError as failure:
        raise SettingsInvalid(f"{setting}: {file} cannot be read ({failure.strerror}).") from None
    if "PRIVATE KEY" in text:
        raise SettingsInvalid(
            f"{setting}: {file} holds a private key.", do="Name a file that holds the authority's certificates alone."
        )
    try:
        ssl.create_default_context(cadata=text or "nothing")
    except (ssl.SSLError, ValueError):
        raise SettingsInvalid(f"{setting}: {file} holds no certificate in PEM form.") from None
