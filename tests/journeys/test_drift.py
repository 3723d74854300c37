"""A provider that names another permission than ours: noticed on any answer, kept once, and no call's problem."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import anyio.to_thread
import httpx2
import pytest

from catalog.examples import EXAMPLES, arguments
from emulated import Emulated
from journeys.town import Town, error_of
from loaner.audit.drift import Drift, compare
from loaner.catalog import BoundCall
from loaner.cli import _app
from loaner.provider_call import Answer, Terms, send
from loaner.provider_call.named import named
from loaner.sandbox.github.permissions import Need

WEB = {"owner": "acme", "repo": "web"}
GITHUB, SLACK = "X-Accepted-GitHub-Permissions", "X-Accepted-OAuth-Scopes"


def drift_of(bound: BoundCall, headers: Mapping[str, str], body: Any = None, status: int = 200) -> Drift | None:
    """What one answer with these headers makes of one call."""
    answer = Answer(status, httpx2.Headers(dict(headers)), {"ok": True} if body is None else body)
    said = named(answer, bound.operation.provider)
    return compare(bound, bound.scope, said) if said else None


@pytest.fixture(scope="module")
def emulated() -> Emulated:
    return Emulated()


async def test_no_operation_drifts_from_what_the_published_documents_say(emulated: Emulated) -> None:
    """Every operation against the sandbox, whose headers are made from the providers' documents."""
    drifts: list[Drift] = []
    asked = 0
    emulated.sandbox.switches.slack_tier_multiplier = 0
    for tool, example in EXAMPLES:
        bound = emulated.catalog[tool].bind(arguments(example, emulated))
        scope = bound.scope
        repositories = [scope.resource_name] if scope.resource_kind == "repository" else ["acme/web"]
        held = scope.permissions | bound.operation.provider.always
        credential = emulated.credential(scope.provider, held, repositories=repositories)
        answers: list[Answer] = []
        await send(bound, credential, emulated.transport, Terms(on_answer=answers.append))
        for answer in answers:
            if said := named(answer, bound.operation.provider):
                asked += 1
                drifts += [drift] if (drift := compare(bound, scope, said)) else []
    assert drifts == []
    assert asked > 50, "most answers name what they accept"


@pytest.mark.parametrize(
    ("tool", "given", "header", "says", "kind"),
    [
        ("github_list_issues", WEB, GITHUB, "issues=read", None),
        ("github_list_issues", WEB, GITHUB, "metadata=read", "more"),
        ("github_list_issues", WEB, GITHUB, "issues=read; pull_requests=read", None),
        ("github_list_issues", WEB, GITHUB, "issues=write", "less"),
        ("github_list_issues", WEB, GITHUB, "issues=read,members=read", "less"),
        ("github_list_issues", WEB, GITHUB, "discussions=read; issues=read,members=read", "less"),
        ("github_list_issues", WEB, GITHUB, "issues=write; allows_permissionless_access=true", None),
        ("github_list_issues", WEB, GITHUB, "<b>issues</b>=admin", None),  # not a permission: nothing is named
        ("github_issue_create", WEB | {"title": "x"}, GITHUB, "issues=write", None),
        ("github_issue_create", WEB | {"title": "x"}, GITHUB, "issues=read", "more"),
        ("github_issue_create", WEB | {"title": "x"}, GITHUB, "discussions=write", "less"),
        ("github_add_labels", WEB | {"issue_number": 4, "labels": ["bug"]}, GITHUB, "pull_requests=write", None),
        ("slack_send_message", {"channel": "#a", "text": "x"}, SLACK, "chat:write,chat:write:user", None),
        ("slack_send_message", {"channel": "#a", "text": "x"}, SLACK, "chat:post", "less"),
        ("slack_get_channel", {"channel": "C0000000001"}, SLACK, "groups:read,im:read", None),  # a case of ours
    ],
)
def test_an_answer_is_compared_with_what_was_asked_for(
    emulated: Emulated, tool: str, given: dict[str, Any], header: str, says: str, kind: str | None
) -> None:
    drift = drift_of(emulated.catalog[tool].bind(given), {header: says})
    assert (drift.kind if drift else None) == kind


def test_a_refusal_names_it_too(emulated: Emulated) -> None:
    message = emulated.catalog["slack_send_message"].bind({"channel": "#a", "text": "x"})
    refused = {"ok": False, "error": "missing_scope", "needed": "chat:post", "provided": "chat:write"}
    assert (drift := drift_of(message, {}, refused))
    assert drift.named == "chat:post"
    issue = emulated.catalog["linear_create_issue"].bind({"teamId": "ENG", "title": "x"})
    told = {"errors": [{"message": "Invalid scope: `initiatives:write` required", "extensions": {}}]}
    assert (drift := drift_of(issue, {}, told))
    assert (drift.ours, drift.named) == ("issues:create", "initiatives:write")


async def test_drift_is_kept_once_and_listed_and_the_call_goes_on(
    acme: Town, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Need, "header", lambda self: "issues=read,members=read")
    async with acme.agent() as agent:
        for number in (1, 1, 2):
            answer = await acme.call(agent, "github_issue_read", WEB | {"issue_number": number})
            assert not answer.is_error
    await acme.loaner.drifts.settled()
    (drift,) = await acme.loaner.drifts.all()
    assert (drift.tool, drift.kind) == ("github_issue_read", "less")
    assert (drift.ours, drift.named) == ("issues:read", "issues:read, members:read")
    monkeypatch.setenv("LOANER_HOME", str(acme.home))

    capsys.readouterr()

    def verb() -> int:
        return _app.run(["connector", "drift", "--json"])

    assert await anyio.to_thread.run_sync(verb) == 0
    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert row["named"] == "issues:read, members:read"
    assert row["source"].startswith("https://docs.github.com/")


async def test_a_store_that_refuses_drift_does_not_refuse_the_call(acme: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Need, "header", lambda self: "=;=,;;,=" * 500)
    async with acme.agent() as agent:
        assert not (await acme.call(agent, "github_issue_read", WEB | {"issue_number": 1})).is_error
        missing = await agent.call_tool("github_issue_read", WEB | {"issue_number": 404})
        assert error_of(missing)["code"] == "not_found"
    assert await acme.loaner.drifts.all() == []
