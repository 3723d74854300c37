"""Which access tokens are believed. Forgeries are also shown to joserfc, so that one library's slip is noticed."""

from __future__ import annotations

import hmac
import warnings
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx2
import joserfc.jwk
import joserfc.jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.errors import JoseError

from loaner.caller import AccessTokens, Subject, UnverifiedToken, local_subject
from loaner.errors import NotAuthenticated, SettingsInvalid
from loaner.jwks import FRESH, MAX_BYTES, PAUSE, STALE, IssuerKeys, IssuerUnreachable
from loaner.secret import fingerprint
from loaner.settings import IdentitySettings
from mcp_server.issuing import AUDIENCE, ISSUER, NOW, REMOVE, Issuer, b64, claims, jwk, private_key, token

IDENTITY = IdentitySettings(issuer=ISSUER, algorithms=("RS256", "PS256", "ES256", "EdDSA"))
KEYS = ["rsa-1", "rsa-2", "ec-1", "ed-1"]


@dataclass
class Desk:
    """Checks tokens at a moment that the test chooses."""

    issuer: Issuer
    at: datetime = NOW
    keys: IssuerKeys = field(init=False)
    tokens: AccessTokens = field(init=False)

    def __post_init__(self) -> None:
        self.keys = IssuerKeys(ISSUER, now=lambda: self.at, transport=self.issuer.transport)
        self.tokens = AccessTokens(IDENTITY, audience=AUDIENCE, keys=self.keys, now=lambda: self.at)

    async def check(self, given: str) -> Any:
        return await self.tokens.check(UnverifiedToken(given))

    def asked(self, what: str) -> int:
        return sum(address.endswith(what) for address in self.issuer.asked)


@pytest.fixture
async def desk(anyio_backend: str) -> AsyncIterator[Desk]:
    opened = Desk(Issuer(keys=[jwk(name) for name in KEYS]))
    async with opened.keys:
        yield opened


RIGHT: dict[str, Callable[[], str]] = {
    "RS256": token,
    "PS256": lambda: token(alg="PS256"),
    "ES256": lambda: token("ec-1", alg="ES256"),
    "EdDSA": lambda: token("ed-1", alg="EdDSA"),
    "ours among several audiences": lambda: token(aud=["https://other.example", AUDIENCE]),
    "issued by a clock a little ahead": lambda: token(iat=_at(20), nbf=_at(20)),
    "with keys elsewhere in the header, which nobody fetches": lambda: token(
        header={"jku": "https://evil.example/jwks", "x5u": "https://evil.example/x", "x5c": ["MA=="]}
    ),
    "with a key of its own in the header, which nobody uses": lambda: token(header={"jwk": jwk("ec-evil")}),
    "several scopes": lambda: token(scope="openid tools"),
}


def _at(seconds: float) -> int:
    return int(NOW.timestamp() + seconds)


def _unsigned(alg: str, signature: str = "") -> str:
    return f"{b64({'alg': alg, 'typ': 'at+jwt', 'kid': 'rsa-1'})}.{b64(claims())}.{signature}"


def _confused() -> str:
    """HS256 with the public key as the secret (CVE-2015-9235)."""
    signed = f"{b64({'alg': 'HS256', 'typ': 'at+jwt', 'kid': 'rsa-1'})}.{b64(claims())}"
    public = private_key("rsa-1").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return f"{signed}.{b64(hmac.digest(public, signed.encode(), 'sha256'))}"


def _parts(change: Callable[[list[str]], list[str]]) -> str:
    return ".".join(change(token().split(".")))


def _flip(part: str) -> str:
    middle = len(part) // 2
    return part[:middle] + ("A" if part[middle] != "A" else "B") + part[middle + 1 :]


FORGED: dict[str, Callable[[], str]] = {
    "alg none": lambda: _unsigned("none"),
    "alg None": lambda: _unsigned("None"),
    "alg NONE with a signature": lambda: _unsigned("NONE", "AAAA"),
    "alg missing": lambda: f"{b64({'typ': 'at+jwt', 'kid': 'rsa-1'})}.{b64(claims())}.AAAA",
    "alg as a list": lambda: f"{b64({'alg': ['RS256'], 'typ': 'at+jwt', 'kid': 'rsa-1'})}.{b64(claims())}.AAAA",
    "HS256 with the public key": _confused,
    "RS384": lambda: token(alg="RS384"),
    "RS512": lambda: token(alg="RS512"),
    "another key under a known id": lambda: token("evil", header={"kid": "rsa-1"}),
    "another of the issuer's keys under this id": lambda: token("rsa-2", header={"kid": "rsa-1"}),
    "an unknown key": lambda: token("evil"),
    "no key id": lambda: token(header={"kid": REMOVE}),
    "an empty key id": lambda: token(header={"kid": ""}),
    "a path for a key id": lambda: token("evil", header={"kid": "../../rsa-1"}),
    "its own key in the header": lambda: token("evil", header={"jwk": jwk("evil")}),
    "its own key address in the header": lambda: token("evil", header={"jku": "https://evil.example/jwks"}),
    "its own certificate address in the header": lambda: token("evil", header={"x5u": "https://evil.example/x"}),
    "an RSA signature that claims ES256": lambda: _relabelled("ES256"),
    "an RSA signature that claims EdDSA": lambda: _relabelled("EdDSA"),
    "an elliptic key's id on an RSA signature": lambda: token("rsa-1", header={"kid": "ec-1"}),
    "crit": lambda: token(header={"crit": ["exp"]}),
    "crit of an unknown extension": lambda: token(header={"crit": ["x"], "x": 1}),
    "an unencoded payload": lambda: token(header={"b64": True}),
    "no signature": lambda: _parts(lambda p: [p[0], p[1], ""]),
    "two parts": lambda: _parts(lambda p: p[:2]),
    "five parts": lambda: _parts(lambda p: [*p, "AAAA", "AAAA"]),
    "a flipped signature": lambda: _parts(lambda p: [p[0], p[1], _flip(p[2])]),
    "a flipped payload": lambda: _parts(lambda p: [p[0], _flip(p[1]), p[2]]),
    "a payload swapped in": lambda: _parts(lambda p: [p[0], b64(claims(sub="user-bob")), p[2]]),
    "a header swapped in": lambda: _parts(
        lambda p: [b64({"alg": "PS256", "typ": "at+jwt", "kid": "rsa-1"}), p[1], p[2]]
    ),
    "not JSON": lambda: _parts(lambda p: [b64(b"{"), p[1], p[2]]),
    "not a token": lambda: "hello",
    "nothing": lambda: "",
    "a deep header": lambda: _parts(lambda p: [b64(b"[" * 5000 + b"]" * 5000), p[1], p[2]]),
    "too long": lambda: token(padding="x" * 20_000),
}

MUTATED: dict[str, Callable[[], str]] = {
    # Signed by the issuer, so only what it says can give it away. MUST 3 and 4.
    "typ JWT": lambda: token(header={"typ": "JWT"}),
    "typ missing": lambda: token(header={"typ": REMOVE}),
    "typ of an ID token": lambda: token(header={"typ": "id+jwt"}),
    "typ in capitals": lambda: token(header={"typ": "AT+JWT"}),
    "iss missing": lambda: token(iss=REMOVE),
    "iss with a slash": lambda: token(iss=ISSUER + "/"),
    "iss of another": lambda: token(iss="https://evil.example"),
    "iss as a list": lambda: token(iss=[ISSUER]),
    "aud missing": lambda: token(aud=REMOVE),
    "aud of another": lambda: token(aud="https://other.example/mcp"),
    "aud a prefix": lambda: token(aud="https://loaner.example"),
    "aud with a slash": lambda: token(aud=AUDIENCE + "/"),
    "aud empty": lambda: token(aud=[]),
    "aud among numbers": lambda: token(aud=[1, AUDIENCE]),
    "exp missing": lambda: token(exp=REMOVE),
    "exp now": lambda: token(exp=_at(0), iat=_at(-60)),
    "exp past": lambda: token(exp=_at(-1), iat=_at(-60)),
    "exp zero": lambda: token(exp=0, iat=0),
    "exp null": lambda: token(exp=None),
    "exp as text": lambda: token(exp=str(_at(60))),
    "exp as a fraction": lambda: token(exp=_at(60) + 0.5),
    "exp true": lambda: token(exp=True, iat=False),
    "exp endless": lambda: token(exp=10**300),
    "exp before iat": lambda: token(exp=_at(5), iat=_at(10)),
    "nbf ahead": lambda: token(nbf=_at(120)),
    "nbf as text": lambda: token(nbf="now"),
    "iat missing": lambda: token(iat=REMOVE),
    "iat ahead": lambda: token(iat=_at(120)),
    "sub missing": lambda: token(sub=REMOVE),
    "sub empty": lambda: token(sub=""),
    "sub blank": lambda: token(sub="  "),
    "sub a number": lambda: token(sub=7),
    "sub over two lines": lambda: token(sub="user-alice\nuser-bob"),
    "sub endless": lambda: token(sub="x" * 300),
    "no agent": lambda: token(client_id=REMOVE),
    "an agent without a name": lambda: token(client_id=""),
    "an actor without a name": lambda: token(act={}),
    "an actor that is text": lambda: token(act="claude-code"),
}


def _relabelled(alg: str) -> str:
    _, body, signature = token().split(".")
    return f"{b64({'alg': alg, 'typ': 'at+jwt', 'kid': 'rsa-1'})}.{body}.{signature}"


def _second_opinion(given: str) -> bool:
    """Whether joserfc, with the same keys and algorithms, finds the signature right."""
    keys = joserfc.jwk.KeySet([joserfc.jwk.import_key(jwk(name)) for name in KEYS])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it prefers the newer name Ed25519 (RFC 9864)
            joserfc.jwt.decode(given, keys, algorithms=list(IDENTITY.algorithms))
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return False
    return True


@pytest.mark.parametrize("make", RIGHT.values(), ids=RIGHT.keys())
async def test_a_right_token_is_believed(desk: Desk, make: Callable[[], str]) -> None:
    given = make()
    known = await desk.check(given)
    assert known.subject == Subject(ISSUER, "user-alice")
    assert known.agent.key == "verified claude-code"
    assert "tools" in known.scopes
    assert known.fingerprint == fingerprint(given)
    assert not any("evil.example" in address for address in desk.issuer.asked)
    assert _second_opinion(given)


@pytest.mark.parametrize("make", FORGED.values(), ids=FORGED.keys())
async def test_a_forgery_is_refused(desk: Desk, make: Callable[[], str]) -> None:
    """MUST 5: 35 forgeries, 0 accepted; joserfc agrees wherever the signature itself is wrong."""
    given = make()
    with pytest.raises(NotAuthenticated, match="not valid here"):
        await desk.check(given)
    assert not any("evil.example" in address for address in desk.issuer.asked)
    if not _only_our_rules_refuse(given):
        assert not _second_opinion(given)


def _only_our_rules_refuse(given: str) -> bool:
    """The signature is right: a missing id, an extension, or the length is what we refuse."""
    return len(given) > 16 * 1024 or given in {
        FORGED["no key id"](),
        FORGED["crit"](),
        FORGED["an unencoded payload"](),
    }


def test_there_are_enough_forgeries() -> None:
    assert len(FORGED) >= 30
    assert len(MUTATED) >= 12


@pytest.mark.parametrize("what", MUTATED)
async def test_a_token_of_the_issuer_that_is_not_for_us_is_refused(desk: Desk, what: str) -> None:
    with pytest.raises(NotAuthenticated) as refused:
        await desk.check(MUTATED[what]())
    assert refused.value.log
    expired = what in {"exp now", "exp past", "exp zero"}
    assert refused.value.cause == f"the access token {'has expired' if expired else 'is not valid here'}."


async def test_an_algorithm_that_the_operator_did_not_list_is_refused(desk: Desk) -> None:
    narrow = IdentitySettings(issuer=ISSUER, algorithms=("ES256",))
    tokens = AccessTokens(narrow, audience=AUDIENCE, keys=desk.keys, now=lambda: NOW)
    assert await tokens.check(UnverifiedToken(token("ec-1", alg="ES256")))
    with pytest.raises(NotAuthenticated):
        await tokens.check(UnverifiedToken(token()))


async def test_the_agent_is_the_actor_before_the_client(desk: Desk) -> None:
    """RFC 8693 section 4.1; only the outermost actor counts (MUST 40)."""
    nested = token(act={"sub": "triage-bot", "act": {"sub": "older"}})
    assert (await desk.check(nested)).agent.name == "triage-bot"
    assert (await desk.check(token(client_id=REMOVE, azp="ci"))).agent.name == "ci"


async def test_a_person_is_never_their_mail_or_name(desk: Desk) -> None:
    """MUST 7: a recycled address belongs to another subject."""
    first = await desk.check(token(sub="user-1", email="a@acme.example", preferred_username="a"))
    second = await desk.check(token(sub="user-2", email="a@acme.example", preferred_username="a"))
    assert first.subject != second.subject
    assert first.display == second.display == "a"


async def test_a_remembered_token_is_not_verified_again_but_still_expires(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = token(exp=_at(100))
    await desk.check(given)

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("verified again")

    monkeypatch.setattr("loaner.caller.jwt.decode", never)
    await desk.check(given)
    desk.at = NOW + timedelta(seconds=100)
    with pytest.raises(NotAuthenticated, match="expired"):
        await desk.check(given)


async def test_a_key_that_the_issuer_withdraws_takes_its_remembered_tokens_with_it(desk: Desk) -> None:
    given = token()
    await desk.check(given)
    desk.issuer.keys = [jwk("rsa-2")]
    desk.at = NOW + FRESH
    with pytest.raises(NotAuthenticated):
        await desk.check(given)


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
    await desk.check(token(exp=_at(86_400)))
    desk.issuer.override = lambda _: httpx2.Response(503)
    desk.at = NOW + STALE - timedelta(seconds=1)
    await desk.check(token(exp=_at(86_400)))
    desk.at = NOW + STALE + PAUSE
    with pytest.raises(IssuerUnreachable):
        await desk.check(token(exp=_at(86_400)))


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


def test_the_local_person_is_not_whoever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    before = local_subject()
    for variable in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(variable, "somebody-else")
    assert local_subject() == before
    assert before.issuer == "local"
