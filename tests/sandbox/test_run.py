from __future__ import annotations

import json
from pathlib import Path

import anyio
import httpx2
import pytest

from loaner.sandbox.faults import DRIP_SECONDS
from loaner.sandbox.run import PortInUse, RunningSandbox, serving


async def test_a_running_sandbox_tells_where_it_is_and_forgets_it_at_the_end(tmp_path: Path) -> None:
    async with serving(home=tmp_path) as running:
        told = json.loads((tmp_path / "sandbox.json").read_text())
        assert told["base_url"] == running.base_url
        assert told["urls"]["github_api"] == f"{running.base_url}/github/api"
    assert not (tmp_path / "sandbox.json").exists()


async def test_a_port_in_use_is_said_so(sandbox: RunningSandbox) -> None:
    port = int(sandbox.base_url.rsplit(":", 1)[1])
    with pytest.raises(PortInUse, match=str(port)):
        async with serving(port):
            pass


async def test_the_clock_goes_forward_only(sandbox: RunningSandbox) -> None:
    before = sandbox.sandbox.clock.now()
    async with httpx2.AsyncClient(base_url=sandbox.urls["control"]) as http:
        assert (await http.post("/clock", json={"advance_seconds": 3600})).status_code == 200
        assert (await http.post("/clock", json={"advance_seconds": -1})).status_code == 422
    assert 3600 <= (sandbox.sandbox.clock.now() - before).total_seconds() < 3700


async def test_switches_change_together_or_not_at_all(sandbox: RunningSandbox) -> None:
    async with httpx2.AsyncClient(base_url=sandbox.urls["control"]) as http:
        wrong = await http.put("/switches", json={"github_token_ceiling": True, "no_such": 1})
        assert wrong.status_code == 422
        assert (await http.get("/switches")).json()["github_token_ceiling"] is False
        assert (await http.put("/switches", json={"github_token_ceiling": 1})).status_code == 422
        right = await http.put("/switches", json={"github_token_ceiling": True})
        assert right.json()["github_token_ceiling"] is True
    assert sandbox.sandbox.switches.github_token_ceiling is True


async def test_a_fault_happens_as_often_as_asked(sandbox: RunningSandbox) -> None:
    async with httpx2.AsyncClient(base_url=sandbox.base_url) as http:
        fault = {"provider": "github", "kind": "status:503", "path": "/api/user", "count": 1}
        assert (await http.post("/sandbox/faults", json=fault)).status_code == 200
        assert (await http.get("/github/api/rate_limit")).status_code != 503
        assert (await http.get("/github/api/user")).status_code == 503
        assert (await http.get("/github/api/user")).status_code == 401
        assert (await http.post("/sandbox/faults", json=fault | {"kind": "sabotage"})).status_code == 422


async def test_a_rate_limit_says_when_to_come_back(sandbox: RunningSandbox) -> None:
    sandbox.sandbox.faults.add("github", "rate_limit", count=1)
    async with httpx2.AsyncClient(base_url=sandbox.base_url) as http:
        answer = await http.get("/github/api/user")
    assert (answer.status_code, answer.headers["retry-after"]) == (403, "60")


async def test_a_hanging_provider_is_let_go_when_the_fault_is_cleared(sandbox: RunningSandbox) -> None:
    sandbox.sandbox.faults.add("github", "hang")
    async with httpx2.AsyncClient(base_url=sandbox.base_url) as http:
        with pytest.raises(httpx2.ReadTimeout):
            await http.get("/github/api/user", timeout=0.2)
        async with anyio.create_task_group() as group:

            async def hang() -> None:
                assert (await http.get("/github/api/user", timeout=30)).status_code == 503

            group.start_soon(hang)
            await http.get("/sandbox/faults")
            while len(sandbox.sandbox.faults._taken) < 2:
                await anyio.lowlevel.checkpoint()
            await http.delete("/sandbox/faults")
        assert (await http.get("/github/api/user")).status_code == 401


async def test_a_slow_answer_comes_byte_by_byte_and_whole(sandbox: RunningSandbox) -> None:
    sandbox.sandbox.faults.add("github", "slow_drip", path="/blobs/", count=1)
    async with httpx2.AsyncClient(base_url=sandbox.base_url) as http:
        before = anyio.current_time()
        answer = await http.get("/github/blobs/none")
    assert (answer.status_code, answer.text) == (403, "AuthenticationFailed")
    assert anyio.current_time() - before > 10 * DRIP_SECONDS


async def test_a_half_closed_answer_is_no_answer(sandbox: RunningSandbox) -> None:
    sandbox.sandbox.faults.add("github", "half_close", count=1)
    async with httpx2.AsyncClient(base_url=sandbox.base_url) as http:
        with pytest.raises(httpx2.RemoteProtocolError):
            await http.get("/github/api/user")
