"""Who is at the other end of a connection, as far as an address tells, and how much one may take in a minute."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from time import monotonic
from typing import Final

MINUTE: Final = 60.0
_REMEMBERED: Final = 10_000
_SUBNET: Final = 64
"""Bits of an IPv6 address that name one peer: whoever has one address has all of its /64 (RFC 4291 §2.5.4)."""


def peer_of(address: str) -> str:
    """What counts as one peer: an IPv4 address, or the network of an IPv6 address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(ip_network((parsed, _SUBNET), strict=False))
    return str(parsed)


@dataclass
class PeerBucket:
    """So much in a minute, and at most a minute's worth at once."""

    most: float
    left: float
    at: float = field(default_factory=monotonic)

    def take(self, amount: float) -> float:
        """Seconds until it may be had; 0 where it was taken."""
        now = monotonic()
        self.left, self.at = min(self.most, self.left + (now - self.at) * self.most / MINUTE), now
        amount = min(amount, self.most)
        if amount > self.left:
            return (amount - self.left) * MINUTE / self.most
        self.left -= amount
        return 0.0


class PerPeer:
    """One bucket for each peer. The one heard of the longest ago is forgotten first."""

    def __init__(self, per_minute: int) -> None:
        self._most = per_minute
        self._of: OrderedDict[str, PeerBucket] = OrderedDict()

    def take(self, address: str) -> float:
        """One of this peer's; see :meth:`PeerBucket.take`."""
        return self.bucket(address).take(1)

    def bucket(self, address: str) -> PeerBucket:
        peer = peer_of(address)
        bucket = self._of.setdefault(peer, PeerBucket(self._most, self._most))
        self._of.move_to_end(peer)
        if len(self._of) > _REMEMBERED:
            self._of.popitem(last=False)
        return bucket
