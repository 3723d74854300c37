"""Which user of this computer is at the other end of a loopback connection, as Linux tells.

On a computer with several people, everybody can reach everybody's loopback ports. The kernel's socket table names
the owner of the browser's end.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from pathlib import Path

Address = tuple[str, int]
_TABLE = Path("/proc/net/tcp")
_LOCAL, _REMOTE, _UID = 1, 2, 7  # columns, see proc(5)


def is_another_user(peer: Address, here: Address, *, table: Path = _TABLE, me: int | None = None) -> bool:
    """Is the browser's end known to belong to somebody else? Unknown is not known: elsewhere than on Linux, and
    behind relays, this defends nothing. Root may do anything anyway."""
    owner = _owner(peer, here, table)
    mine = me if me is not None else getattr(os, "getuid", lambda: -1)()
    return owner is not None and owner not in {0, mine}


def _owner(peer: Address, here: Address, table: Path) -> int | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        wanted = (_written(peer), _written(here))
        for line in table.read_text("ascii").splitlines()[1:]:
            columns = line.split()
            if (columns[_LOCAL], columns[_REMOTE]) == wanted:
                return int(columns[_UID])
    except (OSError, ValueError, IndexError, struct.error):
        return None
    return None


def _written(address: Address) -> str:
    """``127.0.0.1:8787`` as the table writes it: ``0100007F:2253``, the address in the machine's byte order."""
    (number,) = struct.unpack("=I", socket.inet_aton(address[0]))
    return f"{number:08X}:{address[1]:04X}"
