"""Steps of the GitHub tests: a browser, a registered app, and callers of the REST API."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2
import jwt

from loaner.sandbox.github import registered
from loaner.sandbox.github.hub import Hub
from loaner.sandbox.run import RunningSandbox

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
JSON = {"accept": "application/json"}


def hub(running: RunningSandbox) -> Hub:
    inside = running.sandbox.inside["github"]
    assert isinstance(inside, Hub)
    return inside


@dataclass
class GitHub:
    """Everything a client of GitHub can do, over HTTP."""

    running: RunningSandbox
    http: httpx2.AsyncClient

    # --- the API

    async def call(self, method: str, path: str, token: str = "", body: object = None, **headers: str):
        shown = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            shown["authorization"] = f"Bearer {token}"
        return await self.http.request(method, self.running.urls["github_api"] + path, json=body, headers=shown)

    async def as_client(self, method: str, what: str, body: object, secret: str = registered.CLIENT_SECRET):
        basic = base64.b64encode(f"{registered.CLIENT_ID}:{secret}".encode()).decode()
        path = f"/applications/{registered.CLIENT_ID}/{what}"
        return await self.call(method, path, body=body, authorization=f"Basic {basic}")

    async def as_app(self, method: str, path: str, body: object = None, **claims: object):
        now = int(time.time())
        signed = {"iss": registered.CLIENT_ID, "iat": now - 60, "exp": now + 540} | claims
        key = (await self.http.get(f"{self.running.urls['control']}/github-app-key")).text
        return await self.call(method, path, jwt.encode(signed, key, algorithm="RS256"), body)

    async def scoped(self, token: str, permissions: Mapping[str, str], *repositories: str):
        body = {"access_token": token, "target": "acme", "permissions": permissions, "repositories": repositories}
        return await self.as_client("POST", "token/scoped", body)

    # --- the web

    async def post(self, path: str, fields: Mapping[str, object], **headers: str):
        return await self.http.post(self.running.urls["github"] + path, data=dict(fields), headers=JSON | headers)

    async def start(self) -> dict[str, object]:
        return (await self.post("/login/device/code", {"client_id": registered.CLIENT_ID})).json()

    async def poll(self, device_code: object, **more: object) -> dict[str, object]:
        fields = {"client_id": registered.CLIENT_ID, "device_code": device_code, "grant_type": DEVICE_GRANT, **more}
        answer = await self.post("/login/oauth/access_token", fields)
        assert answer.status_code == 200
        return answer.json()

    async def sign_in(self, login: str) -> None:
        self.http.cookies.clear()
        await self.post("/login", {"login": login, "return_to": "/github/login/device"})

    async def decide(self, user_code: object, decision: str = "authorize") -> httpx2.Response:
        """Type the code, then press a button of the page that follows."""
        page = await self.post("/login/device", {"user_code": user_code})
        found = re.search(r'name="user_code" value="([A-Z-]+)"', page.text)
        if page.status_code != 200 or found is None:
            return page
        return await self.post("/login/device/confirmation", {"user_code": found[1], "decision": decision})

    async def user(self, login: str = "alice", **more: object) -> dict[str, object]:
        """The whole device flow."""
        started = await self.start()
        await self.sign_in(login)
        await self.decide(started["user_code"])
        return await self.poll(started["device_code"], **more)
