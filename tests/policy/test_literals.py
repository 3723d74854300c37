"""A rule that names what no call can be about is told, and one that was to protect it stops the server."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruled import tools

from loaner.errors import PolicyInvalid
from loaner.policy import CedarPolicy, load

HEAD = '@id("every") permit (principal, action, resource);\n\n'


def loaded(folder: Path, rule: str) -> CedarPolicy:
    (folder / "team.cedar").write_text(HEAD + rule, encoding="utf-8")
    return load(folder, tools().operations)


def forbid(condition: str) -> str:
    return f'@id("no") forbid (principal, action, resource)\nwhen {{\n{condition} }};'


OPEN = {
    "a name in capitals": (forbid('resource.name == "Acme/secrets"'), 5, '"acme/secrets"'),
    "in a set": (forbid('["acme/web", "acme/SECRETS"].contains(resource.name)'), 5, '"acme/secrets"'),
    "a pattern": (forbid('resource.name like "Acme/*"'), 5, '"acme/*"'),
    "an entity": (forbid('resource == Resource::"repository:Acme/web"'), 5, '"repository:acme/web"'),
    "an entity around it": (forbid('resource in Resource::"team:eng"'), 5, '"team:ENG"'),
    "an argument": (forbid('context.arguments has owner && context.arguments.owner == "Acme"'), 5, '"acme"'),
    "a whole ref": (forbid('context.arguments has branch && context.arguments.branch == "refs/heads/main"'), 5, ""),
    "an unknown kind": (forbid('resource.kind == "repo"'), 5, '"repo"'),
    "an unknown provider": (forbid('resource.provider == "gihub"'), 5, '"gihub"'),
    "no name at all": (forbid('resource.name == "acme web"'), 5, "no resource"),
    "what is inside of a repository": (forbid('resource.name == "acme/web#12"'), 5, "no resource"),
    "an id that no provider has": (forbid('resource has id && resource.id == "acme/web"'), 5, "no provider has ids"),
    "in its head": ('@id("no") forbid (principal, action, resource == Resource::"team:eng");', 3, '"team:ENG"'),
    "as an exception": (
        '@id("some") permit (principal, action, resource)\nunless { resource.name == "#Secrets" };',
        4,
        '"#secrets"',
    ),
    "negated": (
        '@id("some") permit (principal, action, resource)\nwhen { !(resource.name == "#Secrets") };',
        4,
        '"#secrets"',
    ),
    "unequal": ('@id("some") permit (principal, action, resource) when { resource.name != "eng" };', 3, '"ENG"'),
}


@pytest.mark.parametrize("what", OPEN)
def test_a_rule_that_would_protect_nothing_is_refused_with_its_line_and_the_canonical_name(
    what: str, tmp_path: Path
) -> None:
    rule, line, cure = OPEN[what]
    with pytest.raises(PolicyInvalid) as refused:
        loaded(tmp_path, rule)
    assert refused.value.where == f"{tmp_path / 'team.cedar'}:{line}"
    assert cure in refused.value.cause


def test_a_permit_that_never_matches_is_a_warning(tmp_path: Path) -> None:
    rule = '@id("some") permit (principal, action, resource)\nwhen { resource.name like "ACME/*" };'
    (warning,) = loaded(tmp_path, rule).warnings
    assert warning.where == f"{tmp_path / 'team.cedar'}:4"
    assert warning.told() == 'rule “some” has the pattern "ACME/*", which never matches: write "acme/*"'


FINE = [
    'resource.name == "acme/secrets"',
    'resource.name like "acme/*" || resource.name like "*/secrets" || resource.name like "*secret*"',
    'resource.name like "ENG-*" || resource.name like "#ops*" || resource.name like "*@acme.example"',
    'resource.kind == "repositories" || resource.kind == "issue" || resource.name == "workspace"',
    'resource in Resource::"team:ENG" || resource == Resource::"repository:acme/web"',
    'context.arguments has labels && context.arguments.labels.contains("deploy")',
    'context.arguments has path && context.arguments.path like ".github/*"',
    'context.agent.name == "Claude Code" && context.environment == "Production"',
    'principal.sub == "Alice"',
]


@pytest.mark.parametrize("condition", FINE)
def test_a_rule_that_can_match_is_no_fault(condition: str, tmp_path: Path) -> None:
    assert loaded(tmp_path, forbid(condition)).warnings == ()


def test_the_built_in_rules_name_nothing_that_is_not_there() -> None:
    assert load(None, tools().operations).warnings == ()
