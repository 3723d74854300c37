"""The browser is on another computer than loaner: over SSH, and in a container."""

from __future__ import annotations

import getpass
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from cli.terminal import Terminal
from journeys.town import error_of, local_agent, providers
from loaner.cli import _forwarding, _listening
from loaner.identity.caller import Subject
from loaner.web.identity import LocalIdentity, SignedInHere

READ = ("slack_list_channels", {})
PAGE = "http://127.0.0.1:8787/consent/x"


@pytest.mark.parametrize(
    ("connection", "line"),
    [
        ("203.0.113.9 50000 192.0.2.7 22", "ssh -N -L 8787:127.0.0.1:8787 me@192.0.2.7"),
        ("203.0.113.9 50000 2001:db8::7 2222", "ssh -N -p 2222 -L 8787:127.0.0.1:8787 me@2001:db8::7"),
        ("203.0.113.9 50000 $(reboot) 22", "ssh -N -L 8787:127.0.0.1:8787 me@THIS-COMPUTER"),
        ("203.0.113.9", "ssh -N -L 8787:127.0.0.1:8787 me@THIS-COMPUTER"),
        ("203.0.113.9 50000 192.0.2.7 22;reboot", "ssh -N -L 8787:127.0.0.1:8787 me@THIS-COMPUTER"),
    ],
)
def test_over_ssh_the_line_to_run_is_told(connection: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", connection)
    monkeypatch.setattr(getpass, "getuser", lambda: "me")
    assert _forwarding.told(PAGE).endswith(f": {line}")


async def test_each_link_over_ssh_comes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "203.0.113.9 50000 192.0.2.7 2222")
    async with providers(tmp_path / "town") as running, local_agent(tmp_path, running.base_url) as agent:
        told = error_of(await agent.call_tool(*READ))
    port = re.search(r"127\.0\.0\.1:(\d+)/", told["url"])
    assert port
    assert f"ssh -N -p 2222 -L {port[1]}:127.0.0.1:{port[1]} {getpass.getuser()}@192.0.2.7" in told["do"]


def test_without_ssh_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    assert _forwarding.told(PAGE) == ""


def test_servers_side_by_side_listen_on_ports_that_are_known_beforehand() -> None:
    with _listening.loopback(0) as free:
        first = free.getsockname()[1]
    with _listening.loopback(first) as one, _listening.loopback(first) as two:
        ports = [one.getsockname()[1], two.getsockname()[1]]
    assert ports[0] < ports[1] < first + 10


def test_a_host_that_is_not_used_is_said_to_be(terminal: Terminal) -> None:
    server = terminal.start(
        "serve", "--host", "0.0.0.0", LOANER_HTTP__PUBLIC_URL="https://loaner.example", LOANER_HTTP__PORT="0"
    )
    lines = [server.told(), server.told()]
    assert any("over stdio http.host (0.0.0.0) is not used; http.stdio_host" in line for line in lines), lines


@pytest.mark.parametrize(
    "more", [{}, {"LOANER_HTTP__PUBLIC_URL": "http://localhost:8787"}, {"LOANER_CONSENT__PRESENCE": "passkey"}]
)
def test_pages_that_others_reach_are_for_who_signs_in(terminal: Terminal, more: dict[str, str]) -> None:
    server = terminal.start("serve", LOANER_HTTP__STDIO_HOST="0.0.0.0", **more)
    lines = ""
    while "consent.presence" not in lines:
        line = server.told()
        assert line, lines
        lines += line
    assert "would pass for the person of this computer" in lines


def test_a_browser_elsewhere_is_let_in_only_where_it_has_to_sign_in() -> None:
    scope: dict[str, Any] = {"type": "http", "client": ("10.0.0.5", 1), "server": ("10.0.0.2", 2), "headers": []}
    request, me, issuer = Request(scope), Subject("local", "me"), SimpleNamespace()
    admitted = {
        "no sign-in": LocalIdentity(me).admits(request),
        "sign-in, on loopback": SignedInHere(issuer, me, "sub").admits(request),  # type: ignore[arg-type]
        "sign-in, anywhere": SignedInHere(issuer, me, "sub", anywhere=True).admits(request),  # type: ignore[arg-type]
    }
    assert admitted == {"no sign-in": False, "sign-in, on loopback": False, "sign-in, anywhere": True}
