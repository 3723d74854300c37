"""Another user of the same computer reaches the port, and is nobody there."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from loaner.cli import _listening
from loaner.web.local_peer import is_another_user, owner_of

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's table is Linux's")
real = pytest.mark.skipif(
    not hasattr(os, "getuid") or not Path("/proc/net/tcp").exists(), reason="no socket table here"
)
Ends = tuple[tuple[str, int], tuple[str, int]]


@pytest.fixture
def ends() -> Ends:
    return ("127.0.0.1", 40000), ("127.0.0.1", 8787)


def loopback(prefix: str = "") -> str:
    """127.0.0.1 as proc(5) shows it on a machine of this byte order."""
    return prefix + ("0100007F" if sys.byteorder == "little" else "7F000001")


def mapped() -> str:
    """The same, of a socket of IPv6: ``::ffff:127.0.0.1``."""
    return loopback("0000000000000000" + ("FFFF0000" if sys.byteorder == "little" else "0000FFFF"))


def table(folder: Path, uid: int, host: str) -> Path:
    file = folder / "tcp"
    file.write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        f"   0: {host}:2253 {host}:9C40 01 00000000:00000000 00:00000000 00000000   777        0 1 1\n"
        f"   1: {host}:9C40 {host}:2253 01 00000000:00000000 00:00000000 00000000   {uid}        0 2 1\n"
    )
    return file


@linux
@pytest.mark.parametrize("host", [loopback(), mapped()], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize(("uid", "other"), [(1000, False), (0, False), (1001, True)])
def test_the_owner_of_the_browsers_end_decides(tmp_path: Path, ends: Ends, host: str, uid: int, other: bool) -> None:
    assert is_another_user(*ends, tables=[tmp_path / "missing", table(tmp_path, uid, host)], me=1000) is other


@linux
@pytest.mark.parametrize("text", ["", "header\n", "header\nnot a line\n", "header\n \u0660"])
def test_what_cannot_be_told_is_not_known(tmp_path: Path, ends: Ends, text: str) -> None:
    file = tmp_path / "tcp"
    file.write_text(text)
    assert not is_another_user(*ends, tables=[file], me=1000)
    assert not is_another_user(*ends, tables=[tmp_path / "missing"], me=1000)
    assert not is_another_user(("not an address", 1), ends[1], tables=[file], me=1000)


@linux
@pytest.mark.parametrize("host", [loopback(), mapped()], ids=["IPv4", "IPv6"])
def test_an_end_that_hides_while_ours_is_told_is_somebody_elses(tmp_path: Path, ends: Ends, host: str) -> None:
    file = table(tmp_path, 1000, host)
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:2]))
    assert is_another_user(*ends, tables=[file], me=1000)
    assert not is_another_user(*ends, tables=[file, tmp_path / "missing"], me=1000), "it may stand in the other"


@linux
def test_a_row_that_was_passed_over_is_looked_for_again(
    tmp_path: Path, ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel writes a table in pieces, and a busy computer changes it meanwhile."""
    file = table(tmp_path, 1000, loopback())
    whole = file.read_text()
    looks = iter(["".join(whole.splitlines(keepends=True)[:2]), whole])
    monkeypatch.setattr(Path, "read_text", lambda *_: next(looks))
    assert not is_another_user(*ends, tables=[file], me=1000)


@linux
@real
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_real_connection_of_ours_is_ours_whatever_socket_it_comes_from(family: socket.AddressFamily) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket(family) as browser:
        port = listening.getsockname()[1]
        try:
            browser.connect(("127.0.0.1" if family == socket.AF_INET else "::ffff:127.0.0.1", port))
        except OSError:
            pytest.skip("this computer has no IPv6")
        served, peer = listening.accept()
        with served:
            assert owner_of(peer, served.getsockname()) == os.getuid()
            assert not is_another_user(peer, served.getsockname())
            if os.getuid() == 0:
                assert not is_another_user(peer, served.getsockname(), me=12345)  # root is let in


async def test_who_connects_is_what_the_socket_says_and_no_header() -> None:
    """Anybody on this computer could say that they are somebody else's browser."""
    seen: list[Any] = []

    async def app(scope: Any, _: Any, send: Any) -> None:
        seen.append((scope["client"], scope["scheme"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    said = {"X-Forwarded-For": "127.0.0.1, 10.0.0.9", "X-Forwarded-Proto": "https", "Forwarded": "for=10.0.0.9"}
    listener = _listening.loopback(0)
    async with _listening.served(app, listener), httpx2.AsyncClient(trust_env=False) as other:
        await other.get(_listening.url(listener), headers=said)
    ((client, scheme),) = seen
    assert client[0] == "127.0.0.1"
    assert client[1] != 0, "a port of the connection, where the table of sockets is looked up"
    assert scheme == "http"
