from __future__ import annotations

import base64
import hashlib
import math

import pytest

from loaner.consent import codes
from loaner.grants import pkce


def test_a_code_has_at_least_34_bits_and_no_letter_that_makes_words() -> None:
    """MUST 18."""
    assert math.log2(len(codes.ALPHABET) ** codes.LENGTH) >= 34
    assert not set(codes.ALPHABET) & set("AEIOUY0123456789")
    drawn = {codes.new_user_code() for _ in range(500)}
    assert len(drawn) == 500
    assert all(codes.typed(code) == code for code in drawn)


def test_a_handle_has_at_least_128_bits() -> None:
    """MUST 15."""
    assert len(base64.urlsafe_b64decode(codes.new_handle())) * 8 >= 128


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("WDJB-MJHT", "WDJB-MJHT"),
        ("wdjbmjht", "WDJB-MJHT"),
        (" wdjb mjht ", "WDJB-MJHT"),
        ("WDJB\u2010MJHT", "WDJB-MJHT"),
        ("WDJB\u2014MJHT", "WDJB-MJHT"),
        ("WDJB-MJH", None),
        ("WDJB-MJHTT", None),
        ("WDJB-MJHA", None),
        ("WDJB-MJH0", None),
        ("", None),
        ("W" * 100_000, None),
        ("WDJB-MJH\u212a", None),  # a Kelvin sign is no K
    ],
)
def test_a_typed_code_is_forgiven_its_case_and_dashes_only(text: str, code: str | None) -> None:
    assert codes.typed(text) == code


def test_pkce_is_s256_of_a_long_enough_verifier() -> None:
    """MUST 30: RFC 7636 §4.1, §4.2."""
    verifier, challenge = pkce.new_pkce()
    digest = hashlib.sha256(verifier.reveal().encode()).digest()
    assert 43 <= len(verifier.reveal()) <= 128
    assert challenge == base64.urlsafe_b64encode(digest).decode().rstrip("=")


def test_a_state_has_at_least_128_bits() -> None:
    """MUST 30."""
    state = codes.new_state()
    assert len(base64.urlsafe_b64decode(state + "=" * (-len(state) % 4))) * 8 >= 128
