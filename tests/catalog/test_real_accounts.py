"""The page about real accounts names tests that exist, and its numbers are those of the providers' documents."""

from __future__ import annotations

import re
from pathlib import Path

from catalog.slack_pages import common_errors, slack
from catalog.test_documented_words import SLACK, methods

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "real-accounts.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_is_there() -> None:
    named = re.findall(r"`(tests/[a-z_/]+\.py)::(test_\w+)`", PAGE)
    assert len(named) > 40
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not re.search(rf"def {test}\(", (ROOT / file).read_text(encoding="utf-8"))
    ]
    assert missing == []


def test_the_words_that_slack_documents_are_counted_on_the_page() -> None:
    documented = [word for method in methods() for word in slack()[method]["errors"]]
    common = set(common_errors())
    unknown = [word for word in {*documented, *common} if SLACK.means(word) is None]
    told = " ".join(PAGE.split())
    assert f"document {len(documented)} words for the {len(methods())} methods" in told
    assert f"{len(set(documented))} different ones, and {len(common)} common to all methods" in told
    assert f"Unknown to loaner: {len(unknown)}." in told
