"""``docs/settings.md``: it is current, has every setting with its meaning, and each example can be set as it stands."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from loaner.settings import load
from settings.place import Place

DOCS = Path(__file__).resolve().parents[2] / "docs"
sys.path.insert(0, str(DOCS / "generate"))
import settings_page  # noqa: E402
from settings_examples import EXAMPLES  # noqa: E402

ALL = list(settings_page.settings())


def everything_but(left_out: tuple[str, ...] = ()) -> str:
    """A settings file with every example in it, and one left out."""
    document: dict[str, Any] = {}
    for one in ALL:
        if one.path == left_out:
            continue
        table = document
        *above, key = ["mine" if part == "NAME" else part for part in one.path if part != "[]"]
        for part in above:
            table = table.setdefault(part, {})
        table[key] = EXAMPLES[one.name]
    lists = {one.path[0] for one in ALL if "[]" in one.path}
    document = {key: [value] if key in lists else value for key, value in document.items()}
    return "".join(f"{key} = {settings_page.written(value)}\n" for key, value in document.items())


def test_the_page_is_what_the_classes_say_now() -> None:
    """Where this fails: ``./run docs``."""
    assert (DOCS / "settings.md").read_text("utf-8") == settings_page.page()


def test_every_setting_has_a_meaning_and_one_example() -> None:
    assert [one.name for one in ALL if not one.meaning] == []
    assert sorted(EXAMPLES) == sorted(one.name for one in ALL)


def test_every_example_differs_from_the_default() -> None:
    plain = [one.name for one in ALL if one.default == f"`{settings_page.written(EXAMPLES[one.name])}`"]
    assert plain == []


@pytest.mark.parametrize("one", [one for one in ALL if one.variable], ids=lambda one: one.name)
def test_an_example_means_the_same_in_the_file_and_in_its_variable(one: settings_page.Setting, place: Place) -> None:
    wanted = place.read(everything_but())
    example = EXAMPLES[one.name]
    variable = one.variable.replace("__NAME__", "__MINE__")
    place.patch.setenv(variable, example if isinstance(example, str) else json.dumps(example))
    place.write(everything_but(one.path))
    assert load() == wanted
