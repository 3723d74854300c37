"""The text of a policy, taken apart into rules that know their file and line, and held to the schema.

Cedar names a policy by its place in the text and tells no line; so statements are counted here the way Cedar counts
them. Should the two ever disagree, the policy is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cedarpy

from loaner.errors import PolicyInvalid

_TOKEN = re.compile(r'//[^\n]*|"(?:\\.|[^"\\])*"|;|\n|[^/";\n]+|/|"', re.DOTALL)
_ID = re.compile(r'@id\s*\(\s*"([^"\\]*)"\s*\)')
_REASON = re.compile(r'@reason\s*\(\s*"([^"\\]*)"\s*\)')


@dataclass(frozen=True)
class Rule:
    """One ``permit`` or ``forbid``."""

    name: str
    """Its ``@id``."""
    reason: str
    """Its ``@reason``, for whoever is refused or asked; may be empty."""
    where: str
    """``file:line`` of its first line."""
    text: str


@dataclass(frozen=True)
class Rules:
    """A whole policy, parsed once."""

    rules: tuple[Rule, ...]
    parsed: cedarpy.PolicySet
    schema: cedarpy.Schema
    version: str
    """Changes with any byte of the text."""

    def of(self, policy_ids: list[str]) -> list[Rule]:
        """The rules that Cedar names, in the order of the text."""
        return [self.rules[number] for number in sorted(_number(one) for one in policy_ids)]


def read(texts: Mapping[str, str], schema: str) -> Rules:
    """Parse and validate a policy; ``texts`` by file name, in order. Raises :class:`PolicyInvalid` with ``file:line``.

    A policy without a rule is refused: it would refuse every call, and is far more often a wrong folder.
    """
    rules: list[Rule] = []
    for file, text in texts.items():
        rules += _statements(file, text)
    if not rules:
        raise PolicyInvalid("there is no rule in it.", where=next(iter(texts), "policy"))
    _refuse_same_names(rules)
    checked = cedarpy.Schema.from_str(schema)
    for rule in rules:
        _check(rule, checked)
    try:
        parsed = cedarpy.PolicySet.from_str("\n".join(rule.text for rule in rules))
    except ValueError as failure:
        raise PolicyInvalid(f"{failure}.", where=rules[0].where) from None
    if len(parsed) != len(rules):
        raise PolicyInvalid(f"Cedar counts {len(parsed)} rules where {len(rules)} stand.", where=rules[0].where)
    digest = hashlib.sha256()
    for file, text in texts.items():
        digest.update(f"{len(file)} {file} {len(text)} {text}".encode())
    return Rules(tuple(rules), parsed, checked, f"cedar-{digest.hexdigest()[:16]}")


def _check(rule: Rule, schema: cedarpy.Schema) -> None:
    try:
        alone = cedarpy.PolicySet.from_str(rule.text)
    except ValueError as failure:
        raise PolicyInvalid(f"this rule does not parse: {failure}.", where=rule.where) from None
    if alone.templates():
        # A template that nothing links applies to nobody: a rule that looks strict and does nothing.
        raise PolicyInvalid("a template (?principal, ?resource) has nothing to fill it in.", where=rule.where)
    if len(alone) != 1:
        raise PolicyInvalid("this is not one rule.", where=rule.where)
    told = cedarpy.validate_policies(rule.text, schema)
    if not told.validation_passed:
        problems = "; ".join(dict.fromkeys(_plain(one.error) for one in told.errors))
        raise PolicyInvalid(f"rule “{rule.name}”: {problems}.", where=rule.where)


def _statements(file: str, text: str) -> Iterator[Rule]:
    line, start, begun = 1, 0, 0
    for token in _TOKEN.finditer(text):
        piece = token[0]
        if not begun and piece.strip() and not piece.startswith("//"):
            begun = line + len(piece[: len(piece) - len(piece.lstrip())].splitlines())
            start = token.start()
        if piece == ";":
            yield _rule(text[start : token.end()], f"{file}:{begun}")
            begun = 0
        line += piece.count("\n")
    if begun:
        raise PolicyInvalid("this rule has no end (;).", where=f"{file}:{begun}")


def _rule(text: str, where: str) -> Rule:
    head = text.split("(", 1)[0] if not text.startswith("@") else text
    names, reasons = _ID.findall(head), _REASON.findall(head)
    if len(names) != 1 or not names[0].strip():
        # Whoever is refused is told the rule; an unnamed one could not be told, and its number changes.
        raise PolicyInvalid('a rule needs a name: @id("name") before it.', where=where)
    return Rule(names[0], reasons[0] if reasons else "", where, text)


def _refuse_same_names(rules: list[Rule]) -> None:
    seen: dict[str, str] = {}
    for rule in rules:
        if rule.name in seen:
            raise PolicyInvalid(f"“{rule.name}” is also the name of the rule at {seen[rule.name]}.", where=rule.where)
        seen[rule.name] = rule.where


def _plain(error: str) -> str:
    return re.sub(r"^for policy `[^`]*`, ", "", error)


def _number(policy_id: str) -> int:
    return int(policy_id.removeprefix("policy"))
