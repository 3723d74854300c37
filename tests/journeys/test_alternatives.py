"""Where either of two permissions will do, the narrower is asked for first, and the one that the app has is lent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of

WEB = {"owner": "acme", "repo": "web"}


@pytest.fixture
async def pulls_only(acme: Town, monkeypatch: pytest.MonkeyPatch) -> Town:
    """The app was given pull requests to write, and no issues."""
    hub: Any = acme.running.sandbox.inside["github"]
    given = {name: level for name, level in hub.tokens._app.permissions.items() if name != "issues"}
    assert given["pull_requests"] == "write"
    monkeypatch.setattr(hub.tokens, "_app", replace(hub.tokens._app, permissions=given))
    return acme


async def number(acme: Town, *, pull: bool) -> int:
    hub: Any = acme.running.sandbox.inside["github"]
    (web,) = [one for one in hub.world.repositories.values() if one.full_name == "acme/web"]
    return next(one.number for one in web.issues.values() if bool(one.pull) is pull)


async def test_a_pull_request_is_commented_with_the_permission_for_pull_requests(pulls_only: Town) -> None:
    comment = {**WEB, "issue_number": await number(pulls_only, pull=True), "body": "Nice."}
    async with pulls_only.agent() as agent:
        answer = await pulls_only.call(agent, "github_add_issue_comment", comment)
        assert not answer.is_error, text_of(answer)
    (record,) = await pulls_only.records(tool="github_add_issue_comment", outcome="ok")
    assert record["needed_permissions"] == ["pull_requests:write"]
    (loan,) = pulls_only.ledger(fingerprint=record["fingerprint"])
    assert loan["permissions"] == {"pull_requests": "write", "metadata": "read"}
    assert loan["resources"] == ["acme/web"]
    assert loan["revoked_at"] is not None


async def test_an_issue_is_not(pulls_only: Town) -> None:
    comment = {**WEB, "issue_number": await number(pulls_only, pull=False), "body": "Nice."}
    async with pulls_only.agent() as agent:
        refused = await pulls_only.call(agent, "github_add_issue_comment", comment)
    assert error_of(refused)["code"] == "provider_forbidden", text_of(refused)
    assert "GitHub refused although issues:write or pull_requests:write was granted" in text_of(refused)
    await pulls_only.settled()
    assert [one for one in pulls_only.ledger(kind="scoped") if one["revoked_at"] is None] == []


async def test_an_app_with_both_is_asked_for_issues_alone(acme: Town) -> None:
    comment = {**WEB, "issue_number": await number(acme, pull=True), "body": "Nice."}
    async with acme.agent() as agent:
        assert not (await acme.call(agent, "github_add_issue_comment", comment)).is_error
    (record,) = await acme.records(tool="github_add_issue_comment", outcome="ok")
    (loan,) = acme.ledger(fingerprint=record["fingerprint"])
    assert loan["permissions"] == {"issues": "write", "metadata": "read"}
