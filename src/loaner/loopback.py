"""This computer, as its own programs name it: the one definition, for settings, providers, issuers and pages."""

from __future__ import annotations

import ipaddress
from typing import Final

NAMES: Final = ("127.0.0.1", "localhost", "::1")
"""The three names that clients use for one and the same server."""


def is_loopback(host: str | None) -> bool:
    """Does this host, without brackets, name this computer to itself (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3)?"""
    if host == "localhost":
        return True
    address = address_of(host or "")
    return address is not None and address.is_loopback


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is, if it is one; an IPv4 address that is written as IPv6 as itself."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
