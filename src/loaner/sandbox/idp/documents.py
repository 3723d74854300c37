"""Clients that are named by the address of a document about them (draft-ietf-oauth-client-id-metadata-document).

A document on this machine is fetched and obeyed. The sandbox never goes elsewhere: of a client whose document is, it
takes the name on trust, and any redirect to this machine.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

MAX_BYTES = 5 * 1024
"""The draft's section 6.6."""
_HERE = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Document:
    name: str
    redirect_uris: tuple[str, ...] | None = None
    """``None`` where nobody has read them."""


def names_a_document(client_id: str) -> bool:
    """Section 3: https, a path, and neither a fragment nor a user nor dots in the path."""
    try:
        parts = urlsplit(client_id)
        host = parts.hostname
    except ValueError:
        return False
    plain = not parts.fragment and parts.username is None and not {".", ".."} & set(parts.path.split("/"))
    return parts.scheme == "https" and bool(host) and parts.path not in {"", "/"} and plain


async def described(client_id: str) -> Document | None:
    """What the document says; ``None`` where it does not describe this client as one without a secret."""
    host = urlsplit(client_id).hostname or ""
    if host not in _HERE:
        return Document(host)
    try:
        # On this machine, where no authority vouches for a name; the path to it is the kernel's.
        async with httpx2.AsyncClient(verify=False, trust_env=False, timeout=5) as http:
            answer = await http.get(client_id, headers={"accept": "application/json"})
        document = json.loads(answer.content) if answer.status_code == httpx2.codes.OK else None
    except (httpx2.HTTPError, ValueError, RecursionError):
        return None
    return _read(client_id, document) if len(answer.content) <= MAX_BYTES else None


def _read(client_id: str, document: Any) -> Document | None:
    if not isinstance(document, dict) or document.get("client_id") != client_id:
        return None
    redirects, method = document.get("redirect_uris"), document.get("token_endpoint_auth_method", "none")
    if "client_secret" in document or method != "none":
        return None
    if not isinstance(redirects, list) or not all(isinstance(one, str) for one in redirects):
        return None
    return Document(str(document.get("client_name") or client_id)[:100], tuple(redirects))
