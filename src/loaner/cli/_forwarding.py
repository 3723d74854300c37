"""A browser on another computer than loaner's: how it gets to pages that are on loopback."""

from __future__ import annotations

import getpass
import ipaddress
import os
from urllib.parse import urlsplit


def told(url: str) -> str:
    """What to run on the computer with the browser; empty where nobody came here over SSH.

    ``SSH_CONNECTION`` (sshd(8)) holds the client's address and port, then this server's.
    """
    parts, port = os.environ.get("SSH_CONNECTION", "").split(), urlsplit(url).port
    if not parts:
        return ""
    options, host = "", "THIS-COMPUTER"
    if len(parts) == 4 and _is_address(parts[2]) and parts[3].isdecimal():  # noqa: PLR2004
        host, options = parts[2], "" if parts[3] == "22" else f"-p {parts[3]} "
    return (
        "loaner runs on a computer that was reached over SSH. If the browser is on another one, run there first: "
        f"ssh -N {options}-L {port}:127.0.0.1:{port} {getpass.getuser()}@{host}"
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
