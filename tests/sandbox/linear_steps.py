"""The steps the Linear tests have in common: a browser that says yes, a token, a question."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from starlette.applications import Starlette
from starlette.routing import Mount

from loaner.sandbox.app import Sandbox
from loaner.sandbox.clock import SandboxClock
from loaner.sandbox.ledger import Entry
from loaner.sandbox.linear import create_app
from loaner.sandbox.linear.registered import CLIENT_ID, CLIENT_SECRET

REDIRECT = "http://127.0.0.1:7777/callback/linear"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
"""When the tests happen; time stands still but for ``clock.advance``."""
VERIFIER = "v" * 50


def challenge(verifier: str = VERIFIER) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Linear:
    """One sandbox's Linear, as an app and a person's browser meet it."""

    sandbox: Sandbox = field(default_factory=lambda: Sandbox(clock=SandboxClock(lambda: NOON)))

    def __post_init__(self) -> None:
        self.app = create_app(self.sandbox)
        self.served = Starlette(routes=[Mount("/linear", self.app)])
        self.http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=self.served))

    @classmethod
    def over_http(cls, sandbox: Sandbox) -> Linear:
        """The Linear of a sandbox that is served already."""
        it = cls(sandbox)
        it.http = httpx2.AsyncClient()
        return it

    @property
    def api(self) -> str:
        return self.sandbox.urls["linear_api"]

    async def authorize_page(self, **changes: str | None) -> httpx2.Response:
        query = {
            "client_id": CLIENT_ID,
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": "read,write",
            "state": "s 1",
            "prompt": "consent",
            "actor": "user",
            "code_challenge": challenge(),
            "code_challenge_method": "S256",
        } | changes
        asked = {name: value for name, value in query.items() if value is not None}
        return await self.http.get(f"{self.sandbox.urls['linear']}/oauth/authorize", params=asked)

    async def submit(self, shown: httpx2.Response, **chosen: str) -> httpx2.Response:
        """Post the one form of a page, hidden fields and all."""
        action = re.search(r'<form method="post" action="([^"]+)"', shown.text)
        assert action, shown.text
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', shown.text))
        fields = {name: value.replace("&amp;", "&") for name, value in hidden.items()} | chosen
        return await self.http.post(f"{self.sandbox.base_url}{action[1]}", data=fields)

    async def consent(self, login: str = "alice", decision: str = "allow", **changes: str | None) -> dict[str, str]:
        """Walk the pages; what comes back to the redirect URI."""
        self.http.cookies.clear()
        shown = await self.authorize_page(**changes)
        back = await self.submit(shown, login=login)
        assert back.status_code == 303
        shown = await self.http.get(f"{self.sandbox.base_url}{back.headers['location']}")
        answered = await self.submit(shown, decision=decision)
        return returned(answered)

    async def exchange(self, **fields: str | None) -> httpx2.Response:
        form = {"client_id": CLIENT_ID} | fields
        sent = {name: value for name, value in form.items() if value is not None}
        return await self.http.post(f"{self.api}/oauth/token", data=sent)

    async def redeem(self, code: str, **changes: str | None) -> httpx2.Response:
        fields: dict[str, str | None] = {"code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER} | changes
        return await self.exchange(grant_type="authorization_code", **fields)

    async def refresh(self, token: str, **changes: str | None) -> httpx2.Response:
        return await self.exchange(grant_type="refresh_token", refresh_token=token, **changes)

    async def revoke(self, **fields: str) -> httpx2.Response:
        return await self.http.post(f"{self.api}/oauth/revoke", data=fields)

    async def tokens(self, login: str = "alice", scope: str = "read,write", **changes: str | None) -> dict[str, Any]:
        back = await self.consent(login, scope=scope, **changes)
        answer = await self.redeem(back["code"], client_secret=CLIENT_SECRET)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def token(self, login: str = "alice", scope: str = "read,write") -> str:
        return str((await self.tokens(login, scope))["access_token"])

    async def post(self, token: str | None, query: str, **variables: object) -> httpx2.Response:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        body = {"query": query, "variables": variables}
        return await self.http.post(f"{self.api}/graphql", json=body, headers=headers)

    async def ask(self, token: str, query: str, **variables: object) -> Any:
        """The data of an answer without errors."""
        answer = await self.post(token, query, **variables)
        assert answer.status_code == 200, answer.text
        assert "errors" not in answer.json(), answer.text
        return answer.json()["data"]

    async def refused(self, token: str, query: str, **variables: object) -> dict[str, Any]:
        """The extensions of the one error of an answer."""
        answer = (await self.post(token, query, **variables)).json()
        [error] = answer["errors"]
        return dict(error["extensions"]) | {"message": error["message"], "data": answer.get("data")}

    def entry(self, token: str) -> Entry:
        found = self.sandbox.ledger.find(token)
        assert found is not None
        return found


def returned(answer: httpx2.Response) -> dict[str, str]:
    """The query of a redirect to the app."""
    assert answer.status_code == 303, answer.text
    location = urlsplit(answer.headers["location"])
    assert location._replace(query="").geturl() == REDIRECT
    return {name: values[0] for name, values in parse_qs(location.query).items()}
