"""The device flow as a client, without a network or a clock: what is sent, how long is waited, how it ends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaner.grants.device_flow import MAX_INTERVAL, FlowEnded, Send, Started, Wait, poll, start
from loaner.secret import Secret

TOKENS = {"access_token": "ghu_x", "token_type": "bearer"}
PENDING = {"error": "authorization_pending"}
CODE = Secret("d" * 40)
GOOD = {"device_code": "d" * 40, "user_code": "WDJB-MJHT", "verification_uri": "https://github.com/login/device"}


def carry(answers: list[Mapping[str, Any] | None], interval: int = 5) -> tuple[list[int], Any]:
    """Drive a poll with these answers: the waits, and the tokens or how it ended (``None``: still going)."""
    flow, waits, coming = poll("client", CODE, interval), [], iter(answers)
    step: Send | Wait = next(flow)
    try:
        while True:
            assert isinstance(step, Wait)
            waits.append(step.seconds)
            sent = flow.send(None)
            assert isinstance(sent, Send)
            assert sent.form["device_code"] == CODE
            answer = next(coming, "over")
            if answer == "over":
                return waits, None
            step = flow.send(answer)  # type: ignore[arg-type]
    except StopIteration as done:
        return waits, done.value
    except FlowEnded as ended:
        return waits, ended.why


def test_every_asking_is_preceded_by_a_wait() -> None:
    assert carry([PENDING, PENDING, TOKENS]) == ([5, 5, 5], TOKENS)


@pytest.mark.parametrize(
    ("slow_down", "interval"),
    [
        ({"error": "slow_down"}, 10),
        ({"error": "slow_down", "interval": 12}, 12),
        ({"error": "slow_down", "interval": "15"}, 15),
        ({"error": "slow_down", "interval": 1}, 10),
        ({"error": "slow_down", "interval": 10**9}, MAX_INTERVAL),
        ({"error": "slow_down", "interval": True}, 10),
        ({"error": "slow_down", "interval": None}, 10),
        ({"error": "slow_down", "interval": math.inf}, 10),
        ({"error": "slow_down", "interval": math.nan}, 10),
    ],
)
def test_slow_down_is_five_seconds_more_or_what_the_provider_names_for_good(
    slow_down: dict[str, Any], interval: int
) -> None:
    """MUST 21: RFC 8628 §3.5 adds five seconds; GitHub names the new interval."""
    assert carry([slow_down, PENDING, TOKENS]) == ([5, interval, interval], TOKENS)


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("access_denied", "denied"),
        ("expired_token", "expired"),
        ("token_expired", "expired"),
        ("incorrect_device_code", "failed"),
        ("device_flow_disabled", "settings"),
        ("invalid_grant", "failed"),
        ("a word nobody knows", "failed"),
        (None, "failed"),
        (["list"], "failed"),
        ({"a": 1}, "failed"),
    ],
)
def test_every_other_error_ends_it(word: Any, why: str) -> None:
    """MUST 21: and an unknown word is a failure, not a reason to go on."""
    assert carry([PENDING, {"error": word}, TOKENS]) == ([5, 5], why)


def test_an_error_beside_a_token_is_an_error() -> None:
    assert carry([TOKENS | {"error": "access_denied"}]) == ([5], "denied")


def test_no_answer_doubles_the_wait() -> None:
    """RFC 8628 §3.5: exponential back-off after a timeout."""
    assert carry([None, None, PENDING, TOKENS]) == ([5, 10, 20, 20], TOKENS)


ANSWERS = st.one_of(
    st.none(),
    st.just(PENDING),
    st.just({}),
    st.just(TOKENS),
    st.builds(
        lambda word, interval: {"error": word, "interval": interval},
        st.sampled_from(["slow_down", "authorization_pending", "access_denied", "expired_token", "?"]),
        st.one_of(st.integers(-10, 10**12), st.text(max_size=4), st.none(), st.floats(), st.booleans()),
    ),
)


@given(st.lists(ANSWERS, max_size=12), st.integers(1, 60))
@settings(max_examples=300)
def test_whatever_the_provider_answers_the_wait_never_shrinks_and_the_flow_ends_once(
    answers: list[Mapping[str, Any] | None], interval: int
) -> None:
    """MUST 21."""
    waits, end = carry(answers, interval)
    assert waits == sorted(waits)
    assert waits[0] == interval
    assert max(waits) <= MAX_INTERVAL
    slowed = sum(1 for one in answers[: len(waits) - 1] if one and one.get("error") == "slow_down")
    assert waits[-1] >= min(interval + 5 * slowed, MAX_INTERVAL)
    # Everything after the answer that ended it was never asked for.
    going_on = [one for one in answers if one is None or one.get("error") in {"slow_down", "authorization_pending"}]
    assert (end is None) is (len(going_on) == len(answers))


def begin(answer: Mapping[str, Any] | None, scope: str | None = None) -> tuple[Send, Started]:
    flow = start("client", scope)
    sent = next(flow)
    with pytest.raises(StopIteration) as done:
        flow.send(answer)
    return sent, done.value.value


def test_starting_asks_with_the_client_alone_where_the_app_fixes_the_permissions() -> None:
    sent, started = begin(GOOD | {"expires_in": 900, "interval": 7})
    assert sent.form == {"client_id": "client"}
    assert (started.user_code, started.interval, started.expires_in) == ("WDJB-MJHT", 7, 900)
    assert "d" * 40 not in repr(started)


def test_a_scope_is_sent_where_there_is_one() -> None:
    assert begin(GOOD, "repo read:org")[0].form["scope"] == "repo read:org"


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        {"error": "device_flow_disabled"},
        GOOD | {"device_code": ""},
        GOOD | {"device_code": 7},
        GOOD | {"user_code": None},
        GOOD | {"verification_uri": "javascript:alert(1)"},
        GOOD | {"verification_uri": "https://user@evil.example"},
        GOOD | {"verification_uri": "//evil.example"},
    ],
)
def test_a_start_that_is_none_ends_at_once(answer: dict[str, Any] | None) -> None:
    flow = start("client", None)
    next(flow)
    with pytest.raises(FlowEnded):
        flow.send(answer)


@pytest.mark.parametrize("interval", [None, 0, -1, "x", True, 0.2])
def test_an_interval_that_is_none_is_five_seconds_or_one(interval: Any) -> None:
    assert begin(GOOD | {"interval": interval})[1].interval in {1, 5}
