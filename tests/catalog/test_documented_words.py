"""Every error word that Slack documents for a method of ours has a meaning, and each has its advice."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from catalog.slack_pages import common_errors, slack
from loaner import catalog
from loaner.catalog.provider import Provider
from loaner.catalog.reason import CODES

CATALOG = catalog.load()
SLACK = next(one.provider for one in CATALOG.operations if one.provider.name == "slack")
SIGNING_IN = {"oauth.v2.user.access"}
"""Its words answer a sign-in or a refresh, and are listed with ``grant.refusals``."""


def methods() -> set[str]:
    """Every method that a call of ours can send, look-ups and the care of grants included."""
    said = SLACK.model_dump_json() + json.dumps(
        [step.path for one in CATALOG.operations if one.provider.name == "slack" for step in one.steps]
    )
    return set(re.findall(r"/api/([A-Za-z]+(?:\.[A-Za-z0-9]+)+)", said)) - SIGNING_IN


def test_every_documented_word_of_every_method_has_a_meaning() -> None:
    documented = {method: set(slack()[method]["errors"]) for method in methods()}
    assert len(documented) > 20
    unknown = {
        method: sorted(word for word in words if SLACK.means(word) is None) for method, words in documented.items()
    }
    assert {method: words for method, words in unknown.items() if words} == {}
    assert {word for word in common_errors() if SLACK.means(word) is None} == set()


@pytest.mark.parametrize("provider", {one.provider.name: one.provider for one in CATALOG.operations}.values())
def test_a_word_leads_to_a_code_or_to_a_reason_and_no_reason_is_out_of_reach(provider: Provider) -> None:
    for word, meaning in provider.errors.items():
        assert meaning in CODES or provider.reason(meaning), word
        assert provider.means(word) in CODES


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"errors": SLACK.errors | {"x_y": "no_such_reason"}}, "is no code and no reason"),
        (
            {"errors": {}, "reasons": [{"name": "alone", "source": "https://x", "cause": "c", "do": "d"}]},
            "nothing leads to it",
        ),
    ],
)
def test_a_list_that_leads_nowhere_is_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Provider.model_validate(SLACK.model_dump() | changed)
