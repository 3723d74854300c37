"""The sandbox's identity provider: signing people in, and tokens for agents, right ones and wrong ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import jwt
import pytest
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet
from slack_app import browser

from loaner.sandbox import pages
from loaner.sandbox.run import RunningSandbox
from loaner.sandbox.slack.oauth import challenge_of

VERIFIER = "w" * 50
REDIRECT = "http://localhost:1/signin/callback"
AUDIENCE = "http://127.0.0.1:8800/mcp"


@pytest.fixture
async def http(sandbox: RunningSandbox) -> AsyncIterator[httpx2.AsyncClient]:
    async with browser(base_url=sandbox.urls["idp"]) as client:
        yield client


def asked(**changes: str) -> dict[str, str]:
    return {
        "client_id": "loaner-web",
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "scope": "openid profile",
        "state": "the state",
        "nonce": "the nonce",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
    } | changes


def answer_of(response: httpx2.Response) -> dict[str, str]:
    location = response.headers["location"]
    assert location.startswith(REDIRECT)
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


async def signed_in(http: httpx2.AsyncClient, login: str = "alice") -> dict[str, str]:
    http.cookies.set("sandbox_idp", login)
    shown = await http.get("/authorize", params=asked())
    form = pages.read(str(shown.url), shown.status_code, shown.text).forms[0]
    return answer_of(await http.post(form.action, data=form.fields))


async def exchanged(http: httpx2.AsyncClient, code: str, **changes: str) -> httpx2.Response:
    fields = {
        "grant_type": "authorization_code",
        "client_id": "loaner-web",
        "code": code,
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    return await http.post("/token", data=fields | changes)


async def keys(http: httpx2.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await http.get("/jwks")).json()
    return found


async def made(http: httpx2.AsyncClient, **wanted: Any) -> str:
    body = {"user": "alice", "agent": "probe", "audience": AUDIENCE} | wanted
    answer = await http.post("/sandbox/token", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def verified(token: str, jwks: dict[str, Any], audience: str = AUDIENCE) -> dict[str, Any]:
    """What a strict verifier reads; raises what PyJWT raises."""
    key = jwt.PyJWKSet.from_dict(jwks)[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key, algorithms=["RS256"], audience=audience)


async def test_the_metadata_is_the_same_at_all_three_addresses(
    sandbox: RunningSandbox, http: httpx2.AsyncClient
) -> None:
    found = (await http.get("/.well-known/openid-configuration")).json()
    assert found["issuer"] == sandbox.urls["idp"]
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert (await http.get("/.well-known/oauth-authorization-server")).json() == found
    assert (await http.get(f"{sandbox.base_url}/.well-known/oauth-authorization-server/idp")).json() == found
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        assert found[name].startswith(found["issuer"] + "/")


async def test_signing_in_gives_an_id_token_for_the_client_and_an_access_token_for_the_resource(
    sandbox: RunningSandbox, http: httpx2.AsyncClient
) -> None:
    back = await signed_in(http)
    assert (back["state"], back["iss"]) == ("the state", sandbox.urls["idp"])
    given = (await exchanged(http, back["code"], resource=AUDIENCE)).json()
    jwks = await keys(http)
    identity = verified(given["id_token"], jwks, "loaner-web")
    assert (identity["sub"], identity["nonce"]) == ("user-alice", "the nonce")
    access = verified(given["access_token"], jwks)
    assert (access["sub"], access["client_id"]) == ("user-alice", "loaner-web")
    assert jwt.get_unverified_header(given["access_token"])["typ"] == "at+jwt"


async def test_a_code_is_good_for_one_attempt(http: httpx2.AsyncClient) -> None:
    code = (await signed_in(http))["code"]
    assert (await exchanged(http, code, code_verifier="guess")).json() == {"error": "invalid_grant"}
    assert (await exchanged(http, code)).status_code == 400
    assert (await exchanged(http, (await signed_in(http))["code"])).status_code == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
    ],
)
async def test_a_wrong_request_goes_back_with_its_error(
    http: httpx2.AsyncClient, changes: dict[str, str], error: str
) -> None:
    assert answer_of(await http.get("/authorize", params=asked(**changes)))["error"] == error


@pytest.mark.parametrize(
    "changes", [{"client_id": "other"}, {"redirect_uri": "http://evil.example/signin/callback"}, {"redirect_uri": ""}]
)
async def test_nothing_is_sent_to_an_unknown_client(http: httpx2.AsyncClient, changes: dict[str, str]) -> None:
    assert (await http.get("/authorize", params=asked(**changes))).status_code == 400


async def test_an_agents_token_says_who_acts_for_whom(sandbox: RunningSandbox, http: httpx2.AsyncClient) -> None:
    token = await made(http, agent="nightly", user="bob")
    claims = verified(token, await keys(http))
    moments = {"iat": claims.pop("iat"), "exp": claims.pop("exp")}
    assert moments["exp"] - moments["iat"] == 3600
    assert claims.pop("jti")
    assert claims == {
        "iss": sandbox.urls["idp"],
        "sub": "user-bob",
        "aud": AUDIENCE,
        "client_id": "nightly",
        "azp": "nightly",
        "act": {"sub": "nightly"},
        "scope": "tools",
        "preferred_username": "bob",
    }


async def test_another_library_verifies_it_too(http: httpx2.AsyncClient) -> None:
    token = await made(http)
    decoded = joserfc_jwt.decode(token, KeySet.import_key_set(await keys(http)), algorithms=["RS256"])  # type: ignore[arg-type]
    assert decoded.claims["sub"] == "user-alice"
    assert decoded.header["typ"] == "at+jwt"


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({"expires_in": -10}, jwt.ExpiredSignatureError),
        ({"audience": "http://other/mcp"}, jwt.InvalidAudienceError),
        ({"claims": {"aud": None}}, jwt.MissingRequiredClaimError),
        ({"header": {"alg": "none"}}, jwt.InvalidAlgorithmError),
        ({"header": {"alg": "HS256"}}, jwt.InvalidAlgorithmError),
        ({"header": {"alg": "PS256"}}, jwt.InvalidAlgorithmError),
        ({"signed_by": "stranger"}, jwt.InvalidSignatureError),
    ],
)
async def test_a_wrong_token_is_wrong_in_the_way_it_was_ordered(
    http: httpx2.AsyncClient, wanted: dict[str, Any], error: type[Exception]
) -> None:
    token = await made(http, **wanted)
    with pytest.raises(error):
        verified(token, await keys(http))


async def test_claims_and_header_can_be_replaced_or_left_out(http: httpx2.AsyncClient) -> None:
    token = await made(http, claims={"sub": "someone", "act": None}, header={"typ": "JWT"})
    claims = verified(token, await keys(http))
    assert claims["sub"] == "someone"
    assert "act" not in claims
    assert jwt.get_unverified_header(token)["typ"] == "JWT"
    bare = await made(http, header={"kid": None, "typ": None})
    assert set(jwt.get_unverified_header(bare)) == {"alg"}


async def test_a_rotated_key_leaves_the_old_tokens_behind(http: httpx2.AsyncClient) -> None:
    token = await made(http)
    old = await keys(http)
    assert (await http.post("/sandbox/rotate")).json() == await keys(http)
    assert verified(token, old)
    with pytest.raises(KeyError):
        verified(token, await keys(http))


@pytest.mark.parametrize("body", [{}, {"user": "mallory", "agent": "a", "audience": "b"}, []])
async def test_an_order_nobody_understands_is_refused(http: httpx2.AsyncClient, body: Any) -> None:
    assert (await http.post("/sandbox/token", json=body)).status_code == 422
