"""The pages as a client of the issuer: with a secret or without, and who the person is in either token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import structlog

from house import ISSUER, OURS, POST, Browser, House, caller, house, subject
from loaner.identity.caller import Subject
from loaner.sandbox.idp.registered import SECRET
from loaner.store.tables import web_sessions


async def people(built: House) -> list[str]:
    """Who is signed in."""
    return [row["subject"] for row in await built.rows(web_sessions) if row["subject"]]


async def signed_in(built: House, person: str = "alice") -> Browser:
    browser = built.browser(slack=person)
    await browser.sign_in(person)
    return browser


BASIC, SENT = {"client_id": "loaner:web basic"}, {"client_id": "loaner-web-post"}


@pytest.mark.parametrize(
    "identity",
    [
        pytest.param(BASIC, id="basic, as the metadata offers"),
        pytest.param(BASIC | {"client_auth": "client_secret_basic"}, id="basic"),
        pytest.param(SENT | {"client_auth": "client_secret_post"}, id="post"),
    ],
)
async def test_a_confidential_client_signs_people_in(tmp_path: Path, identity: dict[str, Any]) -> None:
    async with house(tmp_path, signs_in=True, identity=identity, secret=SECRET) as built:
        await signed_in(built)
        assert await people(built) == [subject("alice").key]


@pytest.mark.parametrize(
    ("identity", "secret"),
    [
        pytest.param(BASIC, "another", id="a wrong secret"),
        pytest.param(BASIC, None, id="no secret"),
        pytest.param(BASIC | {"client_auth": "client_secret_post"}, SECRET, id="post where basic is registered"),
        pytest.param(SENT, SECRET, id="basic where post is registered"),
        pytest.param({}, SECRET, id="a secret for a public client"),
    ],
)
async def test_a_client_that_does_not_prove_itself_signs_nobody_in(
    tmp_path: Path, identity: dict[str, Any], secret: str | None
) -> None:
    """MUST 60: the log says which setting to look at, and not what it is."""
    async with house(tmp_path, signs_in=True, identity=identity, secret=secret) as built:
        with structlog.testing.capture_logs() as logged:
            browser = await signed_in(built)
        assert browser.page.status == 403
        assert await people(built) == []
        (line,) = [line for line in logged if line["event"] == "sign-in failed"]
        assert "identity.client_id and client_secret" in line["reason"]
        assert SECRET not in repr(logged) + browser.text
        assert "client_secret" not in browser.text


@pytest.mark.parametrize("methods", [["client_secret_post"], ["private_key_jwt", "client_secret_post"]], ids=str)
async def test_where_the_issuer_takes_no_basic_the_secret_is_posted(tmp_path: Path, methods: list[str]) -> None:
    async with house(tmp_path, signs_in=True, identity=SENT, secret=SECRET) as built:
        oidc = built.identity
        await oidc.keys.settle()
        oidc.keys._metadata["token_endpoint_auth_methods_supported"] = methods
        await signed_in(built)
        assert await people(built) == [subject("alice").key]


ENTRA = {"page_subject_claim": "oid"}, {"sub": "pairwise-at-the-pages", "oid": "object-alice"}, "object-alice"
OKTA = {"page_subject_claim": "sub"}, {"sub": "00u-alice"}, "00u-alice"
FIRST = {"page_subject_claim": ["uid", "sub"]}, {"sub": "alice@acme.example", "uid": "00u-alice"}, "00u-alice"


@pytest.mark.parametrize(("identity", "says", "person"), [ENTRA, OKTA, FIRST], ids=["Entra", "Okta", "the first"])
async def test_the_person_of_the_pages_is_the_person_of_the_agents_token(
    tmp_path: Path, identity: dict[str, Any], says: dict[str, str], person: str
) -> None:
    """MUST 7, 22: each token has its own claim for it, and both give one name."""
    async with house(tmp_path, signs_in=True, identity=identity) as built:
        needed = await built.asked(POST, caller(Subject(ISSUER, person)))
        browser = built.browser(slack="alice")
        await browser.http.post(f"{ISSUER}/sandbox/id-token", json={"claims": says})
        await browser.sign_in("alice")
        await browser.open(needed.invitation.url)
        assert browser.state == "confirm"


async def test_where_the_two_tokens_name_a_person_differently_the_log_says_so(tmp_path: Path) -> None:
    """MUST 22: the page tells nothing, as for anybody else; the operator is told which settings to look at."""
    async with house(tmp_path, signs_in=True) as built:
        needed = await built.asked(POST, caller(Subject(ISSUER, "object-alice")))
        browser = await signed_in(built)
        with structlog.testing.capture_logs() as logged:
            await browser.open(needed.invitation.url)
        assert browser.state == "wrong_person"
        assert "object-alice" not in browser.text
        (line,) = [line for line in logged if "identity.page_subject_claim" in line["event"]]
        assert (line["asked"], line["opened_by"]) == (f"{ISSUER} object-alice", subject("alice").key)
        await browser.open(f"{OURS}/consent/{'x' * 32}")
        assert browser.state == "wrong_person"


@pytest.mark.parametrize("oid", [None, "", "  ", 7, "x" * 300], ids=str)
async def test_an_id_token_without_the_claim_that_is_named_signs_nobody_in(tmp_path: Path, oid: Any) -> None:
    """MUST 7: nothing else stands in its place."""
    async with house(tmp_path, signs_in=True, identity={"page_subject_claim": "oid"}) as built:
        browser = built.browser()
        await browser.http.post(f"{ISSUER}/sandbox/id-token", json={"claims": {"oid": oid}})
        with structlog.testing.capture_logs() as logged:
            await browser.sign_in("alice")
        assert (browser.page.status, await people(built)) == (403, [])
        (line,) = [line for line in logged if line["event"] == "sign-in failed"]
        assert "ID token: subject: " in line["reason"]
        assert ("see identity.page_subject_claim: it has sub" in line["reason"]) == (oid is None)


async def test_an_id_token_may_write_its_times_with_fractions(tmp_path: Path) -> None:
    async with house(tmp_path, signs_in=True) as built:
        browser, now = built.browser(), built.now().timestamp()
        await browser.http.post(f"{ISSUER}/sandbox/id-token", json={"claims": {"iat": now + 0.5, "exp": now + 60.5}})
        await browser.sign_in("alice")
        assert await people(built) == [subject("alice").key]
