"""What the rules see, and that anything but a clear yes is no."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import cedarpy
import pytest
from ruled import DELETE, EVERY, NOON, POST, READ, REPO, WRITE, ask, built_in, policy, tools

from loaner.catalog import Catalog
from loaner.identity.caller import Agent, Caller, Subject
from loaner.policy import Allowed, Ask, Refused, load
from loaner.policy.cedar import CedarPolicy

WHO = Caller(Subject("local", "ada"), Agent("claude-code"), "development", "this computer")
EVERYTHING = '@id("everything") permit (principal, action, resource);\n'


def test_the_built_in_rules_allow_reads_ask_for_writes_and_ask_exactly_for_what_destroys() -> None:
    assert isinstance(ask(built_in(), READ), Allowed)
    wide, exact = ask(built_in(), WRITE), ask(built_in(), DELETE)
    assert isinstance(wide, Ask)
    assert (wide.rule, wide.exact) == ("writes-ask", False)
    assert isinstance(exact, Ask)
    assert (exact.rule, exact.exact) == ("destructives-ask", True)


def test_read_only_refuses_every_other_call_and_names_the_rule_and_its_line() -> None:
    read_only = built_in(read_only=True)
    assert isinstance(ask(read_only, READ), Allowed)
    for call in (WRITE, DELETE, POST):
        refused = ask(read_only, call)
        assert isinstance(refused, Refused)
        assert refused.rule == "read-only"
        assert "default.cedar:20" in refused.reason


def test_every_operation_of_the_catalogue_is_ruled_by_its_effect() -> None:
    """MUST 32: none falls through to a yes."""
    rules = built_in().rules
    for operation in tools().operations:
        effects = [name for name in ("read", "write", "destructive") if name == operation.effect]
        assert len(effects) == 1
        assert f'action "{operation.tool}" in [Action::"{operation.effect}"' in str(_schema())
    assert len(rules.rules) == 4


def _schema() -> str:
    from loaner.policy.schema import schema_of

    return schema_of(tools().operations)


@pytest.mark.parametrize("issue", ["ENG-1", "eng-1"])
def test_a_rule_about_a_team_is_one_about_its_issues(issue: str) -> None:
    rules = policy(EVERYTHING + '@id("no") forbid (principal, action, resource in Resource::"team:ENG");')
    refused = ask(rules, ("linear_get_issue", {"id": issue}))
    assert isinstance(refused, Refused)
    assert refused.rule == "no"
    assert isinstance(ask(rules, ("linear_get_issue", {"id": "OPS-1"})), Allowed)


def test_a_list_that_does_not_say_what_it_is_of_is_refused_where_rules_name_something_of_that_provider(
    tmp_path: Path,
) -> None:
    """MUST 32: what cannot be ruled on is not given out."""
    found = tools()["github_list_my_repositories"]
    repositories = found.result.keep["repositories"].model_copy(update={"of": ()})
    silent = replace(found, result=found.result.model_copy(update={"keep": {"repositories": repositories}}))
    for name, ruled in (("acme/secrets", Refused), ("#secrets", Allowed)):
        rule = f'@id("no") forbid (principal, action, resource) when {{ resource.name == "{name}" }};'
        (tmp_path / "team.cedar").write_text(EVERYTHING + rule, encoding="utf-8")
        rules = load(tmp_path, tools().operations)
        for operation, expected in ((silent, ruled), (found, Allowed)):
            bound = operation.bind({})
            assert isinstance(rules.rule(WHO, bound, bound.scope, NOON), expected)


def test_what_would_be_asked_about_is_seen_in_an_answer_only_where_the_call_itself_was_asked_about(
    tmp_path: Path,
) -> None:
    rule = '@id("ask") permit (principal, action, resource) when { context.approved };\n'
    free = '@id("free") permit (principal, action, resource) when { resource.kind == "repositories" };\n'
    bound = tools()["github_list_my_repositories"].bind({})
    one = replace(bound.scope, resource="repository:acme/web")
    for text, seen in ((rule, True), (rule + free, False)):
        (tmp_path / "team.cedar").write_text(text, encoding="utf-8")
        rules = load(tmp_path, tools().operations)
        ruling = rules.rule(WHO, bound, bound.scope, NOON)
        assert rules.admits(WHO, bound, one, NOON, ruling) is seen


def test_a_call_that_no_rule_allows_is_refused() -> None:
    only_reads = policy('@id("reads") permit (principal, action in Action::"read", resource);')
    assert isinstance(ask(only_reads, READ), Allowed)
    refused = ask(only_reads, WRITE)
    assert isinstance(refused, Refused)
    assert refused.rule == "no-rule-allows-it"


def test_what_is_forbidden_is_not_even_asked_about() -> None:
    ruled = policy(
        EVERYTHING + '@id("not-here")\nforbid (principal, action, resource) when { resource.name == "acme/web" };'
    )
    refused = ask(ruled, WRITE)
    assert isinstance(refused, Refused)
    assert refused.rule == "not-here"
    assert "team.cedar:2" in refused.reason
    assert isinstance(ask(ruled, POST), Allowed)


SEEN: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ('principal == Person::"local ada"', {}, {"person": Subject("https://idp.example", "ada")}),
    ('principal.issuer == "local"', {}, {"person": Subject("https://idp.example", "ada")}),
    ('context.agent.name == "claude-code"', {}, {"agent": "another"}),
    ("context.agent.verified", {"verified": True}, {"verified": False}),
    ('context.environment == "development"', {}, {"environment": "production"}),
    ('context.now < datetime("2026-11-22T13:00:00Z")', {}, {"at": NOON + timedelta(hours=2)}),
    ("context has task", {"task": "t" * 32}, {}),
]


@pytest.mark.parametrize(("test", "yes", "no"), SEEN, ids=[test for test, _, _ in SEEN])
def test_a_rule_sees_who_asks_through_what_where_and_when(test: str, yes: dict[str, Any], no: dict[str, Any]) -> None:
    ruled = policy(
        f'@id("one") permit (principal, action, resource) when {{ {test} }};'.replace("principal ==", "principal ==")
    )
    assert isinstance(ask(ruled, WRITE, **yes), Allowed)
    assert isinstance(ask(ruled, WRITE, **no), Refused)


def test_a_rule_sees_the_tool_the_resource_and_the_arguments() -> None:
    ruled = policy(
        '@id("bugs") permit (principal, action == Action::"github_issue_create", resource)\n'
        'when { resource.name like "acme/*" && resource.provider == "github" && context.arguments has labels &&\n'
        '       context.arguments.labels.contains("bug") };'
    )
    tool, arguments = WRITE
    assert isinstance(ask(ruled, (tool, arguments | {"labels": ["bug", "ui"]})), Allowed)
    for other in ({}, {"labels": ["ui"]}, {"labels": ["bug"], "owner": "evil"}):
        assert isinstance(ask(ruled, (tool, arguments | other)), Refused)


def test_content_is_seen_whole_so_that_padding_hides_nothing() -> None:
    ruled = policy(
        EVERYTHING + '@id("no-links") forbid (principal, action == Action::"slack_send_message", resource)\n'
        'when { context.arguments.text like "*http*" };'
    )
    tool, arguments = POST
    assert isinstance(ask(ruled, POST), Allowed)
    padded = {**arguments, "text": "x" * 3_900 + " http://evil.example"}
    assert isinstance(ask(ruled, (tool, padded)), Refused)


def test_nothing_is_destroyed_without_a_person_whatever_the_rules_say() -> None:
    """MUST 28: a policy cannot give away the exact approval of something destructive."""
    assert isinstance(ask(policy(EVERYTHING), WRITE), Allowed)
    ruling = ask(policy(EVERYTHING), DELETE)
    assert isinstance(ruling, Ask)
    assert ruling.exact


def test_a_read_that_a_rule_asks_for_is_asked_for_exactly() -> None:
    ruling = ask(policy('@id("ask") permit (principal, action, resource) when { context.approved };'), READ)
    assert isinstance(ruling, Ask)
    assert ruling.exact


def test_a_rule_that_fails_while_it_is_evaluated_refuses_the_call() -> None:
    """Cedar passes over a failing rule; a failing "forbid" must not become a yes."""
    overflowing = '@id("sum") forbid (principal, action == Action::"github_issue_read", resource)\n'
    overflowing += "when { context.arguments.issue_number + 9223372036854775807 > 0 };"
    refused = ask(policy(EVERYTHING + overflowing), READ)
    assert isinstance(refused, Refused)
    assert refused.rule == "policy-error"


def test_a_call_that_does_not_fit_the_schema_has_no_decision_and_is_refused() -> None:
    """``NoDecision`` is not a yes: here the schema knows of no such tool."""
    from loaner.policy.rules import read
    from loaner.policy.schema import schema_of

    others = [one for one in tools().operations if one.tool != READ[0]]
    ruled = CedarPolicy(read({"team.cedar": EVERYTHING}, schema_of(others)))
    refused = ask(ruled, READ)
    assert isinstance(refused, Refused)
    assert refused.rule == "policy-error"


@pytest.mark.parametrize("decision", [one for one in cedarpy.Decision if one is not cedarpy.Decision.Allow])
def test_nothing_but_allow_allows(decision: cedarpy.Decision, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = cedarpy.AuthzResult({"decision": decision.value, "diagnostics": {}})
    monkeypatch.setattr(cedarpy, "is_authorized", lambda *_: answer)
    assert isinstance(ask(built_in(), READ), Refused)


def test_the_version_follows_every_byte_of_the_text() -> None:
    """MUST 27: another policy is another version, and approvals are bound to it."""
    one, same, other = policy(EVERYTHING), policy(EVERYTHING), policy(EVERYTHING + "// a remark\n")
    assert one.version == same.version != other.version
    assert replace(one, read_only=True).version == one.version


def test_the_schema_knows_tools_that_are_not_shown() -> None:
    """Choosing fewer toolsets must not make a rule about the others a mistake."""
    shown: Catalog = tools().selected(["github.issues"])
    assert "slack_send_message" not in shown
    assert isinstance(
        ask(policy('@id("one") forbid (principal, action == Action::"slack_send_message", resource);'), READ), Refused
    )


def test_a_rule_can_go_by_an_entry_of_a_map_and_by_what_is_cleared() -> None:
    rules = policy(
        EVERY + '@id("no") forbid (principal, action == Action::"github_run_workflow", resource) when '
        '{ context.arguments has inputs && context.arguments.inputs.contains("environment=production") };\n'
        '@id("keep") forbid (principal, action == Action::"linear_update_issue", resource) when '
        '{ context.arguments has assigneeId && context.arguments.assigneeId == "" };'
    )
    start = REPO | {"workflow_id": "ci.yml", "ref": "main"}
    assert isinstance(ask(rules, ("github_run_workflow", start | {"inputs": {"environment": "staging"}})), Allowed)
    assert isinstance(ask(rules, ("github_run_workflow", start | {"inputs": {"environment": "production"}})), Refused)
    assert isinstance(ask(rules, ("linear_update_issue", {"id": "ENG-1", "estimate": None})), Allowed)
    assert isinstance(ask(rules, ("linear_update_issue", {"id": "ENG-1", "assigneeId": None})), Refused)
