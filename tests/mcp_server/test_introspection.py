"""Tokens that only their issuer can read: it is asked, briefly believed, and nobody is believed without it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import anyio
import httpx2
import pytest
from structlog.testing import capture_logs

from loaner.errors import SettingsInvalid
from loaner.identity import introspection
from loaner.identity.caller import Subject
from loaner.identity.introspection import _AT_ONCE, KEPT, KEPT_INACTIVE
from loaner.identity.issuer_keys import IssuerKeys
from loaner.sandbox.app import Sandbox, create_app
from loaner.sandbox.idp.registered import SECRET
from loaner.settings import IdentitySettings
from mcp_server import doors
from mcp_server.doors import MODERN, Door, open_door

AT = "http://127.0.0.1:9"
ISSUER = f"{AT}/idp"
AUDIENCE = "https://loaner.example/mcp"
ASKING = {"client_id": "loaner-api", "client_secret": "env:API_SECRET"}


@dataclass
class Opaque:
    """A door whose issuer is the sandbox's, and how often that was asked."""

    door: Door
    sandbox: Sandbox
    issuer: httpx2.AsyncClient
    asked: list[httpx2.Request] = field(default_factory=list)

    async def token(self, **more: Any) -> str:
        body = {"user": "alice", "agent": "agent", "audience": AUDIENCE, "opaque": True} | more
        return str((await self.issuer.post(f"{ISSUER}/sandbox/token", json=body)).json()["access_token"])

    async def status(self, token: str) -> int:
        return (await self.door.post(authorization=f"Bearer {token}", **MODERN)).status_code


@asynccontextmanager
async def opaque(monkeypatch: pytest.MonkeyPatch, **identity: Any) -> AsyncIterator[Opaque]:
    monkeypatch.setenv("API_SECRET", SECRET)
    sandbox = Sandbox()
    sandbox.base_url = AT
    wire = httpx2.ASGITransport(app=create_app(sandbox))
    asked: list[httpx2.Request] = []

    async def overheard(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/introspect"):
            asked.append(request)
        return await wire.handle_async_request(request)

    served = doors.fake_loaner()
    served.now = sandbox.clock.now
    monkeypatch.setattr(doors, "fake_loaner", lambda **_: served)
    settings = IdentitySettings(**{"issuer": ISSUER, "audience": AUDIENCE, "introspection": ASKING} | identity)
    keys = IssuerKeys(ISSUER, now=sandbox.clock.now, transport=httpx2.MockTransport(overheard))
    async with (
        httpx2.AsyncClient(transport=wire) as issuer,
        open_door(settings={"identity": settings}, keys=keys) as door,
    ):
        yield Opaque(door, sandbox, issuer, asked)


@pytest.mark.parametrize(
    "asking",
    [
        ASKING,
        ASKING | {"client_id": "loaner-api-post", "client_auth": "client_secret_post"},
        ASKING | {"endpoint": f"{ISSUER}/introspect"},
    ],
    ids=["basic", "post", "an endpoint that is set"],
)
async def test_an_active_token_says_who_asks(monkeypatch: pytest.MonkeyPatch, asking: dict[str, str]) -> None:
    async with opaque(monkeypatch, introspection=asking) as at:
        token = await at.token(claims={"act": None})
        headers = {
            "authorization": f"Bearer {token}",
            **MODERN,
            "mcp-method": "tools/call",
            "mcp-name": "github_get_me",
        }
        body = {**doors.LIST, "method": "tools/call"}
        body["params"] = {**doors.LIST["params"], "name": "github_get_me", "arguments": {}}  # type: ignore[dict-item]
        assert (await at.door.post(body, **headers)).status_code == 200
        ((_, caller),) = at.door.served.journey.calls
        assert caller.subject == Subject(ISSUER, "user-alice")
        assert caller.agent.key == f"client {ISSUER} agent"
        assert token not in str(at.asked[0].url)


async def test_without_the_setting_an_opaque_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """MUST 3."""
    async with opaque(monkeypatch, introspection=None) as at:
        assert await at.status(await at.token()) == 401
        assert at.asked == []


REFUSED: dict[str, tuple[dict[str, Any], int]] = {
    "for another audience": ({"audience": "https://other.example"}, 401),
    "for others too": ({"claims": {"aud": [AUDIENCE, "https://other.example"]}}, 401),
    "for nobody": ({"claims": {"aud": None}}, 401),
    "for the pages": ({"claims": {"aud": "loaner-web"}}, 401),
    "of another issuer": ({"claims": {"iss": "https://evil.example"}}, 401),
    "over": ({"expires_in": -10}, 401),
    "without a person": ({"claims": {"sub": None}}, 401),
    "without a client": ({"claims": {"client_id": None, "azp": None, "act": None}}, 401),
    "without the scope": ({"claims": {"scope": "openid"}}, 403),
    "without scopes": ({"claims": {"scope": None}}, 403),
    "active in words": ({"claims": {"active": "true"}}, 401),
    "not active": ({"claims": {"active": False}}, 401),
    "a refresh token": ({"claims": {"token_type": "refresh_token"}}, 401),
    "with an end that is no time": ({"claims": {"exp": "tomorrow"}}, 401),
    "not begun": ({"claims": {"nbf": 99_999_999_999}}, 401),
}


@pytest.mark.parametrize(("wanted", "status"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_the_issuer_says_is_checked_like_a_signed_token(
    monkeypatch: pytest.MonkeyPatch, wanted: dict[str, Any], status: int
) -> None:
    """MUST 3, 4: active is not enough."""
    async with opaque(monkeypatch) as at:
        assert await at.status(await at.token()) == 200
        assert await at.status(await at.token(**wanted)) == status


async def test_the_claims_that_settings_name_are_read_here_too(monkeypatch: pytest.MonkeyPatch) -> None:
    named = {"scope_claim": "scp", "agent_claim": "cid", "subject_claim": "uid"}
    async with opaque(monkeypatch, **named) as at:
        okta = {"scope": None, "scp": ["tools"], "client_id": None, "azp": None, "cid": "a", "uid": "00u1", "act": None}
        assert await at.status(await at.token(claims=okta)) == 200
        assert await at.status(await at.token()) == 401


async def test_an_invented_token_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    """MUST 3, 63: and the same one does not make us ask each time."""
    async with opaque(monkeypatch) as at:
        assert [await at.status("invented") for _ in range(3)] == [401] * 3
        assert len(at.asked) == 1
        at.sandbox.clock.advance(KEPT_INACTIVE.total_seconds())
        await at.status("invented")
        assert len(at.asked) == 2


async def test_an_answer_is_believed_for_a_minute_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """MUST 3: a token that was revoked counts no longer than that."""
    async with opaque(monkeypatch) as at:
        token = await at.token()
        assert [await at.status(token) for _ in range(3)] == [200] * 3
        assert len(at.asked) == 1
        await at.issuer.post(f"{ISSUER}/sandbox/revoke", json={"token": token})
        at.sandbox.clock.advance((KEPT - timedelta(seconds=1)).total_seconds())
        assert await at.status(token) == 200
        at.sandbox.clock.advance(1)
        assert await at.status(token) == 401
        assert timedelta(minutes=1) >= KEPT


async def test_an_answer_is_never_believed_beyond_the_tokens_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """MUST 3."""
    async with opaque(monkeypatch) as at:
        token = await at.token(expires_in=20)
        assert await at.status(token) == 200
        at.sandbox.clock.advance(20)
        assert await at.status(token) == 401
        assert len(at.asked) == 2, "nothing that was kept is used"


async def test_a_token_without_an_end_is_asked_about_again_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """``exp`` is optional (RFC 7662 §2.2)."""
    async with opaque(monkeypatch) as at:
        token = await at.token(claims={"exp": None, "iat": None})
        assert await at.status(token) == 200
        at.sandbox.clock.advance(60)
        assert await at.status(token) == 200
        assert len(at.asked) == 2


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (lambda _: httpx2.Response(401, json={"error": "invalid_client"}), "compare identity.introspection"),
        (lambda _: httpx2.Response(500), "status 500"),
        (lambda _: httpx2.Response(302, headers={"location": "https://evil.example"}), "status 302"),
        (lambda _: httpx2.Response(200, content=b"<html>"), "not JSON"),
        (lambda _: httpx2.Response(200, json=[]), "not a JSON object"),
        (lambda _: httpx2.Response(200, content=b" " * 70_000), "more than"),
    ],
    ids=["our secret is wrong", "an error", "a redirect", "a page", "a list", "too much"],
)
async def test_without_an_answer_nobody_is_believed_and_nobody_is_sent_away_for_good(
    monkeypatch: pytest.MonkeyPatch, fault: Any, told: str
) -> None:
    """MUST 6, 60: 503 and not 401, which would make clients throw good tokens away."""
    async with opaque(monkeypatch) as at:
        token = await at.token()
        monkeypatch.setattr(httpx2.ASGITransport, "handle_async_request", _bent(fault))
        with capture_logs() as logs:
            answer = await at.door.post(authorization=f"Bearer {token}", **MODERN)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert told in str(logs)
        assert token not in str(logs)
        assert SECRET not in str(logs)
        assert told not in answer.text


def _bent(fault: Any) -> Any:
    honest = httpx2.ASGITransport.handle_async_request

    async def answer(self: httpx2.ASGITransport, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/introspect"):
            return fault(request)  # type: ignore[no-any-return]
        return await honest(self, request)

    return answer


@pytest.mark.parametrize("were_active", [False, True], ids=["invented", "active before"])
async def test_a_flood_of_invented_tokens_is_no_flood_at_the_issuer(
    monkeypatch: pytest.MonkeyPatch, were_active: bool
) -> None:
    """MUST 63."""
    under_way, most, release = 0, 0, anyio.Event()

    async def slow(_: httpx2.ASGITransport, request: httpx2.Request) -> httpx2.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == _AT_ONCE:
            release.set()
        await release.wait()
        under_way -= 1
        return httpx2.Response(200, json={"active": False})

    async with opaque(monkeypatch) as at:
        assert await at.status(await at.token()) == 200  # the issuer's metadata are here
        flood = [f"invented-{number}" for number in range(4 * _AT_ONCE)]
        if were_active:
            flood = [await at.token() for _ in flood]
            assert {await at.status(one) for one in flood} == {200}
            at.sandbox.clock.advance(KEPT.total_seconds())
        monkeypatch.setattr(httpx2.ASGITransport, "handle_async_request", slow)
        async with anyio.create_task_group() as group:
            for one in flood:
                group.start_soon(at.status, one)
        assert most == _AT_ONCE


async def test_invented_tokens_push_out_one_another_and_no_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered is bounded, and the oldest is forgotten first."""
    monkeypatch.setattr(introspection, "_REMEMBERED", 4)
    async with opaque(monkeypatch) as at:
        token = await at.token()
        assert await at.status(token) == 200
        for number in range(8):
            await at.status(f"invented-{number}")
        assert await at.status(token) == 200
        assert len(at.asked) == 9, "the real one is still known"
        await at.status("invented-7")
        assert len(at.asked) == 9
        await at.status("invented-0")
        assert len(at.asked) == 10
        others = [await at.token() for _ in range(5)]
        assert {await at.status(one) for one in others} == {200}
        assert (await at.status(token), len(at.asked)) == (200, 16), "of the real ones the oldest is forgotten too"


async def test_an_issuer_that_never_answers_is_waited_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by those that wait for their turn."""

    async def silent(*_: object) -> httpx2.Response:
        await anyio.sleep_forever()
        raise AssertionError

    async with opaque(monkeypatch) as at:
        token = await at.token()
        assert await at.status(token) == 200
        monkeypatch.setattr(introspection, "TIMEOUT", 0.2)
        monkeypatch.setattr(httpx2.ASGITransport, "handle_async_request", silent)
        with anyio.fail_after(30):
            answer = await at.door.post(authorization="Bearer invented", **MODERN)
        assert answer.status_code == 503


async def test_a_token_that_was_active_waits_behind_no_invented_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """MUST 63: whoever has no token keeps nobody out who has one."""
    answer, waiting, over, release = httpx2.ASGITransport.handle_async_request, 0, 0, anyio.Event()

    async def slow(self: httpx2.ASGITransport, request: httpx2.Request) -> httpx2.Response:
        nonlocal waiting, over
        if b"invented" in request.content:
            waiting += 1
            try:
                await release.wait()
            finally:
                over += 1
        return await answer(self, request)

    async with opaque(monkeypatch) as at:
        token = await at.token()
        assert await at.status(token) == 200
        at.sandbox.clock.advance(KEPT.total_seconds())
        monkeypatch.setattr(httpx2.ASGITransport, "handle_async_request", slow)
        async with anyio.create_task_group() as group:
            for number in range(2 * _AT_ONCE):
                group.start_soon(at.status, f"invented-{number}")
            while waiting < _AT_ONCE:
                await anyio.lowlevel.checkpoint()
            assert await at.status(token) == 200
            assert over == 0, "none of them had to end first"
            release.set()


def test_a_secret_that_is_not_there_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("API_SECRET", raising=False)
    served = doors.fake_loaner()
    identity = IdentitySettings.model_validate({"issuer": ISSUER, "introspection": ASKING})
    served.settings = served.settings.model_copy(update={"identity": identity})
    with pytest.raises(SettingsInvalid, match=r"identity\.introspection\.client_secret"):
        doors.create_app(served)


@pytest.mark.parametrize(
    "asking",
    [
        {"client_id": "x"},
        {"client_id": "x", "client_secret": "plain"},
        ASKING | {"client_auth": "none"},
        ASKING | {"endpoint": "http://issuer.example/introspect"},
    ],
    ids=["no secret", "a secret in the file", "no proof", "in the clear"],
)
def test_who_asks_the_issuer_proves_itself_and_in_private(asking: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="introspection"):
        IdentitySettings.model_validate({"issuer": ISSUER, "introspection": asking})
