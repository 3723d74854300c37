"""Which network addresses may be reached when a provider's answer, not our own data, names the host.

``is_global`` alone lets through translations that end at private addresses (NAT64, 6to4, Teredo, IPv4-compatible)
and multicast, so these are refused by name.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import anyio

_TRANSLATING = tuple(
    ip_network(network)
    for network in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "192.88.99.0/24")
)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    if mapped:
        return is_public(mapped)
    refused = any(address.version == network.version and address in network for network in _TRANSLATING)
    return address.is_global and not address.is_multicast and not address.is_reserved and not refused


async def resolve_public(host: str, port: int) -> str | None:
    """One address of ``host`` to connect to; none unless every address it resolves to is public.

    The caller connects to this very address: resolving twice could give two answers.
    """
    try:
        found = await anyio.getaddrinfo(host, port)
    except OSError:
        return None
    addresses = [str(entry[4][0]) for entry in found]
    return addresses[0] if addresses and all(is_public(ip_address(address)) for address in addresses) else None
