"""Which access tokens are believed. Forgeries are also shown to joserfc, so that one library's slip is noticed."""

from __future__ import annotations

import hmac
import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import joserfc.jwk
import joserfc.jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.errors import JoseError

from desk import IDENTITY, KEYS, Desk, at
from loaner.blocks.blocks import Block, Party
from loaner.errors import NotAuthenticated
from loaner.identity import access_tokens
from loaner.identity.access_tokens import AccessTokens
from loaner.identity.caller import Agent, Subject, UnverifiedToken
from loaner.identity.local_person import local_subject
from loaner.secret import fingerprint
from loaner.settings import Connector, IdentitySettings
from mcp_server.issuing import AUDIENCE, ISSUER, NOW, REMOVE, b64, claims, jwk, private_key, token

RIGHT: dict[str, Callable[[], str]] = {
    "RS256": token,
    "PS256": lambda: token(alg="PS256"),
    "ES256": lambda: token("ec-1", alg="ES256"),
    "EdDSA": lambda: token("ed-1", alg="EdDSA"),
    "ours as the one of a list": lambda: token(aud=[AUDIENCE]),
    "an actor of the same issuer": lambda: token(client_id="x", act={"sub": "claude-code", "iss": ISSUER}),
    "issued by a clock a little ahead": lambda: token(iat=at(20), nbf=at(20)),
    "with keys elsewhere in the header, which nobody fetches": lambda: token(
        header={"jku": "https://evil.example/jwks", "x5u": "https://evil.example/x", "x5c": ["MA=="]}
    ),
    "with a key of its own in the header, which nobody uses": lambda: token(header={"jwk": jwk("ec-evil")}),
    "several scopes": lambda: token(scope="openid tools"),
    "a list of scopes": lambda: token(scope=["openid", "tools"]),
    "typ in capitals": lambda: token(header={"typ": "AT+JWT"}),
    "typ in full": lambda: token(header={"typ": "application/at+jwt"}),
    "aud with a slash": lambda: token(aud=AUDIENCE + "/"),
    "times as fractions": lambda: token(exp=at(60) + 0.5, iat=at(0) + 0.25, nbf=float(at(0))),
}


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
    "typ JWT": lambda: token(header={"typ": "JWT"}),
    "typ missing": lambda: token(header={"typ": REMOVE}),
    "typ of an ID token": lambda: token(header={"typ": "id+jwt"}),
    "iss missing": lambda: token(iss=REMOVE),
    "iss with a slash": lambda: token(iss=ISSUER + "/"),
    "iss of another": lambda: token(iss="https://evil.example"),
    "iss as a list": lambda: token(iss=[ISSUER]),
    "aud missing": lambda: token(aud=REMOVE),
    "aud of another": lambda: token(aud="https://other.example/mcp"),
    "aud a prefix": lambda: token(aud="https://loaner.example"),
    "aud of others too": lambda: token(aud=["https://other.example", AUDIENCE]),
    "aud with two slashes": lambda: token(aud=AUDIENCE + "//"),
    "aud with a slash and more": lambda: token(aud=AUDIENCE + "/x"),
    "aud empty": lambda: token(aud=[]),
    "aud among numbers": lambda: token(aud=[1, AUDIENCE]),
    "aud among lists": lambda: token(aud=[[AUDIENCE], AUDIENCE]),
    "exp missing": lambda: token(exp=REMOVE),
    "exp now": lambda: token(exp=at(0), iat=at(-60)),
    "exp past": lambda: token(exp=at(-1), iat=at(-60)),
    "exp zero": lambda: token(exp=0, iat=0),
    "exp null": lambda: token(exp=None),
    "exp as text": lambda: token(exp=str(at(60))),
    "exp a fraction past": lambda: token(exp=at(0) - 0.5, iat=at(-60)),
    "exp true": lambda: token(exp=True, iat=False),
    "exp endless": lambda: token(exp=10**300),
    "exp before iat": lambda: token(exp=at(5), iat=at(10)),
    "nbf ahead": lambda: token(nbf=at(120)),
    "nbf as text": lambda: token(nbf="now"),
    "iat missing": lambda: token(iat=REMOVE),
    "iat ahead": lambda: token(iat=at(120)),
    "sub missing": lambda: token(sub=REMOVE),
    "sub empty": lambda: token(sub=""),
    "sub blank": lambda: token(sub="  "),
    "sub a number": lambda: token(sub=7),
    "sub over two lines": lambda: token(sub="user-alice\nuser-bob"),
    "sub endless": lambda: token(sub="x" * 300),
    "no agent": lambda: token(client_id=REMOVE),
    "an agent without a name": lambda: token(client_id=""),
    "an actor without a name": lambda: token(act={}),
    "an actor of another issuer": lambda: token(act={"sub": "claude-code", "iss": "https://other.example"}),
    "an actor whose issuer is no text": lambda: token(act={"sub": "claude-code", "iss": 7}),
    "an actor whose issuer is null": lambda: token(act={"sub": "claude-code", "iss": None}),
    "a client called loaner": lambda: token(client_id="loaner"),
    "an actor called Loaner pages": lambda: token(act={"sub": "Loaner pages"}),
    "an agent whose name hides something": lambda: token(client_id="claude\u3164code"),
    "a person whose name hides something": lambda: token(sub="user-alice\ufe0f"),
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
    assert known.agent.key.endswith(f" {ISSUER} claude-code")
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
    """MUST 3, 4: signed by the issuer, so only what it says can give it away."""
    with pytest.raises(NotAuthenticated) as refused:
        await desk.check(MUTATED[what]())
    assert refused.value.log
    expired = what in {"exp now", "exp past", "exp zero", "exp a fraction past"}
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


async def test_the_same_name_of_another_kind_or_issuer_is_another_agent(desk: Desk) -> None:
    """MUST 28: whose approvals, tasks and blocks these are goes by the key."""
    trusting = IdentitySettings(issuer=ISSUER, actor_issuers=("https://other.example",))
    tokens = AccessTokens(trusting, audience=AUDIENCE, keys=desk.keys, now=lambda: NOW)
    as_client = (await desk.check(token(client_id="ci"))).agent
    as_actor = (await desk.check(token(act={"sub": "ci"}))).agent
    of_another = (await tokens.check(UnverifiedToken(token(act={"sub": "ci", "iss": "https://other.example"})))).agent
    agents = [as_client, as_actor, of_another, Agent("ci", "workload", ISSUER), Agent("ci"), Agent("ci", "loaner")]
    assert len({agent.key for agent in agents}) == len(agents)
    assert [agent.verified for agent in agents] == [True, True, True, True, False, False]
    assert [Agent.read(agent.stored()) for agent in agents] == agents


async def test_audiences_that_settings_trust_may_stand_beside_ours(desk: Desk) -> None:
    """MUST 4: whoever else a token is for could replay it here."""
    trusting = IdentitySettings(issuer=ISSUER, other_audiences=("https://issuer.example/userinfo",))
    tokens = AccessTokens(trusting, audience=AUDIENCE, keys=desk.keys, now=lambda: NOW)
    assert await tokens.check(UnverifiedToken(token(aud=[AUDIENCE, "https://issuer.example/userinfo"])))
    with pytest.raises(NotAuthenticated):
        await tokens.check(UnverifiedToken(token(aud=[AUDIENCE, "https://other.example"])))
    with pytest.raises(NotAuthenticated):
        await tokens.check(UnverifiedToken(token(aud=["https://issuer.example/userinfo"])))


async def test_an_audience_that_is_no_address_is_exact(desk: Desk) -> None:
    """Only in a URL may a slash at the end be one of spelling."""
    tokens = AccessTokens(IDENTITY, audience="loaner-api", keys=desk.keys, now=lambda: NOW)
    assert await tokens.check(UnverifiedToken(token(aud="loaner-api")))
    with pytest.raises(NotAuthenticated):
        await tokens.check(UnverifiedToken(token(aud="loaner-api/")))


@pytest.mark.parametrize(
    ("agent", "named", "serves"),
    [
        (Agent("ci", "workload", ISSUER), "ci", True),
        (Agent("ci", "client", ISSUER), "ci", True),
        (Agent("ci"), "ci", False),
        (Agent("ci"), "reported:ci", True),
        (Agent("ci", "client", ISSUER), "reported:ci", False),
        (Agent("ci", "actor", ISSUER), "workload:ci", False),
        (Agent("ci", "workload", ISSUER), "workload:ci", True),
        (Agent("reported:ci"), "reported:ci", False),
        (Agent("ci", "client", ISSUER), "cx", False),
    ],
)
def test_a_connector_for_named_agents_serves_none_that_only_says_so(agent: Agent, named: str, serves: bool) -> None:
    connector = Connector("c", "github", "id", None, agents=(named,))
    assert connector.serves("x", agent=agent.name, kind=agent.kind, verified=agent.verified) is serves


@pytest.mark.parametrize("value", ["ci", "client ci", "verified ci", f"client {ISSUER} ci"])
def test_a_stop_of_an_agent_covers_what_it_names_and_no_less(value: str) -> None:
    block = Block("agent", value, "olga", NOW)
    keys = [Agent("ci", "client", ISSUER).key, Agent("ci", "actor", ISSUER).key, Agent("ci").key, "verified ci"]
    covered = [block.covers(Party("s", key, "e", "c")) for key in keys]
    expected = {"ci": [True, True, True, True], "client ci": [True, False, False, False]}
    expected |= {"verified ci": [True, True, False, True]}
    assert covered == expected.get(value, [True, False, False, False])
    assert not block.covers(Party("s", Agent("another", "client", ISSUER).key, "e", "c"))
    assert not Block("agent", ISSUER, "olga", NOW).covers(Party("s", keys[0], "e", "c"))


async def test_a_person_is_never_their_mail_or_name(desk: Desk) -> None:
    """MUST 7: a recycled address belongs to another subject."""
    first = await desk.check(token(sub="user-1", email="a@acme.example", preferred_username="a"))
    second = await desk.check(token(sub="user-2", email="a@acme.example", preferred_username="a"))
    assert first.subject != second.subject
    assert first.display == second.display == "a"


async def test_a_remembered_token_is_not_verified_again_but_still_expires(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = token(exp=at(100))
    await desk.check(given)

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("verified again")

    monkeypatch.setattr("loaner.identity.jwt_checks.jwt.decode", never)
    await desk.check(given)
    desk.at = NOW + timedelta(seconds=100)
    with pytest.raises(NotAuthenticated, match="expired"):
        await desk.check(given)


async def test_tokens_without_end_take_little_memory_and_keep_nobody_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MUST 63: what one person's tokens push out is checked again."""
    monkeypatch.setattr(access_tokens, "_REMEMBERED", 3)
    alices = token(sub="alice")
    await desk.check(alices)
    for number in range(8):
        await desk.check(token(sub="bob", jti=str(number)))
    assert len(desk.tokens._known) == 3
    assert (await desk.check(alices)).subject.sub == "alice"


def test_the_local_person_is_not_whoever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    before = local_subject()
    for variable in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(variable, "somebody-else")
    assert local_subject() == before
    assert before.issuer == "local"
