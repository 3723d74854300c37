"""A secret shows itself to nobody who does not ask by name."""

from __future__ import annotations

import json
import pickle

import pytest

from loaner.secret import Secret, fingerprint

VALUE = "xoxp-a-canary-value"


def test_no_usual_way_of_showing_a_value_shows_a_secret() -> None:
    """MUST 60."""
    secret = Secret(VALUE)
    shown = f"{secret} {secret!r} {[secret]} { ({'token': secret}) } {vars(type(secret)).keys()}"
    assert VALUE not in shown
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(AttributeError):
        _ = secret.__dict__


def test_it_is_recognised_by_its_fingerprint() -> None:
    assert Secret(VALUE).fingerprint == fingerprint(VALUE) != fingerprint(VALUE + "x")
    assert Secret(VALUE) == Secret(VALUE) != Secret(VALUE + "x")
    assert len({Secret(VALUE), Secret(VALUE)}) == 1


def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        Secret("")
