"""What scanning found, told without the secrets that it found, and who is in which team: reads, each at its least."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town
from loaner.sandbox.github.alerts import Alerts
from loaner.sandbox.github.operations import alerts

WEB = {"owner": "acme", "repo": "web"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("alerts"), tools={"toolsets": ("all",)}) as built:
        async with built.agent() as agent:
            assert not (await built.call(agent, "github_get_me", {})).is_error
        yield built


async def answered(acme: Town, tool: str, **given: Any) -> Any:
    async with acme.agent() as agent:
        return await acme.call(agent, tool, given)


async def told(acme: Town, tool: str, **given: Any) -> dict[str, Any]:
    answer = await answered(acme, tool, **given)
    assert not answer.is_error, text_of(answer)
    held: dict[str, Any] = answer.structured_content
    return held


def web(acme: Town) -> Any:
    hub: Any = acme.running.sandbox.inside["github"]
    return hub.world.find("acme/web")


READS: dict[str, tuple[str, dict[str, Any], dict[str, str], Any]] = {
    "code": ("github_list_code_scanning_alerts", WEB, {"security_events": "read"}, [2, 1]),
    "oldest first": (
        "github_list_code_scanning_alerts",
        WEB | {"direction": "asc"},
        {"security_events": "read"},
        [1, 2],
    ),
    "open ones": ("github_list_code_scanning_alerts", WEB | {"state": "open"}, {"security_events": "read"}, [1]),
    "of a tool": ("github_list_code_scanning_alerts", WEB | {"tool_name": "Other"}, {"security_events": "read"}, []),
    "of a branch": ("github_list_code_scanning_alerts", WEB | {"ref": "feature"}, {"security_events": "read"}, []),
    "secrets": ("github_list_secret_scanning_alerts", WEB, {"secret_scanning_alerts": "read"}, [2, 1]),
    "that still work": (
        "github_list_secret_scanning_alerts",
        WEB | {"validity": "active"},
        {"secret_scanning_alerts": "read"},
        [1],
    ),
    "that were revoked": (
        "github_list_secret_scanning_alerts",
        WEB | {"state": "resolved", "resolution": "revoked"},
        {"secret_scanning_alerts": "read"},
        [2],
    ),
    "of a kind": (
        "github_list_secret_scanning_alerts",
        WEB | {"secret_type": "example_webhook"},
        {"secret_scanning_alerts": "read"},
        [2],
    ),
}


@pytest.mark.parametrize("what", READS)
async def test_alerts_are_listed_and_chosen_on_the_least_permission(acme: Town, what: str) -> None:
    """MUST 31."""
    tool, given, least, numbers = READS[what]
    held = await told(acme, tool, **given)
    assert [one["number"] for one in held["alerts"]] == numbers
    record = (await acme.records(tool=tool, outcome="ok"))[-1]
    (loan,) = acme.ledger(fingerprint=record["fingerprint"])
    assert loan["permissions"] == dict(sorted((least | {"metadata": "read"}).items()))
    assert loan["resources"] == ["acme/web"]


async def test_alerts_come_in_pages(acme: Town) -> None:
    first = await told(acme, "github_list_code_scanning_alerts", **WEB, limit=1)
    rest = await told(acme, "github_list_code_scanning_alerts", **WEB, limit=1, cursor=first["next_cursor"])
    assert [one["number"] for one in first["alerts"] + rest["alerts"]] == [2, 1]


async def test_one_alert_says_where_and_what_to_do(acme: Town) -> None:
    held = await told(acme, "github_get_code_scanning_alert", **WEB, code_alert_number=1)
    assert (held["rule"], held["severity"], held["path"], held["line"]) == ("py/sql-injection", "high", "src/app.py", 2)
    assert "Use parameters" in held["help"]
    held = await told(acme, "github_get_secret_scanning_alert", **WEB, secret_alert_number=1)
    assert (held["secret_type"], held["validity"]) == ("example_api_key", "active")
    assert [(one["path"], one["line"]) for one in held["locations"]] == [("src/app.py", 1)]


@pytest.mark.parametrize("hides", [True, False])
async def test_a_secret_that_was_found_is_never_told(acme: Town, hides: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the provider leaves it out, as it is asked to, or, of an older release, does not know how."""
    asked: list[bool] = []
    is_hidden = alerts._is_hidden

    def hidden(call: Any) -> bool:
        asked.append(is_hidden(call))
        return hides and asked[-1]

    monkeypatch.setattr(alerts, "_is_hidden", hidden)
    for tool, more in (
        ("github_list_secret_scanning_alerts", {}),
        ("github_get_secret_scanning_alert", {"secret_alert_number": 1}),
        ("github_get_secret_scanning_alert", {"secret_alert_number": 2}),
    ):
        answer = await answered(acme, tool, **WEB, **more)
        assert not answer.is_error
        said = answer.model_dump_json() + json.dumps(await acme.records(tool=tool))
        assert not [one.kind for one in web(acme).alerts.secrets if one.secret in said], tool
    assert asked == [True, True, True]


async def test_what_is_switched_off_is_said_to_be_and_nothing_analysed_is_nothing(acme: Town) -> None:
    found, web(acme).alerts = web(acme).alerts, alerts_off()
    try:
        for tool in ("github_list_code_scanning_alerts", "github_list_secret_scanning_alerts"):
            answer = await answered(acme, tool, **WEB)
            assert error_of(answer)["code"] == "not_found"
            assert "switched off in the repository" in text_of(answer)
        web(acme).alerts.code = []
        held = await told(acme, "github_list_code_scanning_alerts", **WEB)
        assert held == {"alerts": [], "note": "Nothing has been analysed there yet."}
    finally:
        web(acme).alerts = found


def alerts_off() -> Alerts:

    return Alerts()


async def test_teams_and_their_people_are_read_with_a_credential_of_that_organization(acme: Town) -> None:
    held = await told(acme, "github_list_teams", org="Acme")
    assert [one["slug"] for one in held["teams"]] == ["platform", "design"]
    held = await told(acme, "github_list_team_members", org="acme", team_slug="platform")
    assert [(one["login"], one["role"]) for one in held["members"]] == [("alice", "maintainer"), ("bob", "member")]
    held = await told(acme, "github_list_team_members", org="acme", team_slug="platform", role="maintainer", limit=1)
    assert [one["login"] for one in held["members"]] == ["alice"]
    record = (await acme.records(tool="github_list_team_members", outcome="ok"))[-1]
    assert record["resource"] == "account:acme/"
    (loan,) = acme.ledger(fingerprint=record["fingerprint"])
    assert loan["permissions"] == {"members": "read", "metadata": "read"}
    assert {name.partition("/")[0] for name in loan["resources"]} == {"acme"}


async def test_what_was_agreed_of_one_organization_is_not_agreed_of_another(acme: Town) -> None:
    async with acme.agent("bob", "reads teams") as agent:
        asked = await agent.call_tool("github_list_teams", {"org": "acme"})
        assert (await acme.decide(asked, user="bob", reads="here")).state == "approved"
        assert not (await agent.call_tool("github_list_teams", {"org": "acme"})).is_error
        other = await agent.call_tool("github_list_teams", {"org": "bigcorp"})
        assert error_of(other)["code"] == "consent_required"


async def test_an_organization_without_the_app_is_said_to_have_none(acme: Town) -> None:
    answer = await answered(acme, "github_list_teams", org="nowhere")
    assert error_of(answer)["code"] == "scope_not_grantable"
    answer = await answered(acme, "github_list_team_members", org="acme", team_slug="nobody")
    assert error_of(answer)["code"] == "not_found"
    assert "github_list_teams" in text_of(answer)


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "no state": (
        "github_list_code_scanning_alerts",
        WEB | {"state": "closed"},
        "must be one of open, dismissed, fixed",
    ),
    "several kinds": ("github_list_secret_scanning_alerts", WEB | {"secret_type": "a,b"}, "must be a kind of secret"),
    "a wish to see it": ("github_list_secret_scanning_alerts", WEB | {"hide_secret": False}, "unknown field"),
    "a ref of all": ("github_list_code_scanning_alerts", WEB | {"ref": "refs/heads/main"}, "must be a branch"),
    "no number": ("github_get_code_scanning_alert", WEB | {"code_alert_number": "1"}, "must be a whole number"),
    "zero": ("github_get_secret_scanning_alert", WEB | {"secret_alert_number": 0}, "must be 1–2147483647"),
    "a team's name": ("github_list_team_members", {"org": "acme", "team_slug": "The Platform"}, "a team's slug"),
    "a way out": ("github_list_team_members", {"org": "acme", "team_slug": "../x"}, "a team's slug"),
    "an empty team": ("github_list_team_members", {"org": "acme", "team_slug": ""}, "team_slug must have 1"),
    "an empty organization": ("github_list_teams", {"org": ""}, "org must have 1"),
    "a repository": ("github_list_teams", {"org": "acme/web"}, "must be an account name"),
    "no role": ("github_list_team_members", {"org": "acme", "team_slug": "a", "role": "owner"}, "must be one of all"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_does_not_fit_is_refused_before_anything_is_sent(acme: Town, what: str) -> None:
    tool, given, said = WRONG[what]
    uses = [entry["uses"] for entry in acme.ledger()]
    async with acme.agent() as agent:
        answer = await agent.call_tool(tool, given)
    assert error_of(answer)["code"] == "invalid_arguments"
    assert said in text_of(answer)
    assert [entry["uses"] for entry in acme.ledger()] == uses
