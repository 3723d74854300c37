"""The MCP SDK's own client signs a person in, with nothing but the address of a server: ``serve --http --sandbox``."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import anyio.to_thread
import httpx2
import pytest
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from cli.terminal import Terminal, terminal_in
from journeys.town import EVERYTHING, error_of
from loaner.sandbox import pages
from loaner.sandbox.person import Person

REDIRECT = "http://127.0.0.1:41999/callback"
DOCUMENT = "https://agent.example/client.json"
READ = "github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1}


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with terminal_in(tmp_path) as at:
        yield at


@dataclass
class Agent:
    """What an agent's host keeps, and alice at her browser."""

    sandbox: str
    client: OAuthClientInformationFull | None = None
    tokens: OAuthToken | None = None
    back: str = ""
    seen: list[str] = field(default_factory=list)

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info

    async def browse(self, url: str) -> None:
        async with httpx2.AsyncClient() as browser:
            browser.cookies.set("sandbox_idp", "alice", domain="127.0.0.1", path="/idp")
            shown = await browser.get(url)
            page = pages.read(str(shown.url), shown.status_code, shown.text)
            self.seen.append(shown.text)
            answer = await browser.post(page.forms[0].action, data=page.forms[0].fields)
        self.back = answer.headers["location"]

    async def answered(self) -> AuthorizationCodeResult:
        assert self.back.startswith(REDIRECT)
        said = {name: values[0] for name, values in parse_qs(urlsplit(self.back).query).items()}
        return AuthorizationCodeResult(code=said["code"], state=said["state"], iss=said["iss"])

    @asynccontextmanager
    async def connected(self, mcp_url: str) -> AsyncIterator[Client]:
        auth = OAuthClientProvider(
            mcp_url,
            OAuthClientMetadata(client_name="An agent", redirect_uris=[REDIRECT]),  # type: ignore[list-item]
            self,
            redirect_handler=self.browse,
            callback_handler=self.answered,
            client_metadata_url=None if self.client else DOCUMENT,
        )
        http = httpx2.AsyncClient(auth=auth, timeout=60)
        async with http, Client(streamable_http_client(mcp_url, http_client=http)) as client:
            yield client


async def serving(terminal: Terminal) -> tuple[str, str]:
    """The addresses of the server's MCP door and of its sandbox."""
    server = terminal.start("serve", "--http", "--sandbox", "--port", "0", LOANER_STOPPING__DRAIN_SECONDS="0")
    line = await anyio.to_thread.run_sync(server.told)
    while "MCP at " not in line:
        assert line, "it ended"
        line = await anyio.to_thread.run_sync(server.told)
    url = line.partition("MCP at ")[2].partition(",")[0]
    return url, json.loads((terminal.home / "sandbox.json").read_text())["base_url"]


async def test_a_client_that_is_named_by_a_document_signs_in_and_works(terminal: Terminal) -> None:
    """MUST 8: from the 401 to the call, as the metadata say; the token is for this server and names this client."""
    url, sandbox = await serving(terminal)
    agent = Agent(sandbox)
    async with agent.connected(url) as client:
        asked = await client.call_tool(*READ)
        assert error_of(asked)["code"] == "consent_required"
        page, ours = error_of(asked)["url"], url.removesuffix("/mcp")
        walk = lambda: Person("alice", sandbox).visit(page, loaner_url=ours, choose=EVERYTHING)  # noqa: E731
        assert (await anyio.to_thread.run_sync(walk)).state == "approved"
        done = await client.call_tool(*READ)
    assert not done.is_error, done
    assert "agent.example" in agent.seen[0], "the person sees who asks"
    assert "127.0.0.1:41999" in agent.seen[0], "and where the answer goes"
    told = terminal.type("audit", "tail", "--json")
    assert DOCUMENT in told.out


async def test_a_client_that_was_registered_beforehand_signs_in(terminal: Terminal) -> None:
    url, sandbox = await serving(terminal)
    known = OAuthClientInformationFull(
        client_id="loaner-agent",
        redirect_uris=[REDIRECT],  # type: ignore[list-item]
        token_endpoint_auth_method="none",
        issuer=f"{sandbox}/idp",
    )
    async with Agent(sandbox, known).connected(url) as client:
        assert (await client.list_tools()).tools
