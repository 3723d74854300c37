"""Clients of the sandbox's identity provider: named by a document, registered, with a secret; and where answers go."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import jwt
import pytest
import uvicorn
from slack_app import browser
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from test_idp import VERIFIER, answer_of, asked, exchanged

from loaner.sandbox import pages
from loaner.sandbox.idp.documents import MAX_BYTES, names_a_document
from loaner.sandbox.idp.registered import SECRET
from loaner.sandbox.run import RunningSandbox, _listen, _Server
from office import self_signed

RESOURCE = "http://127.0.0.1:8800/mcp"
AGENT = "http://127.0.0.1:5000/back"
ELSEWHERE = "https://agent.example/client.json"


@pytest.fixture
async def idp(sandbox: RunningSandbox) -> AsyncIterator[httpx2.AsyncClient]:
    async with browser(base_url=sandbox.urls["idp"]) as client:
        yield client


async def code_of(idp: httpx2.AsyncClient, **changes: str) -> str:
    idp.cookies.set("sandbox_idp", "alice")
    shown = await idp.get("/authorize", params=asked(**changes))
    form = pages.read(str(shown.url), shown.status_code, shown.text).forms[0]
    location = (await idp.post(form.action, data=form.fields)).headers["location"]
    return str(httpx2.URL(location).params["code"])


async def status(idp: httpx2.AsyncClient, **changes: str) -> int:
    idp.cookies.set("sandbox_idp", "alice")
    return (await idp.get("/authorize", params=asked(**changes))).status_code


BY_DOCUMENT = {"client_id": ELSEWHERE, "redirect_uri": AGENT, "scope": "tools", "resource": RESOURCE}


async def test_a_client_named_by_a_document_gets_a_token_for_its_resource(idp: httpx2.AsyncClient) -> None:
    code = await code_of(idp, **BY_DOCUMENT)
    given = (await exchanged(idp, code, client_id=ELSEWHERE, redirect_uri=AGENT, resource=RESOURCE)).json()
    claims = jwt.decode(given["access_token"], options={"verify_signature": False})
    assert (claims["aud"], claims["client_id"], claims["scope"]) == (RESOURCE, ELSEWHERE, "tools")
    assert "act" not in claims
    assert "id_token" not in given, "nobody asked who signed in"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"resource": "http://127.0.0.1:8800/other"}, "invalid_target"),
        ({"client_id": "https://another.example/client.json"}, "invalid_grant"),
        ({"client_id": "loaner-web"}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:5001/back"}, "invalid_grant"),
        ({"client_secret": "x"}, "invalid_client"),
    ],
    ids=["another resource", "another client", "the pages", "another redirect", "a secret"],
)
async def test_a_code_is_for_its_client_redirect_and_resource(
    idp: httpx2.AsyncClient,
    changes: dict[str, str],
    error: str,
) -> None:
    code = await code_of(idp, **BY_DOCUMENT)
    fields = {"client_id": ELSEWHERE, "redirect_uri": AGENT} | changes
    assert (await exchanged(idp, code, **fields)).json() == {"error": error}


@pytest.mark.parametrize(
    "redirect",
    [
        "https://agent.example/back",
        "http://agent.example/back",
        "http://127.0.0.1.agent.example:1/x",
        "http://localhost",
        "http://localhost:1/x#y",
        "agent:/back",
        "",
    ],
)
async def test_answers_stay_on_this_machine(idp: httpx2.AsyncClient, redirect: str) -> None:
    assert await status(idp, **(BY_DOCUMENT | {"redirect_uri": redirect})) == 400
    assert await status(idp, **BY_DOCUMENT) == 200


async def test_behind_tls_answers_leave_it_where_a_switch_says_so(
    sandbox: RunningSandbox,
    idp: httpx2.AsyncClient,
) -> None:
    at_pages = {"redirect_uri": "https://loaner.example.com/signin/callback"}
    assert await status(idp, **at_pages) == 400
    sandbox.sandbox.switches.update({"idp_https_redirects": True})
    assert await status(idp, **at_pages) == 200
    assert await status(idp, redirect_uri="https://loaner.example.com/elsewhere") == 400
    assert await status(idp, **(BY_DOCUMENT | {"redirect_uri": "https://agent.example/back"})) == 200
    assert await status(idp, **(BY_DOCUMENT | {"redirect_uri": "http://agent.example/back"})) == 400


@pytest.mark.parametrize("resource", ["/mcp", "http://127.0.0.1:8800/mcp#x", "mcp"])
async def test_a_resource_is_a_whole_address(idp: httpx2.AsyncClient, resource: str) -> None:
    there = await idp.get("/authorize", params=asked(resource=resource))
    assert answer_of(there)["error"] == "invalid_target"


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        (ELSEWHERE, True),
        ("https://localhost:5000/a", True),
        ("http://agent.example/client.json", False),
        ("https://agent.example", False),
        ("https://agent.example/", False),
        ("https://agent.example/a/../b", False),
        ("https://agent.example/a#b", False),
        ("https://me@agent.example/a", False),
        ("https://[/a", False),
        ("loaner-web", False),
    ],
)
def test_which_names_are_addresses_of_documents(name: str, is_one: bool) -> None:
    assert names_a_document(name) is is_one


@asynccontextmanager
async def published(folder: Path, answer: Any) -> AsyncIterator[str]:
    """A document at an https address of this machine."""
    certificate, key = self_signed("localhost")
    (folder / "c.pem").write_bytes(certificate)
    (folder / "k.pem").write_bytes(key)

    async def document(request: Request) -> Response:
        said = answer(str(request.url)) if callable(answer) else answer
        return said if isinstance(said, Response) else JSONResponse(said)

    listener = _listen(0)
    config = uvicorn.Config(
        Starlette(routes=[Route("/client.json", document)]),
        ssl_certfile=folder / "c.pem",
        ssl_keyfile=folder / "k.pem",
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
        log_config=None,
        lifespan="off",
    )
    server = _Server(config)
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve, [listener])
        await server.ready.wait()
        yield f"https://localhost:{listener.getsockname()[1]}/client.json"
        server.force_exit = True
        server.stopping.set()
    listener.close()


def right(url: str, **changes: Any) -> dict[str, Any]:
    return {"client_id": url, "client_name": "<b>Agent</b>", "redirect_uris": ["http://127.0.0.1/back"]} | changes


async def test_a_document_on_this_machine_is_fetched_and_obeyed(idp: httpx2.AsyncClient, tmp_path: Path) -> None:
    async with published(tmp_path, right) as url:
        by = BY_DOCUMENT | {"client_id": url}
        idp.cookies.set("sandbox_idp", "alice")
        shown = await idp.get("/authorize", params=asked(**by))
        assert "&lt;b&gt;Agent" in shown.text
        assert await status(idp, **(by | {"redirect_uri": "http://127.0.0.1:5000/elsewhere"})) == 400


@pytest.mark.parametrize(
    "answer",
    [
        lambda url: right(f"{url}?"),
        lambda url: right(url, redirect_uris=None),
        lambda url: right(url, redirect_uris=[7]),
        lambda url: right(url, client_secret="s"),
        lambda url: right(url, token_endpoint_auth_method="client_secret_basic"),
        lambda url: right(url, client_uri="x" * MAX_BYTES),
        lambda _: ["a list"],
        lambda _: Response("<html>"),
        lambda url: JSONResponse(right(url), status_code=404),
        lambda url: Response(status_code=302, headers={"location": url}),
    ],
    ids=[
        "another client",
        "no redirects",
        "wrong redirects",
        "a secret",
        "with a secret",
        "too long",
        "a list",
        "a page",
        "nothing",
        "a redirect",
    ],
)
async def test_a_document_that_describes_no_such_client_names_nobody(
    idp: httpx2.AsyncClient,
    tmp_path: Path,
    answer: Any,
) -> None:
    async with published(tmp_path, answer) as url:
        assert await status(idp, **(BY_DOCUMENT | {"client_id": url})) == 400


@pytest.mark.parametrize(
    ("client", "proof", "status_code"),
    [
        ("loaner:web basic", {"auth": ("loaner%3Aweb+basic", "s3cret%3A+of%2Bthe%2Fpages%25")}, 200),
        ("loaner:web basic", {"auth": ("loaner:web basic", SECRET)}, 401),
        ("loaner-web-post", {"fields": {"client_secret": SECRET}}, 200),
        ("loaner-web-post", {"fields": {"client_secret": "guess"}}, 401),
        ("loaner-web-post", {"fields": {}}, 401),
        ("loaner-web-post", {"auth": ("loaner-web-post", "s3cret%3A+of%2Bthe%2Fpages%25")}, 401),
        ("loaner-web", {"fields": {"client_secret": SECRET}}, 401),
    ],
)
async def test_a_client_proves_itself_as_it_is_registered(
    sandbox: RunningSandbox, client: str, proof: dict[str, Any], status_code: int
) -> None:
    async with browser(base_url=sandbox.urls["idp"]) as idp:
        code = await code_of(idp, client_id=client)
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": asked()["redirect_uri"]}
        fields |= {"code_verifier": VERIFIER, **proof.get("fields", {})}
        if "auth" not in proof:
            fields["client_id"] = client
        answer = await idp.post("/token", data=fields, auth=proof.get("auth"))
    assert answer.status_code == status_code
