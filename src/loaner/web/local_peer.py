"""Which user of this computer is at the other end of a loopback connection, as Linux tells.

On a computer with several people, everybody can reach everybody's loopback ports. The kernel's socket table names
the owner of the browser's end.
"""

from __future__ import annotations

import os
import platform
import struct
import sys
from collections.abc import Sequence
from ipaddress import IPv4Address, ip_address
from pathlib import Path

Address = tuple[str, int]
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LOCAL, _REMOTE, _UID = 1, 2, 7  # columns, see proc(5)
HIDDEN = -1
"""No user's id: the owner of an end that should stand in a table, and does not."""
_LOOKS = 3
"""A table is read in pieces while it changes, so a row may be passed over once."""
_UNDER_WINDOWS = "microsoft" in platform.release().lower()


def is_another_user(peer: Address, here: Address, *, tables: Sequence[Path] = _TABLES, me: int | None = None) -> bool:
    """Does the browser's end belong to somebody else? Root may do anything anyway.

    A connection of this computer with itself stands in the tables twice. Where only our end does, the other one hides,
    and counts as somebody else's. Where neither does, or a table cannot be read, nothing is known and this defends
    nothing: elsewhere than on Linux, or under Windows, whose browsers stand in no table of ours. Behind a relay on this
    computer, the relay's owner is who is found.
    """
    owner = owner_of(peer, here, tables)
    mine = me if me is not None else getattr(os, "getuid", lambda: -1)()
    return owner is not None and owner not in {0, mine}


def owner_of(peer: Address, here: Address, tables: Sequence[Path] = _TABLES) -> int | None:
    """The user id of the peer's end of a connection to ``here``; :data:`HIDDEN` where it should be told and is not;
    ``None`` where nothing tells it.

    The same connection stands in the one table or the other by the family of the socket at that end: a program may
    reach 127.0.0.1 from a socket of IPv6 too.
    """
    if not sys.platform.startswith("linux"):
        return None
    try:
        theirs = {(_written(peer, mapped=mapped), _written(here, mapped=mapped)) for mapped in (False, True)}
    except (ValueError, struct.error):
        return None
    ours = {(remote, local) for local, remote in theirs}
    missed = False
    for _ in range(_LOOKS):
        owners, whole = _owners(tables)
        if found := theirs & owners.keys():
            return owners[found.pop()]
        missed = whole and bool(ours & owners.keys())
    return HIDDEN if missed and not _UNDER_WINDOWS else None


def _owners(tables: Sequence[Path]) -> tuple[dict[tuple[str, str], int], bool]:
    """Who owns which end of which connection, and whether all tables could be read to their end."""
    owners: dict[tuple[str, str], int] = {}
    whole = True
    for table in tables:
        try:
            for line in table.read_text("ascii").splitlines()[1:]:
                columns = line.split()
                owners[columns[_LOCAL], columns[_REMOTE]] = int(columns[_UID])
        except (OSError, ValueError, IndexError):
            whole = False
    return owners, whole


def _written(address: Address, *, mapped: bool) -> str:
    """``127.0.0.1:8787`` as a table writes it: ``0100007F:2253``, each word in the machine's byte order; ``mapped``, as
    the IPv6 address that stands for it (RFC 4291 §2.5.5.2)."""
    host = ip_address(address[0])
    packed = b"\x00" * 10 + b"\xff\xff" + host.packed if mapped and isinstance(host, IPv4Address) else host.packed
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return f"{''.join(f'{word:08X}' for word in words)}:{address[1]:04X}"
