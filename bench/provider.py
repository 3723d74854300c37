"""A provider that costs next to nothing, so that what is measured is not the sandbox.

The requests of a measured call (narrow a token, read one repository, revoke) are answered here from memory, `DELAY`
seconds after they came. Everything else, consent above all, goes on to the sandbox at `BEHIND`. Tokens are real: one
that was never made, or was revoked, gets 401. `/ledger` lists them all. Prints its port.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from typing import Any

import httpx2

BEHIND, DELAY = os.environ["BEHIND"], float(os.environ.get("DELAY", "0"))
API = "/github/api"
REPOSITORY = {
    "full_name": "acme/web",
    "description": "What the measured calls read.",
    "private": False,
    "archived": False,
    "default_branch": "main",
    "language": "Python",
    "open_issues_count": 3,
    "html_url": "https://github.com/acme/web",
    "pushed_at": "2026-01-01T00:00:00Z",
}
LEDGER: dict[str, dict[str, Any]] = {}


def minted(body: dict[str, Any]) -> tuple[int, Any]:
    token = f"ghu_{secrets.token_hex(18)}"
    LEDGER[token] = {"parent": body["access_token"], "minted": time.time(), "revoked": None, "uses": 0}
    installation = {"permissions": body["permissions"], "repository_selection": "selected"}
    return 200, {"token": token, "expires_at": "2100-01-01T00:00:00Z", "installation": installation}


def revoked(body: dict[str, Any]) -> tuple[int, Any]:
    entry = LEDGER.get(body["access_token"])
    if entry is None or entry["revoked"]:
        return 422, {"message": "Validation Failed"}
    entry["revoked"] = time.time()
    return 204, None


def described(token: str, parents: set[str]) -> tuple[int, Any]:
    entry = LEDGER.get(token)
    if token in parents:
        return 200, REPOSITORY
    if entry is None or entry["revoked"]:
        return 401, {"message": "Bad credentials"}
    entry["uses"] += 1
    return 200, REPOSITORY


class Provider(asyncio.Protocol):
    """One connection. Its clients are known, so nothing is defended against."""

    parents: set[str] = set()  # noqa: RUF012 - one provider a process
    """Tokens that the sandbox made: they are its to judge, but the bare server reads with one."""

    def __init__(self, behind: httpx2.AsyncClient) -> None:
        self.behind = behind
        self.came = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.came += data
        while b"\r\n\r\n" in self.came:
            head, _, rest = self.came.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            length = int(headers.get("content-length", "0"))
            if len(rest) < length:
                return
            body, self.came = rest[:length], rest[length:]
            method, target, _ = first.split(" ")
            self.asked(method, target, headers, body)

    def asked(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        if target == "/ledger":
            self.answer(200, list(LEDGER.values()))
            return
        if target.startswith(f"{API}/applications/") and target.endswith("/token/scoped"):
            answer = minted(json.loads(body))
        elif target.startswith(f"{API}/applications/") and method == "DELETE":
            answer = revoked(json.loads(body))
        elif target == f"{API}/repos/acme/web":
            answer = described(headers.get("authorization", "").partition(" ")[2], self.parents)
        else:
            asyncio.get_running_loop().create_task(self.forward(method, target, headers, body))
            return
        if DELAY:
            asyncio.get_running_loop().call_later(DELAY, self.answer, *answer)
        else:
            self.answer(*answer)

    async def forward(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        kept = {name: value for name, value in headers.items() if name not in {"host", "content-length", "connection"}}
        answer = await self.behind.request(method, BEHIND + target, headers=kept, content=body)
        document = answer.json() if answer.content else None
        if isinstance(document, dict) and "access_token" in document:
            self.parents.add(document["access_token"])
        self.answer(answer.status_code, document)

    def answer(self, status: int, document: Any) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        head = f"HTTP/1.1 {status} Told\r\nContent-Type: application/json\r\n"
        length = "" if status == 204 else f"Content-Length: {len(body)}\r\n"
        self.transport.write(f"{head}{length}\r\n".encode() + body)


async def main() -> None:
    async with httpx2.AsyncClient(trust_env=False) as behind:
        server = await asyncio.get_running_loop().create_server(lambda: Provider(behind), "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
