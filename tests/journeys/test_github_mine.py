"""What waits for one person at GitHub, in one call: as limited as a search is, and theirs alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town

TOOL = "github_mine"
WEB = {"owner": "acme", "repo": "web"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """Alice is assigned an issue of web and one of api, and is asked for a review of what bob wants to merge."""
    async with town(tmp_path_factory.mktemp("mine"), tools={"toolsets": ("all",)}) as built:
        github: Any = built.running.sandbox.inside["github"]
        world, alice = github.world, github.world.accounts["alice"]
        world.find("acme/web").issues[2].assignees = [alice]
        world.find("acme/api").issues[1].assignees = [alice]
        world.find("acme/web").issues[4].pull.requested_reviewers = [alice]
        yield built


def where(found: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(one["repository_url"].rpartition("/")[2], one["number"]) for one in found]


async def called(acme: Town, user: str, **given: Any) -> Any:
    acme.advance(minutes=2)  # searching has the smallest of GitHub's limits
    async with acme.agent(user, name=f"{user}-everything") as agent:
        return await acme.call(agent, TOOL, given, user=user)


async def told(acme: Town, user: str, **given: Any) -> dict[str, Any]:
    answer = await called(acme, user, **given)
    assert not answer.is_error, text_of(answer)
    held: dict[str, Any] = answer.structured_content
    return held


async def test_where_one_repository_was_agreed_to_it_is_about_that_one(acme: Town) -> None:
    """First here: no wider yes exists yet. Issues and pull requests are both to have been agreed to."""
    async with acme.agent(name="narrow") as agent:
        asked = await agent.call_tool("github_issue_read", WEB | {"issue_number": 1})
        assert (await acme.decide(asked, reads="here", agents="this")).state == "approved"
        assert not (await agent.call_tool("github_issue_read", WEB | {"issue_number": 1})).is_error
        acme.advance(minutes=2)
        answer = await agent.call_tool(TOOL, {})
    assert not answer.is_error, text_of(answer)
    held = answer.structured_content
    assert held["limited_to"] == ["acme/web"]
    assert (where(held["assigned"]), where(held["reviews"])) == ([("web", 2)], [("web", 4)])
    record = (await acme.records(tool=TOOL, outcome="ok"))[-1]
    (loan,) = acme.ledger(fingerprint=record["fingerprint"])
    assert loan["resources"] == ["acme/web"]


async def test_ones_issues_reviews_and_pull_requests_come_with_one_credential(acme: Town) -> None:
    held = await told(acme, "alice")
    assert sorted(where(held["assigned"])) == [("api", 1), ("web", 2)]
    assert (where(held["reviews"]), held["pull_requests"]) == ([("web", 4)], [])
    assert (held["total_assigned"], held["total_reviews"], held["total_pull_requests"]) == (2, 1, 0)
    record = (await acme.records(tool=TOOL, outcome="ok"))[-1]
    (loan,) = acme.ledger(fingerprint=record["fingerprint"])
    assert loan["permissions"] == {"issues": "read", "metadata": "read", "pull_requests": "read"}
    assert [(use["method"], use["path"]) for use in loan["uses"]] == [("GET", "/search/issues")] * 3
    assert loan["revoked_at"]
    few = await told(acme, "alice", most=1)
    assert (len(few["assigned"]), few["total_assigned"]) == (1, 2)


async def test_another_person_gets_their_own(acme: Town) -> None:
    held = await told(acme, "bob")
    assert (held["assigned"], held["reviews"], where(held["pull_requests"])) == ([], [], [("web", 4)])


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "none of each": ({"most": 0}, "most must be 1"),
    "too many": ({"most": 26}, "most must be 1–25"),
    "a number in words": ({"most": "ten"}, "most must be a whole number"),
    "a search as account": ({"account": "acme OR user:octo"}, "account must be an account name"),
    "somebody else": ({"login": "bob"}, "unknown field"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_does_not_fit_is_refused(acme: Town, what: str) -> None:
    given, words = WRONG[what]
    answer = await called(acme, "alice", **given)
    assert (error_of(answer)["code"], words in text_of(answer)) == ("invalid_arguments", True), text_of(answer)


async def test_an_account_is_chosen_and_an_empty_one_is_not_given(acme: Town) -> None:
    assert (await told(acme, "alice", account="ACME"))["account"] == "acme"
    assert (await told(acme, "alice", account=""))["account"] == "acme"
    refused = await called(acme, "alice", account="octo")
    assert error_of(refused)["code"] in {"scope_not_grantable", "not_found"}, text_of(refused)
