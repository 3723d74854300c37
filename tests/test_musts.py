from __future__ import annotations

import re

import musts

DOCUMENT = musts.TESTS.parent / "docs" / "security-musts.md"


def test_every_requirement_has_a_test_that_cites_it() -> None:
    found = musts.tests_by_requirement()
    assert [number for number in musts.REQUIRED if not found[number]] == []


def test_the_table_names_tests_that_exist_and_cite_what_they_are_named_for() -> None:
    """Tests that were added since are no fault of it; ``./run docs`` brings them in."""
    found = musts.tests_by_requirement()
    rows = dict(re.findall(r"^\| (\d+) \| .*? \| (.*) \|$", DOCUMENT.read_text(), flags=re.MULTILINE))
    assert {int(number) for number in rows} == musts.REQUIRED.keys()
    for number, named in rows.items():
        ids = re.findall(r"`([^`]+)`", named)
        assert ids, f"nothing holds {number}"
        assert set(ids) <= set(found[int(number)])


def test_citations_are_read_as_they_are_written() -> None:
    assert musts.cited("MUST 3, 4 and 8: x. MUSTs 2–5. MUST 55") == {2, 3, 4, 5, 8, 55}
    assert musts.cited("3 MUSTARD") == set()
