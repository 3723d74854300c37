"""Is a file on a network file system? SQLite's WAL needs memory that all its users share, so they have to be on one
computer (sqlite.org/wal.html); a home of login nodes is used by several."""

from __future__ import annotations

import re
from pathlib import Path

_KINDS = """
9p afs beegfs ceph cifs coda glusterfs gpfs lustre ncpfs nfs nfs4 smb3 smbfs wekafs
fuse.ceph fuse.cephfs fuse.glusterfs fuse.juicefs fuse.rclone fuse.s3fs fuse.sshfs
"""
_NETWORK = frozenset(_KINDS.split())
_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")


def network_kind(file: Path, mounts: Path = _MOUNTS) -> str | None:
    """``nfs4``; ``None`` for a local one, and where the system does not tell (proc(5); Linux only)."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    place, found, kind = file.resolve(), Path(), ""
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(_ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), before.split(" ")[4]))
        # Of two at one place, the later one covers the earlier.
        if place.is_relative_to(point) and len(point.parts) >= len(found.parts):
            found, kind = point, after.split(" ")[0]
    return kind if kind in _NETWORK else None
