from __future__ import annotations

import re

import musts

DOCUMENT = musts.TESTS.parent / "docs" / "security-musts.md"


def test_every_requirement_has_a_row() -> None:
    assert sorted([*musts.REQUIRED, *musts.NOT_HERE]) == list(musts.ALL)


def test_what_is_required_is_cited_and_nothing_else_is() -> None:
    """A number that a test cites and the page does not have would be proof of nothing that anybody reads."""
    assert musts.tests_by_requirement().keys() ^ musts.REQUIRED.keys() == set()


def test_the_table_names_tests_that_exist_and_cite_what_they_are_named_for() -> None:
    """Tests that were added since are no fault of it; ``./run docs`` brings them in."""
    found = musts.tests_by_requirement()
    rows = dict(re.findall(r"^\| (\d+) \| .*? \| (.*) \|$", DOCUMENT.read_text(), flags=re.MULTILINE))
    assert [int(number) for number in rows] == list(musts.ALL)
    for number, named in rows.items():
        if int(number) in musts.NOT_HERE:
            assert musts.NOT_HERE[int(number)][1] in named
            continue
        ids = re.findall(r"`([^`]+)`", named)
        assert ids, f"nothing holds {number}"
        assert set(ids) <= set(found[int(number)])


def test_citations_are_read_as_they_are_written() -> None:
    assert musts.cited("MUST 3, 4 and 8: x. MUSTs 2–5. MUST 55") == {2, 3, 4, 5, 8, 55}
    assert musts.cited("3 MUSTARD") == set()
