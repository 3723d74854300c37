"""A task that a host signed is believed after every check, and refused for each that fails."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from loaner.errors import PolicyDenied, ProviderUnavailable, SettingsInvalid
from loaner.identity.caller import Agent, Caller, Subject, UnverifiedToken
from loaner.identity.host_tasks import DETAIL, TYPE, HostTasks
from loaner.identity.issuer_keys import IssuerKeys
from loaner.settings import TaskIssuerSettings
from mcp_server.issuing import AUDIENCE, ISSUER, NOW, REMOVE, Issuer, b64, claims, private_key, token

ALICE = Caller(Subject(ISSUER, "user-alice"), Agent("claude-code", "client", ISSUER), "development", "a test")
DETAILS = {"type": DETAIL, "actions": ["github_issue_read"], "resources": ["acme/web#1"], "count": 3}


def pem(name: str) -> str:
    public = private_key(name).public_key()
    return str(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def task(key: str = "rsa-1", *, alg: str = "RS256", header: dict[str, Any] | None = None, **changes: Any) -> str:
    right = {"purpose": "read one issue", "authorization_details": [DETAILS], "scope": REMOVE}
    return token(key, alg=alg, header={"typ": TYPE, **(header or {})}, **{**right, **changes})


def checking(issuers: list[TaskIssuerSettings], **more: Any) -> HostTasks:
    return HostTasks(issuers, people=ISSUER, audience=lambda: AUDIENCE, now=lambda: NOW, **more)


def tokens(**settings: Any) -> HostTasks:
    issuer = TaskIssuerSettings(issuer=ISSUER, **{"public_key": pem("rsa-1"), **settings})
    return checking([issuer])


async def test_a_right_task_binds_the_request_and_says_all_that_was_signed() -> None:
    bound = await tokens().bound(UnverifiedToken(task()), ALICE)
    assert bound == ALICE
    assert bound.key == ALICE.key, "who asks is the same"
    assert bound.task is not None
    assert bound.task.wanted == {
        "purpose": "read one issue",
        "operations": [{"tool": "github_issue_read", "resources": ["acme/web#1"], "count": 3}],
        "resources": ["acme/web#1"],
        "minutes": 60,
    }
    assert (bound.task.ends, bound.task.agreed) == (NOW + timedelta(hours=1), False)


async def test_times_may_have_fractions() -> None:
    """NumericDate, RFC 7519 §2; a task lasts no less than was signed."""
    at = NOW.timestamp()
    bound = await tokens().bound(UnverifiedToken(task(iat=at - 0.5, exp=at + 90.25)), ALICE)
    assert bound.task
    assert bound.task.wanted["minutes"] == 2
    assert type(bound.task.wanted["minutes"]) is int


async def test_no_task_is_none() -> None:
    assert (await tokens().bound(None, ALICE)).task is None


def unsigned() -> str:
    return f"{b64({'alg': 'none', 'typ': TYPE})}.{b64(claims(authorization_details=[DETAILS]))}."


def confused() -> str:
    signed = f"{b64({'alg': 'HS256', 'typ': TYPE})}.{b64(claims(authorization_details=[DETAILS]))}"
    return f"{signed}.{b64(hmac.new(pem('rsa-1').encode(), signed.encode(), hashlib.sha256).digest())}"


def detail(**changes: Any) -> Callable[[], str]:
    return lambda: task(authorization_details=[{**DETAILS, **changes}])


AT = int(NOW.timestamp())
FORGERIES: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "no JWT": lambda: "a.b.c",
    "too long": lambda: task(purpose="x" * 20_000),
    "no signature": unsigned,
    "signed with the public key as a secret": confused,
    "another key": lambda: task("rsa-2"),
    "another issuer": lambda: task(iss="https://other.example"),
    "no issuer": lambda: task(iss=REMOVE),
    "an access token": lambda: task(header={"typ": "at+jwt"}),
    "no type": lambda: task(header={"typ": REMOVE}),
    "something critical": lambda: task(header={"crit": ["exp"]}),
    "another server": lambda: task(aud="https://other.example/mcp"),
    "another server too": lambda: task(aud=[AUDIENCE, "https://other.example/mcp"]),
    "another person": lambda: task(sub="user-bob"),
    "another agent": lambda: task(client_id="other"),
    "an actor that is another agent": lambda: task(act={"sub": "other"}),
    "an actor that is none": lambda: task(act="claude-code"),
    "nobody's agent": lambda: task(client_id=REMOVE),
    "expired": lambda: task(iat=AT - 600, exp=AT),
    "from the future": lambda: task(iat=AT + 60, exp=AT + 600),
    "not to be used yet": lambda: task(nbf=AT + 60),
    "not to be used before something": lambda: task(nbf="later"),
    "longer than a task": lambda: task(exp=AT + 9 * 3600),
    "without an end": lambda: task(exp=REMOVE),
    "with an end that is true": lambda: task(exp=True),
    "without a beginning": lambda: task(iat=REMOVE),
    "without a name": lambda: task(jti=REMOVE),
    "with an empty name": lambda: task(jti=""),
    "without details": lambda: task(authorization_details=REMOVE),
    "with no detail": lambda: task(authorization_details=[]),
    "a detail of another type": detail(type="payment_initiation"),
    "a limit that nobody keeps": detail(only_on_fridays=True),
    "no tools": detail(actions=[]),
    "no resources": detail(resources=[]),
    "a place that is not here": detail(locations=["https://other.example/mcp"]),
}


@pytest.mark.parametrize("what", FORGERIES)
async def test_a_task_that_cannot_be_believed_is_refused_and_never_taken_for_none(what: str) -> None:
    with pytest.raises(PolicyDenied) as refused:
        await tokens().bound(UnverifiedToken(FORGERIES[what]()), ALICE)
    assert refused.value.rule == "task-token"
    assert refused.value.cause == "(rule task-token) the task that came with this call is not valid here."
    assert refused.value.log.startswith("task: "), "which check failed is in the log alone"


async def test_an_algorithm_that_the_operator_did_not_list_is_refused() -> None:
    with pytest.raises(PolicyDenied, match="not valid"):
        await tokens(algorithms=("PS256",)).bound(UnverifiedToken(task()), ALICE)


async def test_where_no_host_is_known_every_task_is_refused() -> None:
    with pytest.raises(PolicyDenied, match="not valid"):
        await checking([]).bound(UnverifiedToken(task()), ALICE)


async def test_keys_that_the_issuer_publishes_are_fetched_and_an_absent_issuer_is_no_yes() -> None:
    here = TaskIssuerSettings(issuer=ISSUER)
    for issuer, key_id in ((Issuer(), "rsa-1"), (Issuer(), "rsa-2"), (Issuer(where="nowhere"), "rsa-1")):
        keys = IssuerKeys(ISSUER, now=lambda: NOW, transport=issuer.transport)
        async with HostTasks(
            [here], people=ISSUER, audience=lambda: AUDIENCE, now=lambda: NOW, keys={ISSUER: keys}
        ) as published:
            try:
                assert (await published.bound(UnverifiedToken(task(key_id)), ALICE)).task
            except PolicyDenied:
                assert key_id == "rsa-2"
            except ProviderUnavailable:
                assert issuer.where == "nowhere"
            else:
                assert (key_id, issuer.where == "nowhere") == ("rsa-1", False)


async def test_another_issuers_people_are_meant_only_where_the_operator_says_so() -> None:
    local = Caller(Subject("local", "user-alice"), Agent("claude-code"), "development", "a test")
    with pytest.raises(PolicyDenied, match="not valid"):
        await tokens().bound(UnverifiedToken(task()), local)
    assert (await tokens(subjects="local").bound(UnverifiedToken(task()), local)).task


@pytest.mark.parametrize("what", ["no key", "too short", "a private key's name", "of another algorithm"])
def test_a_public_key_that_verifies_nothing_stops_the_start(what: str) -> None:
    key = {
        "no key": "no key",
        "too short": pem("weak-1"),
        "a private key's name": pem("ec-1").replace("PUBLIC", "PRIVATE"),
        "of another algorithm": pem("ec-1"),
    }[what]
    with pytest.raises(SettingsInvalid, match="public_key"):
        tokens(public_key=key, algorithms=("RS256",))


def test_one_issuer_has_one_entry() -> None:
    twice = [TaskIssuerSettings(issuer=ISSUER, public_key=pem("rsa-1"))] * 2
    with pytest.raises(SettingsInvalid, match="same issuer"):
        checking(twice)
