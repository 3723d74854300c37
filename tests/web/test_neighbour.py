"""Another user of the same computer reaches the port, and is nobody there."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from loaner.web.neighbour import is_another_user

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's table is Linux's")


@pytest.fixture
def ends() -> tuple[tuple[str, int], tuple[str, int]]:
    return ("127.0.0.1", 40000), ("127.0.0.1", 8787)


def table(folder: Path, uid: int) -> Path:
    """As proc(5) shows it on a little-endian machine."""
    local = "0100007F" if sys.byteorder == "little" else "7F000001"
    file = folder / "tcp"
    file.write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        f"   0: {local}:2253 {local}:9C40 01 00000000:00000000 00:00000000 00000000   777        0 1 1\n"
        f"   1: {local}:9C40 {local}:2253 01 00000000:00000000 00:00000000 00000000   {uid}        0 2 1\n"
    )
    return file


@linux
@pytest.mark.parametrize(("uid", "other"), [(1000, False), (0, False), (1001, True)])
def test_the_owner_of_the_browsers_end_decides(
    tmp_path: Path,
    ends: tuple[tuple[str, int], tuple[str, int]],
    uid: int,
    other: bool,
) -> None:
    assert is_another_user(*ends, table=table(tmp_path, uid), me=1000) is other


@linux
@pytest.mark.parametrize("text", ["", "header\n", "header\nnot a line\n", "header\n \u0660"])
def test_what_cannot_be_told_is_not_known(
    tmp_path: Path, ends: tuple[tuple[str, int], tuple[str, int]], text: str
) -> None:
    file = tmp_path / "tcp"
    file.write_text(text)
    assert not is_another_user(*ends, table=file, me=1000)
    assert not is_another_user(*ends, table=tmp_path / "missing", me=1000)
    assert not is_another_user(("not an address", 1), ends[1], table=file, me=1000)


@linux
@pytest.mark.skipif(not hasattr(os, "getuid") or not Path("/proc/net/tcp").exists(), reason="no socket table here")
def test_a_real_connection_of_ours_is_ours() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as browser,
    ):
        served, peer = listening.accept()
        with served:
            assert not is_another_user(peer, served.getsockname())
            if os.getuid() != 0:
                return
            assert not is_another_user(peer, served.getsockname(), me=12345)  # root is let in
        assert browser
