"""A model finds the tool by the words that people use: a plain search of names and descriptions does already.

The baseline is BM25 (Robertson and Zaragoza, 2009, "The Probabilistic Relevance Framework", section 3.1) over the name
and the description of each tool of the whole list, as ``tools/list`` has them, and nothing else.
"""

from __future__ import annotations

import math
import re
from collections import Counter

import pytest

from catalog.plain_requests import REQUESTS
from loaner import catalog

CATALOG = catalog.load()
FIRST = 3
SHARE = 0.85
K1, B = 1.2, 0.75
STOP = """
a about again all already am an and any are as at be by did do does for from has have i in into is it its just me my now
of off on one or other our out so some than that the their then there they this to up was we were what where which who
will with you your
"""
ENDINGS = ("ing", "ies", "ed", "es", "s", "e")


def terms(text: str) -> list[str]:
    return [_stem(word) for word in re.findall(r"[a-z]+", text.lower()) if word not in STOP.split()]


def _stem(word: str) -> str:
    ending = next((one for one in ENDINGS if word.endswith(one) and len(word) - len(one) >= 3), "")
    return word.removesuffix(ending) + ("y" if ending == "ies" else "")


class Bm25:
    def __init__(self, texts: dict[str, str]) -> None:
        self._counts = {name: Counter(terms(text)) for name, text in texts.items()}
        self._mean = sum(map(Counter.total, self._counts.values())) / len(texts)
        self._in = Counter(term for counts in self._counts.values() for term in counts)

    def ranked(self, request: str) -> list[str]:
        asked = set(terms(request))
        scores = {name: sum(self._score(counts, term) for term in asked) for name, counts in self._counts.items()}
        return sorted(scores, key=lambda name: (-scores[name], name))

    def _score(self, counts: Counter[str], term: str) -> float:
        many = len(self._counts)
        rarity = math.log(1 + (many - self._in[term] + 0.5) / (self._in[term] + 0.5))
        found, length = counts[term], counts.total() / self._mean
        return rarity * found * (K1 + 1) / (found + K1 * (1 - B + B * length))


BASELINE = Bm25({one.tool: f"{one.tool.replace('_', ' ')} {one.description}" for one in CATALOG.operations})


@pytest.mark.parametrize(("request_", "tool", "given"), REQUESTS, ids=[words for words, _, _ in REQUESTS])
def test_the_arguments_serve_the_request(request_: str, tool: str, given: dict[str, object]) -> None:
    assert request_
    assert CATALOG[tool].bind(given).plan()


def test_the_right_tool_is_among_the_first_three() -> None:
    places = {words: BASELINE.ranked(words).index(tool) for words, tool, _ in REQUESTS}
    missed = {words: place for words, place in places.items() if place >= FIRST}
    assert len(REQUESTS) == 100, "one request is one in a hundred"
    assert 1 - len(missed) / len(REQUESTS) >= SHARE, missed


def test_the_requests_are_not_copied_from_the_descriptions() -> None:
    for words, tool, _ in REQUESTS:
        shared = runs(words) & runs(CATALOG[tool].description)
        assert not shared, f"{words}: {shared}"


def runs(text: str, length: int = 4) -> set[str]:
    """Each so many words that stand in a row."""
    words = re.findall(r"[a-z]+", text.lower())
    return {" ".join(words[at : at + length]) for at in range(len(words) - length + 1)}
