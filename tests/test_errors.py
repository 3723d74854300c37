"""Each failure is drawn in the tree, has its own code, and speaks to each of its readers."""

from __future__ import annotations

import re

import pytest

from loaner import errors
from loaner.errors import ConsentNeeded, Invitation, LoanerError


def subclasses(base: type[LoanerError]) -> list[type[LoanerError]]:
    return [one for child in base.__subclasses__() for one in (child, *subclasses(child))]


HERE = [error for error in subclasses(LoanerError) if error.__module__ == errors.__name__]


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert drawn == [error.__name__ for error in HERE]


def test_every_code_is_its_own() -> None:
    codes = [error.code for error in HERE]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("error", HERE, ids=lambda error: error.__name__)
def test_no_voice_speaks_the_operators_reason(error: type[LoanerError]) -> None:
    extra = {
        "PolicyDenied": {"rule": "r"},
        "RateLimited": {"retry_after": 3},
        "ConnectorInvalid": {"where": "a:1"},
    }.get(error.__name__, {})
    if error is ConsentNeeded:
        invitation = Invitation("handle", "http://127.0.0.1/consent/x", "WDJB-MJHT", 600, "post one message")
        told = ConsentNeeded(invitation, tool="t", need="n", fresh=True)
    elif error.__name__ == "ConnectorInvalid":
        told = error("it broke", **extra)
    else:
        told = error("it broke", log="inside only", **extra)
    assert "inside only" not in f"{told.told()} {told.facts()}"
    assert told.told().startswith(f"{told.code}: ")
    assert told.facts()["code"] == told.code


def test_a_repeated_question_does_not_ask_anew() -> None:
    invitation = Invitation("handle", "http://127.0.0.1/consent/x", "WDJB-MJHT", 360, "post one message")
    again = ConsentNeeded(invitation, tool="t", need="n", fresh=False)
    assert again.told().startswith("consent_pending: still waiting on WDJB-MJHT")
    assert "6 min left" in again.told()
    assert again.facts()["code"] == "consent_pending"
