"""A policy that cannot be ruled by stops the start, and the message has the file and the line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from ruled import EVERY, policy, tools

from loaner.errors import PolicyInvalid
from loaner.policy import load
from loaner.policy.cases import PolicyCase, problem

GOOD = EVERY

BROKEN: list[tuple[str, int, str]] = [
    (GOOD + '@id("b") permit (principal action, resource);', 2, "does not parse"),
    (GOOD + '\n\n@id("b")\npermit (principal, action, resource)', 4, "no end"),
    (
        GOOD + '// a ; remark\n@id("b") permit (principal, action == Action::"github_isue_read", resource);',
        3,
        "github_isue_read",
    ),
    (GOOD + '@id("b")\npermit (principal, action, resource) when { context.aproved };', 2, "aproved"),
    (GOOD + '@id("b") permit (principal, action, resource) when { context.task == "x" };', 2, "optional attribute"),
    (
        GOOD + '@id("b") permit (principal, action == Action::"github_issue_read", resource) '
        'when { context.arguments.issue_number == "1" };',
        2,
        "types",
    ),
    (GOOD + '@id("b") permit (principal == ?principal, action, resource);', 2, "template"),
    (GOOD + "permit (principal, action, resource);", 2, "needs a name"),
    (GOOD + GOOD, 2, "also the name of the rule at team.cedar:1"),
    (GOOD + '@id("b; c") permit (principal, action, resource) when { context.a == "a;b" };', 2, "not found"),
    ("// nothing\n", 0, "no rule"),
    ("", 0, "no rule"),
]


@pytest.mark.parametrize(("text", "line", "words"), BROKEN)
def test_a_broken_policy_is_refused_with_file_and_line(text: str, line: int, words: str) -> None:
    with pytest.raises(PolicyInvalid) as refused:
        policy(text)
    assert refused.value.told().startswith(f"policy_invalid: team.cedar{f':{line}' if line else ''}: ")
    assert words in refused.value.told()


def test_strings_and_remarks_may_hold_anything_that_ends_a_rule() -> None:
    read = policy(
        '// one; two "\n@id("a")\npermit (principal, action, resource) when { "x; // y\\"" == "x" };\n' + GOOD
    )
    assert [(rule.name, rule.where) for rule in read.rules.rules] == [("a", "team.cedar:2"), ("every", "team.cedar:4")]


def test_a_folder_of_rules_stands_in_place_of_the_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / "b.cedar").write_text('@id("second") permit (principal, action, resource);')
    (tmp_path / "a.cedar").write_text('@id("first") forbid (principal, action, resource);')
    rules = load(tmp_path, tools().operations).rules.rules
    assert [rule.name for rule in rules] == ["first", "second"]
    assert rules[1].where == f"{tmp_path / 'b.cedar'}:1"


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_folder_without_rules_is_refused_and_never_means_the_built_in_ones(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(PolicyInvalid, match="there is no"):
        load(tmp_path / name, tools().operations)


def test_what_the_docs_show_is_valid_and_rules_as_they_say(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()
    blocks = re.findall(r"```cedar\n(.*?)```", page, re.DOTALL)
    (tmp_path / "all.cedar").write_text("\n".join(blocks), encoding="utf-8")
    assert load(tmp_path, tools().operations).warnings == ()
    rules = blocks[0]
    (case,) = (block for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "[[case]]" in block)
    (written,) = tomllib.loads(case)["case"]
    assert problem(PolicyCase.model_validate(written), policy(rules), tools()) is None
