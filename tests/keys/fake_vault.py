"""As much of Vault's transit engine as one key needs: encrypt, decrypt, hmac, versions, and what it refuses.

Written from https://developer.hashicorp.com/vault/api-docs/secret/transit; the key is never given out.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = "hvs.test-token-of-the-fake-vault"


class Refused(Exception):
    def __init__(self, status: int, said: str) -> None:
        self.status, self.said = status, said


@dataclass
class FakeVault:
    url: str = ""
    token: str = TOKEN
    sealed: bool = False
    oldest: int = 1
    keys: dict[str, list[bytes]] = field(default_factory=lambda: {"loaner": [os.urandom(32)]})
    asked: list[str] = field(default_factory=list)

    def rotate(self, name: str = "loaner") -> None:
        self.keys[name].append(os.urandom(32))

    def answer(self, token: str | None, path: str, said: dict[str, Any]) -> dict[str, Any]:
        if self.sealed:
            raise Refused(503, "Vault is sealed")
        if token != self.token:
            raise Refused(403, "permission denied")
        mount, _, rest = path.removeprefix("/v1/").partition("/")
        verb, _, name = rest.partition("/")
        self.asked.append(verb)
        if mount != "transit":
            raise Refused(404, f"no handler for route {path!r}")
        if name not in self.keys:
            raise Refused(400, "encryption key not found")
        versions = self.keys[name]
        if verb == "encrypt":
            nonce, number = os.urandom(12), len(versions)
            body = nonce + AESGCM(versions[-1]).encrypt(
                nonce, _bytes(said, "plaintext"), _bytes(said, "associated_data")
            )
            return {"ciphertext": f"vault:v{number}:{base64.b64encode(body).decode()}", "key_version": number}
        if verb == "decrypt":
            _, version, written = said["ciphertext"].split(":")
            if int(version[1:]) < self.oldest:
                raise Refused(400, "ciphertext or signature version is disallowed by policy (too old)")
            body = base64.b64decode(written)
            try:
                plain = AESGCM(versions[int(version[1:]) - 1]).decrypt(
                    body[:12], body[12:], _bytes(said, "associated_data")
                )
            except InvalidTag:
                raise Refused(400, "cipher: message authentication failed") from None
            return {"plaintext": base64.b64encode(plain).decode()}
        version = int(said.get("key_version", len(versions)))
        if version < self.oldest:
            raise Refused(400, "cannot generate HMAC: version is too old (disallowed by policy)")
        made = hmac.digest(versions[version - 1], _bytes(said, "input"), "sha256")
        return {"hmac": f"vault:v{version}:{base64.b64encode(made).decode()}"}


def _bytes(said: dict[str, Any], name: str) -> bytes:
    return base64.b64decode(said.get(name, ""))


@contextmanager
def fake_vault() -> Iterator[FakeVault]:
    vault = FakeVault()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                status, told = 200, {"data": vault.answer(self.headers["X-Vault-Token"], self.path, said)}
            except Refused as refused:
                status, told = refused.status, {"errors": [refused.said]}
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    vault.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield vault
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
