"""The access tokens that identity providers really issue: each is believed with its settings, and only with them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from loaner.clock import utc_now
from loaner.identity.caller import Subject
from loaner.settings import IdentitySettings, Settings
from mcp_server.doors import MODERN, Door, open_door
from mcp_server.issuing import ISSUER, REMOVE, token

PAGES = "the-pages-client"
DOCS = Path(__file__).parents[2] / "docs" / "identity-providers.md"
API = "11111111-2222-3333-4444-555555555555"
BARE = {"sub": "a-pairwise-name", "scope": REMOVE, "client_id": REMOVE, "preferred_username": REMOVE}


@dataclass
class Shape:
    """What one provider's token has, and the settings with which it is believed."""

    typ: object
    claims: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    person: str = "a-pairwise-name"
    aud: tuple[str, ...] | str | None = None
    """Ours when not set; in a list, ``None`` stands for ours."""


SHAPES = {
    "RFC 9068: Auth0 and Keycloak with that profile": Shape("at+jwt", {"client_id": "agent", "scope": "openid tools"}),
    "RFC 9068 in full": Shape("application/at+jwt", {"client_id": "agent", "scope": "tools"}),
    "Keycloak": Shape(
        "JWT",
        {"azp": "agent", "scope": "profile tools", "typ": "Bearer", "acr": "1", "sid": "s"},
        {"token_types": ["JWT"]},
    ),
    "Keycloak for the account console too": Shape(
        "JWT",
        {"azp": "agent", "scope": "profile tools", "typ": "Bearer"},
        {"token_types": ["JWT"], "other_audiences": ["account"]},
        aud=("ours", "account"),
    ),
    "Auth0": Shape(
        "JWT",
        {"azp": "agent", "scope": "openid tools", "gty": "authorization_code"},
        {"token_types": ["JWT"], "other_audiences": [f"{ISSUER}/userinfo"]},
        aud=("ours", f"{ISSUER}/userinfo"),
    ),
    "Entra v2, for a person": Shape(
        "JWT",
        {"azp": "agent", "scp": "access tools", "oid": "the-object", "tid": "t", "ver": "2.0"},
        {"token_types": ["JWT"], "scope_claim": "scp", "subject_claim": "oid", "audience": API},
        person="the-object",
        aud=API,
    ),
    "Entra v2, for an app": Shape(
        "JWT",
        {"azp": "agent", "roles": ["tools"], "oid": "the-object", "idtyp": "app"},
        {"token_types": ["JWT"], "scope_claim": ["scp", "roles"], "subject_claim": ["oid", "sub"], "audience": API},
        person="the-object",
        aud=API,
    ),
    "Entra v1": Shape(
        "JWT",
        {"appid": "agent", "scp": "tools", "oid": "the-object", "ver": "1.0"},
        {
            "token_types": ["JWT"],
            "scope_claim": "scp",
            "agent_claim": "appid",
            "subject_claim": "oid",
            "audience": f"api://{API}",
        },
        person="the-object",
        aud=f"api://{API}",
    ),
    "Okta, custom authorization server": Shape(
        REMOVE,
        {"cid": "agent", "scp": ["openid", "tools"], "uid": "00u1", "ver": 1},
        {"token_types": ["none"], "scope_claim": "scp", "agent_claim": "cid", "subject_claim": "uid"},
        person="00u1",
    ),
    "Ping": Shape(REMOVE, {"client_id": "agent", "scope": "openid tools"}, {"token_types": ["none"]}),
    "Cognito": Shape(
        REMOVE,
        {"client_id": "agent", "scope": "openid tools", "token_use": "access", "username": "x"},
        {"token_types": ["at+jwt", "none"]},
    ),
    "scp as a string": Shape("at+jwt", {"client_id": "agent", "scp": "tools"}, {"scope_claim": "scp"}),
    "scp as a list": Shape("at+jwt", {"client_id": "agent", "scp": ["tools"]}, {"scope_claim": "scp"}),
    "scope as a list": Shape("at+jwt", {"client_id": "agent", "scope": ["tools"]}),
    "roles": Shape("at+jwt", {"client_id": "agent", "roles": ["tools"]}, {"scope_claim": "roles"}),
    "cid": Shape("at+jwt", {"cid": "agent", "scope": "tools"}, {"agent_claim": "cid"}),
    "appid": Shape("at+jwt", {"appid": "agent", "scope": "tools"}, {"agent_claim": "appid"}),
    "azp, for two": Shape(
        "at+jwt",
        {"azp": "agent", "scope": "tools"},
        {"other_audiences": ["https://b.example"]},
        aud=("ours", "https://b.example"),
    ),
}


def configured(settings: dict[str, Any]) -> dict[str, Any]:
    return {"identity": IdentitySettings(**{"issuer": ISSUER, "client_id": PAGES} | settings)}


def bearer(door: Door, shape: Shape, **changes: Any) -> dict[str, str]:
    aud: Any = shape.aud or "ours"
    aud = [door.mcp if one == "ours" else one for one in aud] if isinstance(aud, tuple) else aud
    claims = BARE | shape.claims | {"aud": door.mcp if aud == "ours" else aud} | changes
    header = claims.pop("header", {"typ": shape.typ})
    return {"authorization": f"Bearer {token(now=utc_now(), header=header, **claims)}"}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
async def test_a_providers_token_is_believed_with_its_settings_and_refused_without_any_one_of_them(
    shape: Shape,
) -> None:
    """MUST 3, 4: strict is the default; each setting opens one thing, and the log names the one that is missing."""
    async with open_door(settings=configured(shape.settings)) as door:
        assert (await door.post(**bearer(door, shape), **MODERN)).status_code == 200
    for left_out in shape.settings:
        fewer = {name: value for name, value in shape.settings.items() if name != left_out}
        if left_out == "subject_claim":
            continue  # every one of these has a `sub` as well: another person, not a refusal
        async with open_door(settings=configured(fewer)) as door:
            with capture_logs() as logs:
                answer = await door.post(**bearer(door, shape), **MODERN)
        assert answer.status_code == (403 if left_out == "scope_claim" else 401), left_out
        assert f"see identity.{left_out}" in str(logs)
        assert "identity" not in answer.text + answer.headers["www-authenticate"], "the client is told nothing of it"


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
async def test_the_person_and_the_agent_are_read_from_the_claims_that_are_named(shape: Shape) -> None:
    """MUST 7."""
    async with open_door(settings=configured(shape.settings)) as door:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        body["params"] = {"name": "github_get_me", "arguments": {}, "_meta": meta}  # type: ignore[assignment]
        headers = MODERN | {"mcp-method": "tools/call", "mcp-name": "github_get_me"}
        assert (await door.post(body, **bearer(door, shape), **headers)).status_code == 200
    ((_, caller),) = door.served.journey.calls
    assert caller.subject == Subject(ISSUER, shape.person)
    assert caller.agent.key == f"client {ISSUER} agent"


async def test_clients_are_told_the_issuers_own_name_of_the_scope() -> None:
    """MUST 8: Entra wants its URI in a request, and leaves it out of the token."""
    named = configured({"requested_scope": f"api://{API}/tools"})
    async with open_door(settings=named) as door, httpx2.AsyncClient() as http:
        challenge = (await door.post()).headers["www-authenticate"]
        metadata = (await http.get(f"{door.url}/.well-known/oauth-protected-resource")).json()
        assert (await door.post(**door.bearer(), **MODERN)).status_code == 200
    assert f'scope="api://{API}/tools"' in challenge
    assert metadata["scopes_supported"] == [f"api://{API}/tools"]


RECIPES = dict(
    re.findall(r"(?ms)^## ([^\n]+)\n(?:(?!^## ).)*?```toml\n(\[identity\]\n.*?)```", DOCS.read_text("utf-8"))
)


@pytest.mark.parametrize(
    ("recipe", "shapes"),
    [
        ("Microsoft Entra ID", ["Entra v2, for a person", "Entra v2, for an app"]),
        ("Okta", ["Okta, custom authorization server"]),
        ("Keycloak", ["Keycloak", "Keycloak for the account console too"]),
        ("Auth0", ["RFC 9068: Auth0 and Keycloak with that profile"]),
        ("Ping", ["Ping"]),
        ("Google", ["Keycloak"]),
    ],
    ids=str,
)
async def test_the_recipes_in_the_docs_are_the_settings_that_work(recipe: str, shapes: list[str]) -> None:
    written = tomllib.loads(RECIPES[recipe])
    Settings(**written)
    placed = {name: value for name, value in written["identity"].items() if name != "client_secret"}
    for name in shapes:
        shape = SHAPES[name]
        here = {"issuer": ISSUER, "client_id": PAGES} | ({"audience": API} if shape.aud == API else {})
        async with open_door(settings={"identity": IdentitySettings(**placed | here)}) as door:
            assert (await door.post(**bearer(door, shape), **MODERN)).status_code == 200, name


RELAXED = {name: shape for name, shape in SHAPES.items() if "token_types" in shape.settings}
ID_TOKEN: dict[str, dict[str, Any]] = {
    "with a nonce": {"nonce": "n"},
    "with an empty nonce": {"nonce": ""},
    "with the hash of an access token": {"at_hash": "h"},
    "with the hash of a code": {"c_hash": "h"},
    "that says so as Keycloak does": {"typ": "ID"},
    "that says so as Cognito does": {"token_use": "id"},
    "for the pages": {"aud": PAGES},
    "of its own type": {"header": {"typ": "id+jwt"}},
    "a logout token": {"events": {}},
    "a refresh token": {"typ": "Refresh"},
}


@pytest.mark.parametrize("shape", RELAXED.values(), ids=RELAXED.keys())
@pytest.mark.parametrize("marks", ID_TOKEN.values(), ids=ID_TOKEN.keys())
async def test_an_id_token_opens_nothing_whatever_is_set(shape: Shape, marks: dict[str, Any]) -> None:
    """MUST 4: signed by the same issuer for the same person, with all that an access token has."""
    async with open_door(settings=configured(shape.settings)) as door:
        assert (await door.post(**bearer(door, shape, **marks), **MODERN)).status_code == 401


async def test_an_id_token_for_the_pages_and_us_is_still_one() -> None:
    """MUST 4: the pages' client may not be made an audience, and what is for both is for the pages."""
    for both in ({"audience": PAGES}, {"other_audiences": [PAGES]}):
        with pytest.raises(ValueError, match="client of their own"):
            configured({"token_types": ["JWT"], **both})
        configured(both)  # harmless where only at+jwt counts: no ID token is one


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("token_types", []),
        ("token_types", ["id+jwt"]),
        ("token_types", ["at+jwt", "*"]),
        ("scope_claim", "permissions"),
        ("scope_claim", []),
        ("agent_claim", "sub"),
        ("subject_claim", "email"),
        ("subject_claim", "preferred_username"),
        ("page_subject_claim", "name"),
    ],
)
def test_only_words_of_the_closed_lists_are_settings(setting: str, word: Any) -> None:
    """MUST 7: no name that may be given to somebody else later."""
    with pytest.raises(ValueError, match=setting):
        IdentitySettings(**{"issuer": ISSUER, setting: word})


@pytest.mark.parametrize("written", ["JWT", "jwt", ["Application/JWT"], ["at+JWT", "jwt"]])
def test_a_type_is_the_same_in_any_case(written: Any) -> None:
    assert "JWT" in IdentitySettings(issuer=ISSUER, token_types=written).token_types


async def test_of_several_claims_the_first_that_is_there_counts() -> None:
    """MUST 3: a second one adds nothing to it."""
    both = Shape("at+jwt", {"client_id": "agent", "scp": "read", "roles": ["tools"]}, {"scope_claim": ["scp", "roles"]})
    async with open_door(settings=configured(both.settings)) as door:
        assert (await door.post(**bearer(door, both), **MODERN)).status_code == 403
        assert (await door.post(**bearer(door, both, scp=REMOVE), **MODERN)).status_code == 200


@pytest.mark.parametrize(
    "scope", [7, {"tools": True}, [["tools"]], ["Tools"], "toolsX", "", None, ["read tools"]], ids=str
)
async def test_what_is_no_scope_gives_none(scope: Any) -> None:
    shape = Shape("at+jwt", {"client_id": "agent", "scope": scope})
    async with open_door() as door:
        assert (await door.post(**bearer(door, shape), **MODERN)).status_code == 403
