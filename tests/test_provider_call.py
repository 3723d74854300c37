"""One call on the wire: what comes back as a result, and what each refusal is told as."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from emulated import Emulated
from loaner.errors import (
    GrantBroken,
    LoanerError,
    NotFound,
    OutcomeUnknown,
    ProviderForbidden,
    ProviderRejected,
    ProviderUnavailable,
    RateLimited,
    ScopeNotGrantable,
)
from loaner.provider_call import send
from one_call import HISTORY, MUTATION, POST, PROSE, QUERY, READ, TOKEN, WEB, WRITE, Answering, always, carried


def slack_says(error: str, **more: str) -> Answering:
    return always(200, {"ok": False, "error": error} | more)


def linear_says(code: str, message: str = PROSE, status: int = 200) -> Answering:
    return always(status, {"errors": [{"message": message, "extensions": {"code": code, "type": code.lower()}}]})


def linear_did_it(done: bool, code: str) -> Answering:
    """Data and errors in one answer: something inside of what was asked for failed."""
    errors = [{"message": PROSE, "path": ["commentCreate", "comment"], "extensions": {"code": code}}]
    return always(200, {"data": {"commentCreate": {"success": done, "comment": None}}, "errors": errors})


def failing(error: Exception) -> Answering:
    def fail(_: httpx2.Request) -> httpx2.Response:
        raise error

    return fail


REFUSALS: dict[str, tuple[tuple[str, dict[str, Any]], Answering, type[LoanerError]]] = {
    "github 401": (READ, always(401, {"message": PROSE}), GrantBroken),
    "github 403": (READ, always(403, {"message": PROSE}), ProviderForbidden),
    "github 404": (READ, always(404, {"message": PROSE}), NotFound),
    "github 409": (WRITE, always(409, {"message": PROSE}), ProviderRejected),
    "github 410": (WRITE, always(410, {"message": PROSE}), ProviderRejected),
    "github 422": (WRITE, always(422, {"message": PROSE}), ProviderRejected),
    "github 429": (READ, always(429, {"message": PROSE}), RateLimited),
    "github 403 over the limit": (READ, always(403, {}, {"X-RateLimit-Remaining": "0"}), RateLimited),
    "github 500 on a read": (READ, always(500, {"message": PROSE}), ProviderUnavailable),
    "github 502 on a write": (WRITE, always(502), OutcomeUnknown),
    "github moved": (READ, always(301, {}, {"Location": "https://api.github.com/x"}), NotFound),
    "not json on a read": (READ, lambda _: httpx2.Response(200, text=PROSE), ProviderUnavailable),
    "not json on a write": (WRITE, lambda _: httpx2.Response(201, text=PROSE), OutcomeUnknown),
    "broken json": (
        READ, lambda _: httpx2.Response(200, content=b"{", headers={"content-type": "application/json"}),
        ProviderUnavailable,
    ),
    "no connection on a read": (READ, failing(httpx2.ConnectError("x")), ProviderUnavailable),
    "no connection on a write": (WRITE, failing(httpx2.ConnectError("x")), ProviderUnavailable),
    "lost on a read": (READ, failing(httpx2.ReadError("x")), ProviderUnavailable),
    "lost on a write": (WRITE, failing(httpx2.ReadError("x")), OutcomeUnknown),
    "no answer to a write": (WRITE, failing(httpx2.ReadTimeout("x")), OutcomeUnknown),
    "slack not found": (HISTORY, slack_says("channel_not_found"), NotFound),
    "slack not allowed": (POST, slack_says("not_in_channel"), ProviderForbidden),
    "slack missing scope": (HISTORY, slack_says("missing_scope", needed="groups:history"), ScopeNotGrantable),
    "slack revoked": (POST, slack_says("token_revoked"), GrantBroken),
    "slack too long": (POST, slack_says("msg_too_long"), ProviderRejected),
    "slack unknown word": (POST, slack_says("new_in_2027"), ProviderRejected),
    "slack broken on a read": (HISTORY, slack_says("internal_error"), ProviderUnavailable),
    "slack broken on a write": (POST, slack_says("fatal_error"), OutcomeUnknown),
    "slack 429": (POST, always(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "7"}), RateLimited),
    "slack 503": (HISTORY, always(503), ProviderUnavailable),
    "linear over the limit": (QUERY, linear_says("RATELIMITED", status=400), RateLimited),
    "linear over the limit, older": (QUERY, linear_says("RATELIMITED"), RateLimited),
    "linear signed out": (QUERY, linear_says("AUTHENTICATION_ERROR", status=401), GrantBroken),
    "linear missing scope": (MUTATION, linear_says("FORBIDDEN", "Invalid scope: `write` required"), ScopeNotGrantable),
    "linear forbidden": (MUTATION, linear_says("FORBIDDEN"), ProviderForbidden),
    "linear not found": (QUERY, linear_says("INPUT_ERROR", "Entity not found: Issue"), NotFound),
    "linear wrong input": (MUTATION, linear_says("INPUT_ERROR"), ProviderRejected),
    "linear broken on a read": (QUERY, linear_says("INTERNAL_SERVER_ERROR", status=500), ProviderUnavailable),
    "linear broken on a write": (MUTATION, linear_says("INTERNAL_SERVER_ERROR", status=500), OutcomeUnknown),
    "linear unknown word on a read": (QUERY, linear_says("NEW_IN_2027"), ProviderRejected),
    "linear unknown word on a write": (MUTATION, linear_says("NEW_IN_2027"), OutcomeUnknown),
    "linear unknown word, and refused": (MUTATION, linear_says("NEW_IN_2027", status=400), ProviderRejected),
    "linear unknown word, not found": (MUTATION, linear_says("NEW_IN_2027", "Entity not found: Issue"), NotFound),
    "linear unknown word, scope": (MUTATION, linear_says("NEW", "Invalid scope: `write` required"), ScopeNotGrantable),
    "linear errors of no shape on a write": (MUTATION, always(200, {"errors": [PROSE]}), OutcomeUnknown),
    "linear did it, and not all of the answer": (MUTATION, linear_did_it(True, "FORBIDDEN"), OutcomeUnknown),
    "linear did it, signed out since": (MUTATION, linear_did_it(True, "AUTHENTICATION_ERROR"), OutcomeUnknown),
    "linear did not do it, and says why": (MUTATION, linear_did_it(False, "INPUT_ERROR"), ProviderRejected),
    "linear did not do it": (MUTATION, always(200, {"data": {"commentCreate": {"success": False}}}), ProviderRejected),
}  # fmt: skip


@pytest.mark.parametrize("named", REFUSALS)
async def test_a_refusal_is_told_in_our_own_words(named: str) -> None:
    """MUST 42."""
    call, answering, kind = REFUSALS[named]
    with pytest.raises(LoanerError) as refused:
        await carried(call, answering)
    assert type(refused.value) is kind
    assert PROSE not in refused.value.told() + refused.value.log
    assert "2027" not in refused.value.told(), "a word that we do not know may say anything"
    assert TOKEN.reveal() not in refused.value.told() + refused.value.log + repr(refused.value.__context__)


@pytest.mark.parametrize(
    ("call", "headers", "seconds"),
    [
        (READ, {"Retry-After": "37"}, 37),
        (READ, {"X-RateLimit-Reset": "1000000037", "Date": "Sun, 09 Sep 2001 01:46:40 GMT"}, 37),
        (READ, {"X-RateLimit-Reset": "999999999", "Date": "Sun, 09 Sep 2001 01:46:40 GMT"}, 1),
        (READ, {"X-RateLimit-Reset": "1000000037"}, 60),
        (READ, {"Retry-After": "soon"}, 60),
        (READ, {"Retry-After": "99999999"}, 3600),
        (QUERY, {"X-RateLimit-Requests-Reset": "1000000037500", "Date": "Sun, 09 Sep 2001 01:46:40 GMT"}, 38),
        (HISTORY, {}, 30),
    ],
)
async def test_the_wait_is_read_as_each_provider_states_it(
    call: tuple[str, dict[str, Any]], headers: dict[str, str], seconds: int
) -> None:
    if "date" not in {name.lower() for name in headers}:
        headers = headers | {"Date": "unreadable"}

    with pytest.raises(RateLimited) as limited:
        await carried(call, always(429, {"ok": False, "error": "ratelimited"}, headers))

    assert limited.value.retry_after == seconds


async def test_the_permission_that_slack_names_leads_to_the_argument_that_asks_for_it() -> None:
    with pytest.raises(ScopeNotGrantable) as refused:
        await carried(HISTORY, slack_says("missing_scope", needed="groups:history", provided="channels:history"))

    assert refused.value.named == {"groups:history"}
    assert "channel_type “private_channel”" in refused.value.do


async def test_the_permissions_that_github_accepts_are_kept_for_later() -> None:
    headers = {"X-Accepted-GitHub-Permissions": "contents=read,pull_requests=write; issues=write"}

    with pytest.raises(ProviderForbidden) as refused:
        await carried(WRITE, always(403, {}, headers))

    assert refused.value.named == {"contents:read", "pull_requests:write"}


async def test_a_rejected_field_is_named_only_if_it_is_ours() -> None:
    errors = [{"field": "title", "code": "missing_field"}, {"field": PROSE, "code": "invalid"}]

    with pytest.raises(ProviderRejected) as refused:
        await carried(WRITE, always(422, {"message": PROSE, "errors": errors}))

    assert "(title: missing_field)" in refused.value.cause
    assert PROSE not in refused.value.cause


async def test_an_uncertain_write_says_how_to_check() -> None:
    with pytest.raises(OutcomeUnknown, match="may have happened") as lost:
        await carried(WRITE, always(504))

    assert "github_list_issues" in lost.value.do


async def test_a_write_that_fails_before_it_was_sent_changed_nothing() -> None:
    with pytest.raises(ProviderUnavailable):  # the lookup failed: the comment was never posted
        await carried(
            ("slack_add_reaction", {"channel": "#x", "timestamp": "1700000000.000100", "name": "a"}), always(500)
        )


async def test_nothing_is_sent_twice() -> None:
    """MUST 50."""
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(502)

    with pytest.raises(OutcomeUnknown):
        await carried(WRITE, answer)
    assert len(seen) == 1


async def test_what_was_already_so_is_a_success() -> None:
    call = ("slack_add_reaction", {"channel": "C0000001", "timestamp": "1700000000.000100", "name": "tada"})

    reply = await carried(call, slack_says("already_reacted"))

    assert reply.payload == {"done": True, "already": True}


async def test_every_create_at_linear_gets_its_own_id() -> None:
    sent: list[dict[str, Any]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(json.loads(request.content)["variables"]["input"])
        return httpx2.Response(200, json={"data": {"commentCreate": {"success": True, "comment": {"id": "x"}}}})

    await carried(MUTATION, answer)
    await carried(MUTATION, answer)

    assert len({entry["id"] for entry in sent}) == 2


async def test_what_linear_answers_with_null_is_not_found() -> None:
    """An issue without anything in it would read like one that has no labels."""
    with pytest.raises(NotFound):
        await carried(QUERY, always(200, {"data": {"issue": None}}))
    with pytest.raises(NotFound):
        await carried(("linear_list_comments", {"issueId": "ENG-1"}), always(200, {"data": {"issue": None}}))


async def test_the_log_of_a_job_is_fetched_elsewhere_without_the_credential() -> None:
    emulated = Emulated()
    hub: Any = emulated.sandbox.inside["github"]
    web = next(repo for repo in hub.world.repositories.values() if repo.full_name == "acme/web")
    bound = emulated.catalog["github_get_job_logs"].bind(WEB | {"job_id": web.runs[0].jobs[0].id})
    credential = emulated.credential("github", ["actions:read"], repositories=["acme/web"])

    reply = await send(bound, credential, emulated.transport)

    assert reply.payload["log"] == web.runs[0].jobs[0].log


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/log",
        "https://blob.core.windows.net.evil.example/log",
        "https://evilblob.core.windows.net.example/",
        "http://logs.blob.core.windows.net/log",
        "https://127.0.0.1/log",
        "http://127.0.0.1/log",
        "file:///etc/passwd",
        "//evil.example",
        "https://[::1",
        "",
    ],
)
async def test_a_redirect_leads_only_to_the_hosts_that_the_file_names(target: str) -> None:
    """MUST 44, 45."""
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.url.host)
        return httpx2.Response(302, headers={"Location": target})

    with pytest.raises(ProviderRejected, match="keeps this on another host"):
        await carried(("github_get_job_logs", WEB | {"job_id": 1}), answer)

    assert seen == ["api.github.com"]
