"""One person's share: what they ask for beyond it is refused cheaply, and nobody else notices."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anyio
import httpx2
import pytest
from structlog.testing import capture_logs

from loaner.cli import _logging
from loaner.settings import LimitSettings
from mcp_server.doors import LEGACY, LIST, MODERN, Door, open_door
from mcp_server.fakes import consent_needed

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}},
}
PING = {"jsonrpc": "2.0", "id": 2, "method": "ping"}


def called(**arguments: Any) -> dict[str, Any]:
    params = {**LIST["params"], "name": "github_get_me", "arguments": arguments}  # type: ignore[dict-item]
    return {**LIST, "method": "tools/call", "params": params}


CALLED = {**MODERN, "mcp-method": "tools/call", "mcp-name": "github_get_me"}


async def opened(door: Door, sub: str) -> str:
    answer = await door.post(INITIALIZE, **door.bearer(sub=sub))
    assert answer.status_code == 200, answer.text
    return str(answer.headers["mcp-session-id"])


async def is_alive(door: Door, session: str, sub: str) -> bool:
    answer = await door.post(PING, mcp_session_id=session, **LEGACY, **door.bearer(sub=sub))
    return answer.status_code == 200


async def test_one_session_more_ends_the_longest_idle_one_of_that_person() -> None:
    """MUST 63."""
    async with open_door(limits=LimitSettings(sessions=5, sessions_per_person=3)) as door:
        alices = await opened(door, "alice")
        bobs = [await opened(door, "bob") for _ in range(3)]
        assert await is_alive(door, bobs[0], "bob")  # so the second is now the longest idle
        again = await opened(door, "bob")
        assert [await is_alive(door, one, "bob") for one in bobs] == [True, False, True]
        assert await is_alive(door, alices, "alice")
        # Where there is no room for anybody, whoever has most of it makes some.
        carols, daves = await opened(door, "carol"), await opened(door, "dave")
        assert await is_alive(door, alices, "alice")
        assert await is_alive(door, carols, "carol")
        assert await is_alive(door, daves, "dave")
        assert sum([await is_alive(door, one, "bob") for one in (*bobs, again)]) == 2


async def test_where_all_of_a_persons_sessions_are_busy_they_are_told_when_to_come_back() -> None:
    """MUST 63."""
    with capture_logs() as logs:
        await _busy_sessions()
    assert "limits.sessions" in str(logs)


async def _busy_sessions() -> None:
    async with open_door(limits=LimitSettings(sessions_per_person=1)) as door:
        started, free = anyio.Event(), anyio.Event()

        async def slow() -> dict[str, Any]:
            started.set()
            await free.wait()
            return {"n": 1}

        door.served.journey.script = [slow]  # type: ignore[list-item]
        session = await opened(door, "bob")
        call = {**PING, "method": "tools/call", "params": {"name": "github_get_me", "arguments": {}}}
        async with anyio.create_task_group() as tasks:

            async def busy() -> None:
                await door.post(call, mcp_session_id=session, **LEGACY, **door.bearer(sub="bob"))

            tasks.start_soon(busy)
            await started.wait()
            refused = await door.post(INITIALIZE, **door.bearer(sub="bob"))
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
            assert await opened(door, "alice")
            free.set()


async def test_calls_beyond_a_persons_rate_are_told_in_words_then_refused_unread() -> None:
    """MUST 63."""
    async with open_door(limits=LimitSettings(calls_per_minute=2)) as door:
        noted: list[Any] = []

        async def write(work: Any) -> None:
            noted.append(work)

        door.served.store.write = write
        answers = [await door.post(called(), **CALLED, **door.bearer(sub="bob")) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 2
        words = [answer.json()["result"]["content"][0]["text"] for answer in answers[:4]]
        assert [text.startswith("rate_limited") for text in words] == [False, False, True, True]
        assert int(answers[4].headers["retry-after"]) > 0
        assert len(door.served.journey.calls) == 2
        assert len(noted) == 1, "one record, however many were refused"
        assert (await door.post(called(), **CALLED, **door.bearer(sub="alice"))).status_code == 200


async def test_repetitions_of_a_call_that_waits_for_a_person_count_as_calls() -> None:
    """MUST 63: each leaves a row that says that its state was used, so nobody writes them without end."""
    opens = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {"url": {}}}}
    call = called()
    call["params"]["_meta"] = LIST["params"]["_meta"] | opens  # type: ignore[index]
    async with open_door(limits=LimitSettings(calls_per_minute=3)) as door:
        door.served.journey.script = [consent_needed()]
        states: list[str] = []
        for _ in range(5):
            answer = await door.post(call, **CALLED, **door.bearer(sub="bob"))
            result = answer.json()["result"]
            if "requestState" in result:
                states.append(result["requestState"])
                call["params"]["requestState"] = result["requestState"]
                call["params"]["inputResponses"] = {"consent": {"action": "accept"}}
        assert result["_meta"]["dev.loaner/error"]["code"] == "rate_limited"
        assert len(states) == 3
        assert len(door.served.consents.turns) == 2


REFUSED: dict[str, Callable[[Door, int], dict[str, str]]] = {
    "hosts": lambda _, number: {"host": f"evil-{number}.example"},
    "origins": lambda door, number: {"origin": f"https://evil-{number}.example", **door.bearer()},
    "tokens": lambda door, number: door.bearer(aud=f"https://other-{number}.example"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_refusals_without_end_fill_no_log_and_hide_no_other_line(
    what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """MUST 63: whoever needs no token for it is told of so many times, and not of what they wrote."""
    _logging.to_stderr()
    async with open_door() as door:
        for number in range(40):
            assert (await door.post(LIST, **MODERN, **REFUSED[what](door, number))).status_code >= 400
        logged = capsys.readouterr().err.splitlines()
        assert len(logged) == 30
        for other in set(REFUSED) - {what}:
            await door.post(LIST, **MODERN, **REFUSED[other](door, 1))
            assert len(capsys.readouterr().err.splitlines()) == 1


async def test_requests_of_one_person_at_the_same_time_are_counted_before_their_bodies() -> None:
    """MUST 63."""
    async with open_door(limits=LimitSettings(calls_at_once=1)) as door:
        stream = await anyio.connect_tcp("127.0.0.1", int(door.url.rpartition(":")[2]))
        async with stream:
            bearer = door.bearer(sub="bob")["authorization"]
            head = f"POST /mcp HTTP/1.1\r\nHost: {door.url[7:]}\r\nAuthorization: {bearer}\r\nContent-Length: 9\r\n"
            await stream.send(f"{head}Expect: 100-continue\r\n\r\n".encode())
            assert b"100" in await stream.receive()  # it is being read
            assert (await door.post(called(), **CALLED, **door.bearer(sub="bob"))).status_code == 429
            assert (await door.post(called(), **CALLED, **door.bearer(sub="alice"))).status_code == 200


async def test_bytes_of_one_person_are_counted() -> None:
    """MUST 63."""
    async with open_door(limits=LimitSettings(megabytes_per_minute=4)) as door:
        large = called(text="x" * 1_900_000)
        statuses = [(await door.post(large, **CALLED, **door.bearer(sub="bob"))).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert (await door.post(called(), **CALLED, **door.bearer(sub="alice"))).status_code == 200


@pytest.mark.parametrize(
    "arguments",
    [{str(n): 1 for n in range(20_000)}, {"text": [1] * 20_000}, json.loads("[" * 80 + "]" * 80)],
    ids=["names", "values", "depth"],
)
@pytest.mark.parametrize("headers", [CALLED, LEGACY], ids=["modern", "legacy"])
async def test_a_body_of_very_many_or_deep_values_is_refused_before_it_is_parsed(
    headers: dict[str, str], arguments: Any
) -> None:
    """MUST 63."""
    async with open_door() as door:
        body = called() | {"params": {**called()["params"], "arguments": arguments}}
        answer: httpx2.Response = await door.post(body, **headers, **door.bearer())
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)
    assert "than" in answer.json()["error"]["message"]
