"""Jobs that prove themselves by an OIDC token: an agent's name where it is meant to be, and nothing anywhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from loaner.clock import utc_now
from loaner.errors import NotAuthenticated, SettingsInvalid
from loaner.identity.caller import Agent, Subject, UnverifiedToken
from loaner.identity.issuer_keys import IssuerKeys
from loaner.identity.workloads import WorkloadTokens
from loaner.settings import IdentitySettings, WorkloadSettings
from mcp_server import doors
from mcp_server.doors import ERAS, Door, open_door
from mcp_server.fakes import fake_loaner
from mcp_server.issuing import ISSUER, REMOVE, Issuer, jwk, token

AUDIENCE = "https://loaner.example/jobs"
SUB = "repo:acme/web:ref:refs/heads/main"
JOB: dict[str, Any] = {"aud": AUDIENCE, "sub": SUB, "repository_id": "7", "scope": REMOVE, "client_id": REMOVE}
CI = WorkloadSettings(
    issuer=ISSUER,
    audience=AUDIENCE,
    claims={"sub": SUB, "repository_id": "7"},
    agent="ci-triage",
    environments=("testing",),
    acts_for=f"{ISSUER} user-alice",
)


@pytest.fixture(params=[CI], ids=["ci"])
async def door(
    anyio_backend: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Door]:
    served = fake_loaner()
    served.settings = served.settings.model_copy(update={"workloads": (request.param,)})
    monkeypatch.setattr(doors, "fake_loaner", lambda **_: served)
    async with open_door() as opened:
        yield opened


def job(header: dict[str, Any] | None = None, **changes: Any) -> dict[str, str]:
    signed = token(now=utc_now(), header={"typ": "JWT"} | (header or {}), **(JOB | changes))
    return {"authorization": f"Bearer {signed}"}


@pytest.mark.parametrize("era", ERAS)
async def test_a_job_is_a_verified_agent_for_the_person_it_acts_for(door: Door, era: str) -> None:
    changes = {"header": {"typ": "JWT"}, **JOB}
    async with door.agent(era, **changes) as agent:
        await agent.call_tool("github_get_me", {"text": "x"})
    ((_, caller),) = door.served.journey.calls
    assert caller.subject == Subject(ISSUER, "user-alice")
    assert (caller.agent.name, caller.agent.verified, caller.environment) == ("ci-triage", True, "testing")


async def test_a_job_is_checked_by_the_algorithms_of_its_own_workload() -> None:
    """MUST 3: another workload of the same issuer may take others, and may stand before it."""
    lax = CI.model_copy(update={"claims": {"sub": "repo:acme/other"}, "agent": "lax", "algorithms": ("RS256", "ES256")})
    strict = CI.model_copy(update={"algorithms": ("ES256",)})
    issuer = Issuer(keys=[jwk("rsa-1"), jwk("ec-1")])
    async with IssuerKeys(ISSUER, now=utc_now, transport=issuer.transport) as keys:
        for order in ((lax, strict), (strict, lax)):
            tokens = WorkloadTokens(order, environment="testing", scope="tools", now=utc_now, keys={ISSUER: keys})
            right = token("ec-1", alg="ES256", now=utc_now(), header={"typ": "JWT"}, **JOB)
            assert (await tokens.check(UnverifiedToken(right))).agent == Agent("ci-triage", "workload", ISSUER)
            weaker = token("rsa-1", alg="RS256", now=utc_now(), header={"typ": "JWT"}, **JOB)
            with pytest.raises(NotAuthenticated):
                await tokens.check(UnverifiedToken(weaker))


@pytest.mark.parametrize("name", ["loaner", "LOANER revoke", "ci\u200b"])
def test_a_job_has_a_name_of_its_own(name: str) -> None:
    named = CI.model_copy(update={"agent": name})
    with pytest.raises(SettingsInvalid, match="no name for an agent"):
        WorkloadTokens([named], environment="testing", scope="tools", now=utc_now)


WRONG: list[dict[str, Any]] = [
    {"aud": "https://elsewhere.example"},
    {"aud": [AUDIENCE, "https://elsewhere.example"]},
    {"sub": "repo:acme/web:ref:refs/heads/evil"},
    {"sub": REMOVE},
    {"repository_id": "8"},
    {"repository_id": 7},
    {"repository_id": REMOVE},
    {"iss": "https://stranger.example"},
    {"exp": int(utc_now().timestamp()) - 60},
    {"exp": int(utc_now().timestamp()) + 400 * 24 * 3600},
    {"exp": REMOVE},
    {"iat": int(utc_now().timestamp()) + 3600},
    {"nbf": int(utc_now().timestamp()) + 3600},
    {"exp": "tomorrow"},
]


@pytest.mark.parametrize("wrong", WRONG, ids=[f"{number}-{next(iter(wrong))}" for number, wrong in enumerate(WRONG)])
async def test_a_job_that_is_not_exactly_the_configured_one_is_nobody(door: Door, wrong: dict[str, Any]) -> None:
    """MUSTs 2–5 for workloads: issuer, audience, times and the claims that tell this job from a stranger's."""
    assert (await door.post(**job(), **doors.MODERN)).status_code == 200
    assert (await door.post(**job(**wrong), **doors.MODERN)).status_code == 401


@pytest.mark.parametrize(
    "header",
    [{"typ": "at+jwt"}, {"typ": "dpop+jwt"}, {"kid": "unknown"}, {"kid": REMOVE}, {"crit": ["b64"]}],
    ids=["access token", "proof of possession", "unknown key", "no key", "critical"],
)
async def test_the_header_of_a_jobs_token_chooses_nothing(door: Door, header: dict[str, Any]) -> None:
    assert (await door.post(**job(header), **doors.MODERN)).status_code == 401


@pytest.mark.parametrize(
    "door", [CI.model_copy(update={"environments": ("development",)})], ids=["elsewhere"], indirect=True
)
async def test_a_job_of_another_environment_is_nobody_here(door: Door) -> None:
    assert (await door.post(**job(), **doors.MODERN)).status_code == 401


SPIFFE_ID = "spiffe://acme.example/ci/triage"
SVID = CI.model_copy(update={"claims": {"sub": SPIFFE_ID}, "trust_domain": "acme.example", "acts_for": None})
MINIMAL = {"sub": SPIFFE_ID, "iss": REMOVE, "iat": REMOVE, "jti": REMOVE, "repository_id": REMOVE}


@pytest.mark.parametrize("door", [SVID], ids=["spiffe"], indirect=True)
@pytest.mark.parametrize("typ", ["JWT", "JOSE", REMOVE], ids=["JWT", "JOSE", "none"])
@pytest.mark.parametrize("more", [{}, {"iss": ISSUER}], ids=["minimal", "with iss"])
async def test_a_jwt_svid_need_not_say_who_issued_it(door: Door, typ: object, more: dict[str, Any]) -> None:
    """Header and claims of a JWT-SVID (§2, §3): ``sub``, ``aud`` and ``exp`` are all that it must have."""
    async with door.agent("auto", header={"typ": typ}, **(JOB | MINIMAL | more)) as agent:
        await agent.call_tool("github_get_me", {"text": "x"})
    ((_, caller),) = door.served.journey.calls
    assert caller.subject == Subject(ISSUER, SPIFFE_ID)
    assert (caller.agent.name, caller.agent.verified) == ("ci-triage", True)


@pytest.mark.parametrize("door", [SVID], ids=["spiffe"], indirect=True)
@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"sub": "spiffe://acme.example/ci/other"}, id="another workload"),
        pytest.param({"sub": [SPIFFE_ID]}, id="a list"),
        pytest.param({"sub": REMOVE}, id="no workload"),
        pytest.param({"iss": "https://stranger.example"}, id="another issuer"),
        pytest.param({"iss": None}, id="an issuer that is none"),
        pytest.param({"aud": "https://elsewhere.example"}, id="another audience"),
        pytest.param({"aud": REMOVE}, id="no audience"),
        pytest.param({"exp": REMOVE}, id="no end"),
        pytest.param({"exp": int(utc_now().timestamp()) - 60}, id="over"),
        pytest.param({"exp": int(utc_now().timestamp()) + 400 * 24 * 3600}, id="for a year"),
        pytest.param({"key": "rsa-2", "header": {"kid": "rsa-1", "typ": "JWT"}}, id="another key"),
    ],
)
async def test_a_jwt_svid_of_another_domain_workload_or_key_is_nobody(door: Door, wrong: dict[str, Any]) -> None:
    assert (await door.post(**job(**MINIMAL), **doors.MODERN)).status_code == 200
    assert (await door.post(**job(**(MINIMAL | wrong)), **doors.MODERN)).status_code == 401


async def test_only_jobs_of_a_trust_domain_may_leave_the_issuer_out(door: Door) -> None:
    """This door's job is GitHub's: its claims are told apart by the issuer that signed them."""
    assert (await door.post(**job(), **doors.MODERN)).status_code == 200
    for left_out in ("iss", "iat"):
        assert (await door.post(**job(**{left_out: REMOVE}), **doors.MODERN)).status_code == 401


WHOLE_DOMAIN = SVID.model_copy(update={"claims": {"repository_id": "7"}})


@pytest.mark.parametrize("door", [WHOLE_DOMAIN], ids=["domain"], indirect=True)
@pytest.mark.parametrize("issuer", [REMOVE, ISSUER], ids=["minimal", "with iss"])
async def test_an_issuer_speaks_for_its_own_trust_domain_alone(door: Door, issuer: object) -> None:
    svid = MINIMAL | {"repository_id": "7", "iss": issuer}
    assert (await door.post(**job(**svid), **doors.MODERN)).status_code == 200
    for other in ("spiffe://acme.example.evil.example/ci", "spiffe://evil.example/ci", "spiffe://acme.example", SUB):
        assert (await door.post(**job(**(svid | {"sub": other})), **doors.MODERN)).status_code == 401


def test_one_trust_domain_has_one_issuer() -> None:
    other = SVID.model_copy(update={"issuer": "https://other.example"})
    with pytest.raises(SettingsInvalid, match=r"acme\.example has two issuers"):
        WorkloadTokens([SVID, other], environment="testing", scope="tools", now=utc_now)


async def test_people_are_checked_as_strictly_as_before(door: Door) -> None:
    assert (await door.post(**door.bearer(), **doors.MODERN)).status_code == 200
    plain = {"authorization": f"Bearer {token(now=utc_now(), header={'typ': 'JWT'}, aud=door.mcp)}"}
    assert (await door.post(**plain, **doors.MODERN)).status_code == 401


def test_a_workload_without_claims_or_environments_is_a_mistake() -> None:
    """The issuer serves strangers too: without a claim, any of its jobs would be this one."""
    for empty in ({"claims": {}}, {"environments": ()}, {"acts_for": "nobody"}):
        with pytest.raises(ValueError, match=r"acts_for|claims|environments"):
            WorkloadSettings(**(CI.model_dump() | empty))


PERSONS = {"aud": AUDIENCE, "tid": "acme", "azp": "agent", "scope": "tools"}
"""What a client got for a person, of the issuer and for the audience of a job."""
ANY_OF_ACME = CI.model_copy(update={"claims": {"tid": "acme"}, "acts_for": None})


@pytest.mark.parametrize("door", [ANY_OF_ACME], ids=["acme"], indirect=True)
@pytest.mark.parametrize("claim", ["azp", "client_id", "appid", "cid", "scope", "scp"])
async def test_what_a_client_got_is_no_job_unless_its_sub_is_named(door: Door, claim: str) -> None:
    """MUST 3: a person's token would get in without the scope that people need."""
    plain = {"aud": AUDIENCE, "tid": "acme", "scope": REMOVE, "client_id": REMOVE}
    jobs = token(now=utc_now(), header={"typ": "JWT"}, **plain)
    assert (await door.post(authorization=f"Bearer {jobs}", **doors.MODERN)).status_code == 200
    theirs = token(now=utc_now(), header={"typ": "JWT"}, **(plain | {claim: "tools"}))
    assert (await door.post(authorization=f"Bearer {theirs}", **doors.MODERN)).status_code == 401


NAMED_PERSON = CI.model_copy(update={"claims": {"sub": "user-alice"}, "acts_for": None})


@pytest.mark.parametrize("door", [NAMED_PERSON], ids=["a person"], indirect=True)
@pytest.mark.parametrize(
    ("changes", "status"),
    [({}, 200), ({"scope": REMOVE}, 401), ({"scope": "openid"}, 401), ({"nonce": "n"}, 401), ({"at_hash": "h"}, 401)],
    ids=["scope", "no scope", "another scope", "nonce", "at_hash"],
)
async def test_of_the_issuer_of_people_a_clients_token_needs_the_scope_here_too(
    door: Door, changes: dict[str, Any], status: int
) -> None:
    """MUST 3, 4: somebody named a person as a job."""
    theirs = token(now=utc_now(), header={"typ": "JWT"}, **(PERSONS | changes))
    assert (await door.post(authorization=f"Bearer {theirs}", **doors.MODERN)).status_code == status


@pytest.mark.parametrize("claims", [{"azp": "a"}, {"appid": "a", "tid": "t"}, {"scp": "tools"}], ids=str)
def test_a_job_is_not_named_by_a_client(claims: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must name sub"):
        WorkloadSettings(**(CI.model_dump() | {"claims": claims}))
    WorkloadSettings(**(CI.model_dump() | {"claims": claims | {"sub": "job"}}))


async def test_where_people_have_plain_jwts_too_each_kind_is_checked_as_its_own() -> None:
    """MUST 3, 4: a person's is not taken for a job's, nor the other way."""
    people = IdentitySettings(issuer=ISSUER, token_types=("JWT",))
    async with open_door(settings={"identity": people, "workloads": (CI,)}) as door:
        theirs = {"header": {"typ": "JWT"}, "now": utc_now(), "aud": door.mcp}

        async def status(**changes: Any) -> int:
            signed = token(**(theirs | changes))
            return (await door.post(authorization=f"Bearer {signed}", **doors.MODERN)).status_code

        assert await status() == 200
        assert await status(scope="openid") == 403
        assert await status(**JOB) == 200
        assert await status(**(JOB | {"aud": door.mcp})) == 401  # of no job, so a person's without an agent
        assert await status(aud=AUDIENCE, repository_id="7") == 401
