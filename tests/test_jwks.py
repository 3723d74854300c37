"""The issuer's keys: where they are fetched from, how long they are believed, and what an outage means (MUST 6)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import anyio
import httpx2
import pytest

from desk import IDENTITY, Desk, at
from loaner.errors import NotAuthenticated, SettingsInvalid
from loaner.identity.access_tokens import AccessTokens
from loaner.identity.caller import UnverifiedToken
from loaner.identity.issuer_keys import FRESH, MAX_BYTES, PAUSE, STALE, IssuerKeys, IssuerUnreachable
from mcp_server.issuing import AUDIENCE, ISSUER, NOW, Issuer, b64, jwk, token


async def test_a_key_that_the_issuer_withdraws_takes_its_remembered_tokens_with_it(desk: Desk) -> None:
    given = token()
    await desk.check(given)
    desk.issuer.keys = [jwk("rsa-2")]
    desk.at = NOW + FRESH
    await desk.check(given)  # this one has the keys renewed, and does not wait for them
    await anyio.wait_all_tasks_blocked()
    with pytest.raises(NotAuthenticated):
        await desk.check(given)


async def test_a_slow_issuer_delays_nobody_whose_keys_are_still_good() -> None:
    """MUST 6: the keys are renewed beside the call, by one request at a time."""
    issuer, moment, held, release = Issuer(keys=[jwk("rsa-1")]), [NOW], list[str](), anyio.Event()

    async def answer(request: httpx2.Request) -> httpx2.Response:
        if moment[0] > NOW:
            held.append(str(request.url))
            await release.wait()
        return issuer.transport.handler(request)  # type: ignore[return-value]

    keys = IssuerKeys(ISSUER, now=lambda: moment[0], transport=httpx2.MockTransport(answer))
    tokens = AccessTokens(IDENTITY, audience=AUDIENCE, keys=keys, now=lambda: moment[0])
    async with keys:
        given = UnverifiedToken(token(exp=at(86_400)))
        await tokens.check(given)
        moment[0] = NOW + FRESH
        for _ in range(3):
            assert await tokens.check(given)
            await anyio.wait_all_tasks_blocked()
        assert len(held) == 1
        release.set()


async def test_a_new_key_is_found_when_a_token_names_it(desk: Desk) -> None:
    await desk.check(token())
    desk.issuer.keys.append(jwk("rsa-9"))
    desk.at = NOW + PAUSE
    assert await desk.check(token("rsa-9"))


async def test_invented_key_ids_do_not_make_us_hammer_the_issuer(desk: Desk) -> None:
    """MUST 6."""
    await desk.check(token())
    desk.at = NOW + PAUSE
    for number in range(50):
        with pytest.raises(NotAuthenticated):
            await desk.check(token("evil", header={"kid": f"invented-{number}"}))
    assert desk.asked("/jwks") == 2


async def test_while_it_is_not_known_whether_a_key_is_new_nobody_is_refused_for_it(desk: Desk) -> None:
    """An invented id has closed the throttle just before the issuer rotates: the new key is kept out for a moment."""
    await desk.check(token())
    desk.at = NOW + PAUSE
    with pytest.raises(NotAuthenticated):  # the issuer was asked for this very id
        await desk.check(token("evil", header={"kid": "invented"}))
    desk.issuer.keys = [jwk("rsa-9")]
    desk.at += PAUSE / 2
    for given in (token("rsa-9"), token("evil", header={"kid": "invented-too"})):
        with pytest.raises(IssuerUnreachable):
            await desk.check(given)
    desk.at += PAUSE / 2
    assert await desk.check(token("rsa-9"))
    desk.at += PAUSE / 2
    with pytest.raises(NotAuthenticated):  # signed with what was withdrawn: no new key, so refused at once
        await desk.check(token("rsa-1", sub="another"))


async def test_one_bad_key_does_not_spoil_the_others(desk: Desk) -> None:
    """MUST 6."""
    desk.issuer.keys = [
        {},
        "text",
        None,
        {"kty": "RSA", "kid": "bad", "n": "!!", "e": "AQAB"},
        {"kty": "RSA", "kid": "bad", "n": "", "e": ""},
        {"kty": "EC", "kid": "bad", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "kid": "bad", "crv": "P-999", "x": "AA", "y": "AA"},
        {"kty": "OKP", "kid": "bad", "crv": "Ed25519", "x": 7},
        {"kty": "oct", "kid": "bad", "k": "c2VjcmV0"},
        {"kty": "new", "kid": "bad"},
        jwk("rsa-1"),
    ]
    assert await desk.check(token())


@pytest.mark.parametrize(
    "key",
    [
        jwk("rsa-1", use="enc"),
        jwk("rsa-1", alg="RS512"),
        jwk("rsa-1", key_ops=["encrypt"]),
        jwk("weak-1", kid="rsa-1"),
        {"kty": "oct", "kid": "rsa-1", "k": b64(b"s" * 32)},
    ],
    ids=["for encryption", "for another algorithm", "not for verifying", "too short", "a shared secret"],
)
async def test_a_key_that_is_not_for_this_is_not_used(desk: Desk, key: dict[str, Any]) -> None:
    """MUST 5."""
    desk.issuer.keys = [key]
    signer = "weak-1" if len(str(key.get("n", ""))) < 200 and key["kty"] == "RSA" else "rsa-1"
    with pytest.raises(NotAuthenticated):
        await desk.check(token(signer, header={"kid": "rsa-1"}))


def _big(_: httpx2.Request) -> httpx2.Response:
    """Right in every way but its length."""
    right = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks", "keys": [jwk("rsa-1")]}
    return httpx2.Response(200, json=right | {"padding": "x" * MAX_BYTES})


AWAY: dict[str, Callable[[httpx2.Request], httpx2.Response | None]] = {
    "an error": lambda _: httpx2.Response(500),
    "a redirect": lambda _: httpx2.Response(302, headers={"location": f"{ISSUER}/elsewhere"}),
    "too much": _big,
    "not JSON": lambda _: httpx2.Response(200, content=b"<html>"),
    "a list": lambda _: httpx2.Response(200, json=[]),
    "nothing there": lambda _: httpx2.Response(404),
}


@pytest.mark.parametrize("bent", AWAY.values(), ids=AWAY.keys())
@pytest.mark.parametrize("where", ["openid-configuration", "jwks"])
async def test_without_the_issuers_keys_nobody_is_believed(
    desk: Desk, where: str, bent: Callable[[httpx2.Request], httpx2.Response | None]
) -> None:
    """MUST 6: an outage fails closed."""
    desk.issuer.override = lambda request: bent(request) if str(request.url).endswith(where) else None
    with pytest.raises(IssuerUnreachable):
        await desk.check(token())
    assert not any("elsewhere" in address for address in desk.issuer.asked)


async def test_a_short_outage_is_survived_and_a_long_one_is_not(desk: Desk) -> None:
    await desk.check(token(exp=at(86_400)))
    desk.issuer.override = lambda _: httpx2.Response(503)
    desk.at = NOW + STALE - timedelta(seconds=1)
    await desk.check(token(exp=at(86_400)))
    desk.at = NOW + STALE + PAUSE
    with pytest.raises(IssuerUnreachable):
        await desk.check(token(exp=at(86_400)))


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example", "jwks_uri": f"{ISSUER}/jwks"},
        {"issuer": ISSUER + "/", "jwks_uri": f"{ISSUER}/jwks"},
        {"issuer": ISSUER},
        {"issuer": ISSUER, "jwks_uri": "http://issuer.example/jwks"},
        {"issuer": ISSUER, "jwks_uri": "http://127.0.0.1/jwks"},
        {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"},
        {"issuer": ISSUER, "jwks_uri": "https://user:pass@issuer.example/jwks"},
    ],
    ids=["another issuer", "nearly the issuer", "no keys", "plain http", "loopback", "a file", "credentials"],
)
async def test_metadata_that_does_not_fit_the_issuer_is_refused(desk: Desk, metadata: dict[str, Any]) -> None:
    desk.issuer.metadata = metadata
    with pytest.raises(IssuerUnreachable):
        await desk.check(token())
    assert desk.asked("/jwks") == 0


async def test_metadata_may_stand_where_rfc_8414_puts_it(desk: Desk) -> None:
    desk.issuer.where = f"{ISSUER}/.well-known/oauth-authorization-server"
    assert await desk.check(token())


@pytest.mark.parametrize("issuer", ["http://issuer.example", "ftp://127.0.0.1", "issuer", "https://"])
def test_an_issuer_that_is_not_https_is_refused_at_the_start(issuer: str) -> None:
    with pytest.raises(SettingsInvalid, match="https"):
        IssuerKeys(issuer, now=lambda: NOW)
