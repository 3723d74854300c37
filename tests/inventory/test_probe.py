"""``loaner inventory --probe``: what each key could reach, asked of the configured provider alone, and only then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from inventory.conftest import written
from inventory.made_up import Maker
from mcp_hosts.conftest import Desk

MAKE = Maker(20)
LIVING, DEAD, SLACK, LINEAR, REFRESH = MAKE.github(), MAKE.github(), MAKE.slack(), MAKE.linear(), f"ghr_{MAKE.some(76)}"
CORP = MAKE.github("gho_")


class Provider(ThreadingHTTPServer):
    """Stands in for one of three, as their documentation has them; and keeps what came."""

    def __init__(self, heard: list[tuple[str, str, str]]) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.heard = heard

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@dataclass
class Providers:
    github: str
    slack: str
    linear: str
    heard: list[tuple[str, str, str]]


class _Answering(BaseHTTPRequestHandler):
    server: Provider

    def log_message(self, *_: Any) -> None: ...

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self) -> None:
        sent = self.headers["Authorization"]
        self.server.heard.append((self.command, self.path.partition("?")[0], sent))
        more: dict[str, str] = {}
        status, body = 401, {"message": "Bad credentials"}
        if sent == f"Bearer {LIVING}" and self.path == "/api/user":
            status, body, more = 200, {"login": "ada"}, {"X-OAuth-Scopes": "repo, admin:org"}
        elif sent == f"Bearer {LIVING}":
            last = f'<{self.server.base}/user/repos?per_page=1&page=41>; rel="last"'
            status, body, more = 200, {}, {"Link": last}
        elif sent == f"Bearer {SLACK}":
            said = {"ok": True, "user": "ada", "team": "Acme"}
            status, body, more = 200, said, {"X-OAuth-Scopes": "chat:write,channels:history"}  # type: ignore[assignment]
        elif sent == LINEAR:
            said = {"data": {"viewer": {"name": "Ada"}, "organization": {"name": "Acme"}}}  # type: ignore[assignment]
            status, body = 200, said  # type: ignore[assignment]
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


@pytest.fixture
def providers() -> Iterator[Providers]:
    heard: list[tuple[str, str, str]] = []
    with ExitStack() as stack:
        servers = [stack.enter_context(Provider(heard)) for _ in range(3)]
        for server in servers:
            thread = Thread(target=server.serve_forever)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
        yield Providers(*(server.base for server in servers), heard)


@pytest.fixture
def config(providers: Providers, tmp_path: Path) -> str:
    hosts = {
        "github": f'{{web = "{providers.github}", api = "{providers.github}/api"}}',
        "slack": f'{{web = "{providers.slack}"}}',
        "linear": f'{{web = "{providers.linear}", api = "{providers.linear}"}}',
    }
    file = tmp_path / "here.toml"
    file.write_text("".join(f"hosts.{name} = {said}\n" for name, said in hosts.items()))
    return str(file)


def planted(desk: Desk) -> str:
    lines = [f"A={LIVING}", f"B={DEAD}", f"C={SLACK}", f"D={LINEAR}", f"E={REFRESH}", f"GH_ENTERPRISE_TOKEN={CORP}"]
    written(desk.home / "x" / ".env", "\n".join(lines))
    written(desk.home / ".config/gh/hosts.yml", f"ghe.corp.example:\n    user: ada\n    oauth_token: {CORP}\n")
    return str(desk.home / "x")


def test_nothing_is_sent_until_it_is_asked_for(desk: Desk, providers: Providers, config: str) -> None:
    folder = planted(desk)
    assert len(desk.type("inventory", folder, "--config", config, "--json").rows) == 7
    assert desk.type("inventory", folder, "--config", config).code == 0
    assert providers.heard == []


def test_each_key_is_shown_to_its_own_provider_and_to_no_other(desk: Desk, providers: Providers, config: str) -> None:
    done = desk.type("inventory", planted(desk), "--config", config, "--probe", "--json")
    assert done.code == 0, done.err
    reach = {row["name"]: row["reach"] for row in done.rows}
    assert reach["A"] == {
        "alive": True, "as": "ada", "scopes": ["repo", "admin:org"], "reaches": "41 repositories", "why": "",
    }  # fmt: skip
    assert reach["B"]["alive"] is False
    assert (reach["C"]["scopes"], reach["C"]["reaches"]) == (["chat:write", "channels:history"], "workspace Acme")
    assert (reach["D"]["as"], reach["D"]["reaches"]) == ("Ada", "organisation Acme")
    assert (reach["E"]["alive"], reach["E"]["why"]) == (None, "not asked: using it would change something")
    assert "no host of a provider in the settings" in reach["GH_ENTERPRISE_TOKEN"]["why"]
    assert "ghe.corp.example" in reach["oauth_token"]["why"]
    assert sorted(providers.heard) == sorted(
        [
            ("GET", "/api/user", f"Bearer {LIVING}"),
            ("GET", "/api/user/repos", f"Bearer {LIVING}"),
            ("GET", "/api/user", f"Bearer {DEAD}"),
            ("POST", "/api/auth.test", f"Bearer {SLACK}"),
            ("POST", "/graphql", LINEAR),
        ]
    )


def test_a_key_that_names_no_host_is_not_shown_to_a_server_of_ones_own(desk: Desk, tmp_path: Path) -> None:
    """The settings may put an enterprise server in the place of github.com, whose keys lie about all the same."""
    written(desk.home / "x" / ".env", f"A={LIVING}")
    file = tmp_path / "corp.toml"
    file.write_text('hosts.github = {web = "https://ghe.invalid", api = "https://ghe.invalid/api/v3"}\n')
    done = desk.type("inventory", str(desk.home / "x"), "--config", str(file), "--probe", "--json")
    assert done.code == 0, done.err
    (row,) = done.rows
    assert row["reach"]["why"].startswith("not asked: it is for github.com")


def test_a_provider_that_does_not_answer_leaves_it_open(desk: Desk, tmp_path: Path) -> None:
    written(desk.home / "x" / ".env", f"A={LIVING}")
    file = tmp_path / "nowhere.toml"
    file.write_text('hosts.github = {web = "http://127.0.0.1:9", api = "http://127.0.0.1:9"}\n')
    told = desk.type("inventory", str(desk.home / "x"), "--config", str(file), "--probe")
    assert told.code == 0
    assert "not known: no connection to 127.0.0.1" in told.out
