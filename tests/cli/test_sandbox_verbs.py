"""Faults and switches of a running sandbox, and what ``status`` and ``connector list`` show, by their verbs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anyio.to_thread
import pytest

from journeys.conftest import acme  # noqa: F401 - the town, as a fixture
from journeys.town import Town, error_of
from loaner.cli import _app

Verb = Callable[..., Any]


@pytest.fixture
def verb(acme: Town, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verb:  # noqa: F811
    """Run a command line beside the town; answers its exit code, what it printed and what it complained."""
    monkeypatch.setenv("LOANER_HOME", str(acme.home))

    async def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = await anyio.to_thread.run_sync(_app.run, list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


async def test_a_fault_is_met_by_the_next_call_and_cleared(acme: Town, verb: Verb) -> None:  # noqa: F811
    issue = {"owner": "acme", "repo": "web", "issue_number": 1}
    async with acme.agent() as agent:
        assert not (await acme.call(agent, "github_issue_read", issue)).is_error
        assert (await verb("sandbox", "fault", "add", "github", "status:503", "--path", "/api/repos/"))[0] == 0
        assert error_of(await agent.call_tool("github_issue_read", issue))["code"] == "provider_unavailable"
        _, shown, _ = await verb("sandbox", "fault", "list", "--json")
        assert json.loads(shown) == {"github": [{"kind": "status:503", "path": "/api/repos/", "count": None}]}
        _, shown, _ = await verb("sandbox", "fault", "clear", "github")
        assert shown == "nothing is to go wrong\n"
        assert not (await agent.call_tool("github_issue_read", issue)).is_error


async def test_a_switch_is_shown_and_turned(acme: Town, verb: Verb) -> None:  # noqa: F811
    assert (await verb("sandbox", "switch", "slack_rotation", "false"))[:2] == (0, "slack_rotation = false\n")
    assert acme.running.sandbox.switches.slack_rotation is False
    _, shown, _ = await verb("sandbox", "switch", "--json")
    assert json.loads(shown) == acme.running.sandbox.switches.as_json()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("switch", "slack_rotaton", "false"), "there is no switch"),
        (("switch", "slack_rotation", "perhaps"), "is not true or false"),
        (("switch", "github_hourly_limit", "true"), "takes int"),
        (("fault", "add", "gitlab", "hang"), "has no provider"),
        (("fault", "add", "github", "explode"), "no such fault"),
    ],
)
async def test_what_the_sandbox_does_not_know_is_refused(verb: Verb, arguments: tuple[str, ...], told: str) -> None:
    code, _, complained = await verb("sandbox", *arguments)
    assert code == 2
    assert told in complained


async def test_a_person_whom_nobody_knows_is_lost_at_the_first_page(acme: Town, verb: Verb) -> None:  # noqa: F811
    async with acme.agent() as agent:
        asked = error_of(await agent.call_tool("github_get_me", {}))
    code, _, complained = await verb("sandbox", "approve", asked["url"], "--as", "mallory")
    assert (code, acme.ledger(provider="github")) == (2, [])
    assert "nobody is called 'mallory'" in complained
    assert "Open the page in a browser" in complained
    code, _, complained = await verb("sandbox", "approve", "https://github.com/login/device")
    assert (code, "drives the sandbox only" in complained) == (2, True)


async def test_status_shows_what_is_connected_lent_waiting_and_left(acme: Town, verb: Verb) -> None:  # noqa: F811
    async with acme.agent() as agent:
        await acme.call(agent, "github_get_me", {})
        waiting = await agent.call_tool("slack_send_message", {"channel": "#releases", "text": "x"})
        await acme.settled()
        code, shown, _ = await verb("status", "--json")
    assert code == 0
    told = json.loads(shown)
    assert [(grant["provider"], grant["account"]) for grant in told["grants"]] == [("github", "alice")]
    assert [one["tool"] for one in told["consents"]] == ["slack_send_message"]
    assert error_of(waiting)["user_code"] not in shown, "a status is no way to answer a question"
    assert error_of(waiting)["url"] not in shown
    assert told["loans"] == []
    (minting,) = [one for one in told["limits"] if one["rate_limit"] == "credentials"]
    assert (minting["provider"], minting["account"], minting["limit"]) == ("github", "alice", 900)
    assert 890 <= minting["left"] <= 900
    _, shown, _ = await verb("status")
    assert "of 900 credentials left" in shown


async def test_connectors_are_listed_without_a_secret(acme: Town, verb: Verb) -> None:  # noqa: F811
    code, shown, _ = await verb("connector", "list", "--json")
    assert code == 0
    assert [json.loads(line)["connector"] for line in shown.splitlines()] == ["github", "slack", "linear"]
    for connector in acme.loaner.connectors:
        assert connector.client_secret
        assert connector.client_secret.reveal() not in shown
