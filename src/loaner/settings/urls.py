"""Addresses in settings: https, or on this machine; and written in the one form that clients send (RFC 9110 §4.2.3)."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from loaner.loopback import address_of, is_loopback

_PORTS = {"https": 443, "http": 80}
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*", re.ASCII)
_ALL_NUMBERS = re.compile(r"(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+))*", re.ASCII)


def is_wildcard(host: str) -> bool:
    """Does binding to it mean every address of the machine?"""
    address = address_of(host)
    return address is not None and address.is_unspecified


def bindable(host: str) -> str:
    """An address or a name to listen on, without brackets. Raises :class:`ValueError`.

    An empty host, ``0`` and ``0x0`` would all mean every address to the system's resolver.
    """
    host = host.lower().removeprefix("[").removesuffix("]")
    address = address_of(host)
    if address is not None:
        return str(address)
    if not _is_name(host):
        raise ValueError("must be an address or a host name, such as 127.0.0.1")
    return host


def origin(written: str) -> str:
    """``scheme://host[:port]`` in normal form: lower case, no default port, no slash. Raises :class:`ValueError`."""
    parts = _parts(written)
    if parts.path not in {"", "/"} or parts.query or parts.fragment or "?" in written or "#" in written:
        raise ValueError("must be only https://HOST[:PORT], without a path, a query or a fragment")
    return _base(parts)


def base_url(written: str) -> str:
    """The same with a path, as of an API's hosts; a slash at its end is left out."""
    parts = _parts(written)
    if "?" in written or "#" in written:
        raise ValueError("must have no query and no fragment")
    return _base(parts) + parts.path.rstrip("/")


def private_base_url(written: str) -> str:
    """A base URL that a credential may be sent to. Raises :class:`ValueError`."""
    return must_be_private(base_url(written))


def is_private(url: str) -> bool:
    """Is it https, or http on this machine? Raises :class:`ValueError` where it is no URL."""
    parts = _parts(url)
    return parts.scheme == "https" or is_loopback(parts.hostname)


def must_be_private(url: str) -> str:
    """``url`` as it is: https, or http on this machine. Raises :class:`ValueError`."""
    if not is_private(url):
        raise ValueError("must begin with https:// (http only on loopback): it would travel in the clear")
    return url


def issuer(written: str) -> str:
    """An issuer, letter by letter: what tokens say must equal it (OpenID Connect Discovery 1.0 §4.3)."""
    if "?" in written or "#" in written:
        raise ValueError("must have no query and no fragment")
    return must_be_private(written)


def authority(written: str) -> str:
    """``host[:port]`` as clients send it in ``Host``. Raises :class:`ValueError`."""
    if "/" in written or "@" in written:
        raise ValueError("must be only HOST[:PORT], as in the Host header")
    parts = _parts(f"https://{written}")
    return _host(parts) + (f":{parts.port}" if parts.port else "")


def foreign_origin(written: str) -> str:
    """An ``Origin`` that may call: of a page, an editor (``vscode-file://vscode-app``) or ``null``."""
    if "*" in written:
        raise ValueError("must name each origin exactly; a pattern would let strangers in")
    if written == "null" or not written.lower().startswith(("http://", "https://")):
        return written
    return origin(written)


def _parts(written: str) -> SplitResult:
    if not written.isascii() or not written.isprintable() or " " in written or "\\" in written:
        raise ValueError("must be plain ASCII (write an international name as xn--…)")
    try:
        parts = urlsplit(written)
        port = parts.port
    except ValueError:
        raise ValueError("must be a URL whose host and port can be read") from None
    if parts.scheme not in _PORTS:
        raise ValueError("must begin with https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must have no user name or password in it")
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("must have a port that can be used, or none")
    host = parts.hostname or ""
    if host.endswith("."):
        raise ValueError("must not end its host with a dot: clients would send another name")
    address = address_of(host)
    if address is not None and address.is_unspecified:
        raise ValueError("must be a host that can be reached; a wildcard address is only to listen on")
    if address is None and not _is_name(host):
        raise ValueError("must have a host")
    return parts


def in_url(host: str) -> str:
    """A host as it stands in a URL: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def _base(parts: SplitResult) -> str:
    port = parts.port if parts.port != _PORTS[parts.scheme] else None
    return f"{parts.scheme}://{_host(parts)}" + (f":{port}" if port else "")


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    address = address_of(host)
    return in_url(str(address or host))


def _is_name(host: str) -> bool:
    return bool(_NAME.fullmatch(host)) and not _ALL_NUMBERS.fullmatch(host)
