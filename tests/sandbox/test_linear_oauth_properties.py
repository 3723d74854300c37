"""Linear's OAuth under whatever order and whatever input: what lives is what the rules say, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import anyio
import httpx2
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from linear_steps import NOON, REDIRECT, Linear, challenge, returned

from loaner.sandbox.app import Sandbox
from loaner.sandbox.clock import SandboxClock
from loaner.sandbox.linear.registered import CLIENT_ID, redirect_allowed
from loaner.sandbox.switches import Switches

few = settings(max_examples=25, database=None)
some = settings(max_examples=60, database=None)

UNRESERVED = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
verifiers = st.text(UNRESERVED, min_size=43, max_size=128)
words = st.text(st.characters(codec="utf-8"), max_size=30)

FORM_FIELDS = (
    "grant_type",
    "client_id",
    "client_secret",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "token",
    "access_token",
    "token_type_hint",
)
QUERY_FIELDS = (
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "prompt",
    "actor",
    "code_challenge",
    "code_challenge_method",
)


@dataclass
class Pair:
    """What the rules say of one access token and its refresh token."""

    login: str
    family: int
    answer: dict[str, Any]
    expires_at: datetime
    access: bool = True
    refresh: bool = True


@dataclass
class Model:
    switches: Switches
    pairs: list[Pair] = field(default_factory=list)

    def minted(self, answer: dict[str, Any], login: str, family: int, now: datetime) -> None:
        self.pairs.append(Pair(login, family, answer, now + timedelta(seconds=answer["expires_in"])))

    def rotate(self, old: Pair) -> None:
        old.refresh = False
        if self.switches.linear_refresh_ends_access:
            for pair in self.pairs:
                pair.access &= pair.family != old.family

    def revoke(self, old: Pair, which: str) -> None:
        setattr(old, which, False)
        if self.switches.linear_revoke_ends_authorization:
            for pair in self.pairs:
                pair.access &= pair.login != old.login
                pair.refresh &= pair.login != old.login

    def lives(self, pair: Pair, which: str, now: datetime) -> bool:
        return pair.refresh if which == "refresh" else pair.access and now < pair.expires_at


steps = st.one_of(
    st.tuples(st.just("consent"), st.sampled_from(["alice", "bob"])),
    st.tuples(st.just("refresh"), st.integers(0, 9)),
    st.tuples(st.just("revoke"), st.tuples(st.integers(0, 9), st.sampled_from(["access", "refresh"]))),
    st.tuples(st.just("wait"), st.sampled_from([1, 3600, 86_399])),
)


async def live(linear: Linear, model: Model, course: list[tuple[str, Any]]) -> None:
    async with linear.http:
        for step, what in course:
            await take(linear, model, step, what)
            await assert_agreement(linear, model)


async def take(linear: Linear, model: Model, step: str, what: Any) -> None:
    clock = linear.sandbox.clock
    if step == "consent":
        model.minted(await linear.tokens(what), what, len(model.pairs), clock.now())
    elif step == "wait":
        clock.advance(what)
    elif model.pairs:
        number, which = what if step == "revoke" else (what, "refresh")
        pair = model.pairs[number % len(model.pairs)]
        lives = model.lives(pair, which, clock.now())
        token = pair.answer[f"{which}_token"]
        if step == "revoke":
            assert (await linear.revoke(token=token)).status_code == (200 if lives else 400)
            if lives:
                model.revoke(pair, which)
            return
        answer = await linear.refresh(token)
        assert answer.status_code == (200 if lives else 400)
        if lives:
            model.rotate(pair)
            model.minted(answer.json(), pair.login, pair.family, clock.now())
        else:
            assert answer.json()["error"] == "invalid_grant"


async def assert_agreement(linear: Linear, model: Model) -> None:
    """Every token answers as the model says, and the ledger knows of no other living one."""
    now, ledger = linear.sandbox.clock.now(), linear.sandbox.ledger
    for pair in model.pairs:
        answer = await linear.post(pair.answer["access_token"], "{ viewer { displayName } }")
        assert answer.status_code == (200 if model.lives(pair, "access", now) else 401)
        if answer.status_code == 200:
            assert answer.json()["data"]["viewer"]["displayName"] == pair.login
    alive = sum(model.lives(pair, which, now) for pair in model.pairs for which in ("access", "refresh"))
    assert sum(ledger.is_alive(entry) for entry in ledger) == alive


@few
@given(st.booleans(), st.booleans(), st.lists(steps, max_size=12))
def test_in_any_order_exactly_the_right_tokens_live(
    refresh_ends: bool, revoke_ends: bool, course: list[tuple[str, Any]]
) -> None:
    switches = Switches(linear_refresh_ends_access=refresh_ends, linear_revoke_ends_authorization=revoke_ends)
    linear = Linear(Sandbox(clock=SandboxClock(lambda: NOON), switches=switches))
    model = Model(switches)
    anyio.run(live, linear, model, [("consent", "alice"), *course])
    assert len(list(linear.sandbox.ledger)) == 2 * len(model.pairs), "no token besides those that were told"


@few
@given(verifiers, verifiers | words | st.none(), st.sampled_from(["S256", "plain"]))
def test_only_the_verifier_redeems(right: str, wrong: str | None, method: str) -> None:
    assume(wrong != right)

    async def redeem() -> None:
        linear = Linear()
        shown = challenge(right) if method == "S256" else right
        async with linear.http:
            asked = {"code_challenge": shown, "code_challenge_method": method}
            code = (await linear.consent(**asked))["code"]
            assert (await linear.redeem(code, code_verifier=wrong)).json()["error"] == "invalid_grant"
            assert list(linear.sandbox.ledger) == []
            code = (await linear.consent(**asked))["code"]
            assert (await linear.redeem(code, code_verifier=right)).status_code == 200

    anyio.run(redeem)


@some
@given(
    st.dictionaries(
        st.sampled_from(FORM_FIELDS),
        words | st.sampled_from(["authorization_code", "refresh_token", "client_credentials", CLIENT_ID, REDIRECT]),
    )
)
def test_no_form_mints_or_revokes_by_luck(form: dict[str, str]) -> None:
    async def send() -> None:
        linear = Linear()
        async with linear.http:
            code = (await linear.consent())["code"]
            for path in ("token", "revoke"):
                answer = await linear.http.post(f"{linear.api}/oauth/{path}", data=form)
                assert answer.status_code in {400, 401}
                assert answer.json().keys() == {"error", "error_description"}
            assert list(linear.sandbox.ledger) == []
            assert code not in answer.text

    anyio.run(send)


@some
@given(
    st.dictionaries(
        st.sampled_from(QUERY_FIELDS),
        words | st.sampled_from(["//evil.example", "http://evil.example", "read,write", "plain", "app"]),
    )
)
@example({"state": "a&code=stolen"})
@example({"state": "\r\nlocation: http://evil.example"})
@example({"redirect_uri": "http://localhost:1@evil.example/callback/linear"})
def test_whatever_is_asked_for_only_the_app_is_redirected_to(changes: dict[str, str]) -> None:
    async def ask() -> None:
        linear = Linear()
        async with linear.http:
            answer = await linear.authorize_page(**changes)
            if answer.status_code == 303:
                back = returned(answer)
                assert back.keys() <= {"error", "state"}
                assert back.get("state", "") == changes.get("state", "s 1")
            else:
                assert answer.status_code in {200, 400}
                assert "location" not in answer.headers

    anyio.run(ask)


hosts = st.sampled_from(["127.0.0.1", "localhost", "evil.example", "127.0.0.1.evil.example", "[::1]", "127.1", ""])
addresses = st.builds(
    "{}://{}{}{}{}{}".format,
    st.sampled_from(["http", "https", "HTTP", "javascript", ""]),
    st.sampled_from(["", "localhost@", "a:b@"]),
    hosts,
    st.sampled_from(["", ":80", ":99999", ":x", ":080", ":８０"]),  # noqa: RUF001 - full-width digits, on purpose
    st.sampled_from(["/callback/linear", "/callback/linear/", "/callback/../callback/linear", "/%63allback/linear"])
    | words,
    st.sampled_from(["", "?a=b", "#f", "\r\nx: y", "\\@evil.example"]),
)


@some
@given(addresses | words)
@example("http://localhost:80/callback/li\nnear")
@example(" http://localhost:80/callback/linear")
@example("http://localhost:80/callback/linear#")
def test_an_allowed_redirect_is_the_loopback_callback_and_nothing_else(uri: str) -> None:
    if redirect_allowed(uri):
        seen = httpx2.URL(uri)
        assert (seen.scheme, seen.path, seen.query, seen.fragment, seen.userinfo) == (
            "http",
            "/callback/linear",
            b"",
            "",
            b"",
        )
        assert seen.host in {"127.0.0.1", "localhost"}
        assert uri.isascii()
        assert uri.isprintable()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


@some
@given(json_values)
def test_no_body_breaks_the_graphql_endpoint(value: Any) -> None:
    async def post() -> None:
        linear = Linear()
        body = {"query": "query ($input: IssueFilter) { issues(filter: $input) { nodes { id } } }"}
        async with linear.http:
            headers = {"authorization": f"Bearer {await linear.token()}"}
            for sent in (value, body | {"variables": value}, body | {"variables": {"input": value}}):
                answer = await linear.http.post(f"{linear.api}/graphql", json=sent, headers=headers)
                assert answer.status_code in {200, 400}

    anyio.run(post)
