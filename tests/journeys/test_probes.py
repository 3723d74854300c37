"""What operators see without a token: probes, and which addresses are served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from structlog.testing import capture_logs

from journeys.town import Town, town
from loaner.errors import StoreUnusable

ANY_HOST = {"host": "10.244.0.5:8787"}


async def test_a_probe_by_address_hears_whether_the_server_lives_and_is_ready(tmp_path: Path) -> None:
    async with town(tmp_path) as here, httpx2.AsyncClient(base_url=here.loaner.base_url, trust_env=False) as http:
        for path in ("/livez", "/readyz"):
            answer = await http.get(path, headers=ANY_HOST)
            assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
            assert "set-cookie" not in answer.headers
            assert (await http.post(path)).status_code == 405
        here.loaner.shutdown.begin()
        stopping = await http.get("/readyz", headers=ANY_HOST)
        assert (stopping.status_code, stopping.json()["failing"]) == (503, ["stopping"])
        assert stopping.headers["connection"] == "close"
        assert (await http.get("/livez", headers=ANY_HOST)).status_code == 200


async def test_without_a_store_or_an_issuer_it_is_not_ready_and_a_flood_asks_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with town(tmp_path) as here, httpx2.AsyncClient(base_url=here.loaner.base_url, trust_env=False) as http:
        asked: list[int] = []

        async def full(work: Any) -> None:
            asked.extend([1] if "store_writable" in work.__qualname__ else [])
            raise StoreUnusable("canary: disk full")

        monkeypatch.setattr(here.loaner.store, "write", full)
        here.fault("idp", "status:503")
        answers: list[httpx2.Response] = []

        async def ask() -> None:
            answers.append(await http.get("/readyz"))

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(ask)
        assert {answer.status_code for answer in answers} == {503}
        assert answers[0].json()["failing"] == ["issuer", "store"]
        assert "canary" not in answers[0].text
        assert len(asked) == 1


async def test_the_endpoint_with_a_slash_is_the_endpoint_and_nothing_is_redirected(tmp_path: Path) -> None:
    """Behind TLS, an address made from the socket would be another one than the client's."""
    async with town(tmp_path) as here, httpx2.AsyncClient(base_url=here.loaner.base_url, trust_env=False) as http:
        hello = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "x", "version": "1"},
            },
        }
        sent = {
            "authorization": f"Bearer {await here.token()}",
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
        }
        answer = await http.post("/mcp/", content=json.dumps(hello), headers=sent)
        assert answer.status_code == 200, answer.text
        assert answer.json()["result"]["serverInfo"]["name"] == "loaner"
        for path in ("/device/", "/signin/", "/livez/", "/.well-known/loaner/"):
            assert (await http.get(path)).status_code == 404, path


async def test_an_unknown_host_or_origin_leaves_one_quoted_line_with_the_setting(tmp_path: Path) -> None:
    async with town(tmp_path) as here, httpx2.AsyncClient(base_url=here.loaner.base_url, trust_env=False) as http:
        with capture_logs() as logs:
            assert (await http.get("/", headers={"host": "proxy\x1b[31m.example"})).status_code in {400, 421}
            assert (await http.get("/", headers={"host": "proxy.example"})).status_code == 421
            assert (await http.post("/mcp", headers={"origin": "https://app.example"})).status_code == 403
    lines = [" ".join(map(str, line.values())) for line in logs if line["event"].startswith("refused a request")]
    assert any("'proxy.example'" in line and "http.public_url" in line and "allowed_hosts" in line for line in lines)
    assert any("'https://app.example'" in line and "http.allowed_origins" in line for line in lines)
    assert not any("\x1b" in line for line in lines)


async def test_the_absolute_form_of_another_host_is_refused(tmp_path: Path) -> None:
    """RFC 9112 §3.2.2: the target wins over ``Host``."""
    here: Town
    async with town(tmp_path) as here:
        own = here.loaner.base_url.removeprefix("http://")
        for target, status in (
            (f"http://{own}/livez", 200),
            ("http://evil.example/", 421),
            (f"http://{own}@evil/", 421),
        ):
            stream = await anyio.connect_tcp("127.0.0.1", int(own.rpartition(":")[2]))
            async with stream:
                await stream.send(f"GET {target} HTTP/1.1\r\nHost: {own}\r\n\r\n".encode())
                assert int((await stream.receive()).split()[1]) == status, target
