"""After a no, the agent is not heard again about that tool on that resource, however it words the wish."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from house import House, caller
from loaner.consent import Proposal
from loaner.errors import ConsentDenied, ConsentNeeded, LoanerError, RateLimited
from loaner.identity.caller import Caller, Subject
from loaner.store import tags
from loaner.store.tables import pauses, records

TOOL = "github_add_issue_comment"
COMMENT = {"owner": "acme", "repo": "web", "issue_number": 7, "body": "hello"}
READ = {"owner": "acme", "repo": "web", "issue_number": 7}


@pytest.fixture
async def connected(local: House) -> House:
    """With a grant, so that only approvals are asked for."""
    call = ("github_get_issue", READ)
    needed = await local.asked(call)
    browser = local.browser(github="alice")
    await browser.open(needed.invitation.url)
    await browser.press("approve")
    code, link = browser.page.provider_code, browser.link()
    await browser.open(link)
    await browser.press("Continue", user_code=code)
    await browser.press("Authorize")
    local.pass_time(seconds=6)
    await browser.approve_account(needed.invitation.url)
    await local.obtain(call)
    return local


async def denied(house: House, arguments: dict[str, Any] = COMMENT, tool: str = TOOL) -> ConsentNeeded:
    needed = await house.asked((tool, arguments))
    browser = house.browser()
    await browser.open(needed.invitation.url)
    await browser.press("deny")
    return needed


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"body": "hellp"},
        {"body": "hello "},
        {"issue_number": 8},
        {"owner": "Acme"},
        {"owner": "ACME", "repo": "Web", "body": "else"},
    ],
    ids=str,
)
async def test_another_wording_does_not_ask_again(connected: House, other: dict[str, Any]) -> None:
    await denied(connected)
    refused = await connected.refused((TOOL, dict(reversed((COMMENT | other).items()))))
    assert isinstance(refused, ConsentDenied)
    assert f"{TOOL} on acme/web" in refused.told()
    assert "is not asked about it again before" in refused.told()
    connected.pass_time(minutes=9, seconds=50)
    assert isinstance(await connected.refused((TOOL, COMMENT | other)), ConsentDenied)
    connected.pass_time(seconds=20)
    assert (await connected.asked((TOOL, COMMENT | other))).fresh


async def test_something_else_is_asked_for(connected: House) -> None:
    await denied(connected)
    assert (await connected.asked((TOOL, COMMENT | {"repo": "api"}))).fresh
    assert (await connected.asked(("github_issue_create", {"owner": "acme", "repo": "web", "title": "x"}))).fresh
    assert (await connected.asked((TOOL, COMMENT), caller(agent="another"))).fresh


@pytest.mark.parametrize(
    "who", [caller(Subject("local", "eve")), caller(environment="production")], ids=["person", "environment"]
)
async def test_a_no_is_one_persons_in_one_environment(connected: House, who: Caller) -> None:
    """Nobody's "no" keeps the same agent of another person from being heard."""
    await denied(connected)
    assert (await connected.asked((TOOL, COMMENT), who)).fresh


async def test_a_no_to_a_write_is_none_to_its_account(local: House) -> None:
    """Nothing is connected, and what was refused is the write all the same."""
    await denied(local)
    assert isinstance(await local.refused((TOOL, COMMENT | {"body": "two"})), ConsentDenied)
    assert (await local.asked(("github_get_issue", READ))).fresh


async def test_each_no_in_a_row_makes_it_longer_up_to_an_hour(connected: House) -> None:
    for turn, minutes in enumerate((10, 20, 40, 60, 60)):
        await denied(connected, COMMENT | {"body": f"try {turn}"})
        connected.pass_time(minutes=minutes, seconds=-5)
        assert isinstance(await connected.refused((TOOL, COMMENT | {"body": f"after {turn}"})), ConsentDenied)
        connected.pass_time(seconds=10)
    connected.pass_time(hours=1)
    await denied(connected, COMMENT | {"body": "much later"})
    connected.pass_time(minutes=10, seconds=5)
    assert (await connected.asked((TOOL, COMMENT | {"body": "anew"}))).fresh


async def test_a_yes_to_the_same_makes_the_next_no_a_first_one(connected: House) -> None:
    await denied(connected)
    connected.pass_time(minutes=11)
    needed = await connected.asked((TOOL, COMMENT | {"body": "two"}))
    await connected.browser().approve(needed.invitation.url)
    await denied(connected, COMMENT | {"body": "three"})
    connected.pass_time(minutes=11)
    assert (await connected.asked((TOOL, COMMENT | {"body": "four"}))).fresh


async def test_its_person_lifts_it(connected: House) -> None:
    await denied(connected)
    assert isinstance(await connected.refused((TOOL, COMMENT | {"body": "two"})), ConsentDenied)
    browser = connected.browser()
    await browser.open("/")
    assert f"about {TOOL} on acme/web by reported claude-code" in browser.text
    await browser.press("Ask me again")
    assert "not asked again" not in browser.text
    assert (await connected.asked((TOOL, COMMENT | {"body": "three"}))).fresh
    assert isinstance(await connected.refused((TOOL, COMMENT)), ConsentNeeded), "the one that was denied as well"


async def test_a_question_that_waits_beside_it_still_waits(connected: House) -> None:
    other = await connected.asked((TOOL, COMMENT | {"body": "two"}))
    await denied(connected)
    again = await connected.asked((TOOL, COMMENT | {"body": "two"}))
    assert (again.fresh, again.invitation.handle) == (False, other.invitation.handle)


async def test_it_is_in_the_store_and_tagged(connected: House) -> None:
    await denied(connected)
    (row,) = await connected.rows(pauses)
    assert row["until"] > connected.now()
    elsewhere = connected.consents_of_another_process()
    assert (await elsewhere.standing(caller().subject)).paused
    await connected.store.write(lambda c: c.execute(update(pauses).values(denials=row["denials"] + 1)) and None)
    assert not (await elsewhere.standing(caller().subject)).paused  # and is told of in the log


async def test_what_was_refused_a_thousand_times_is_paused_for_an_hour(connected: House) -> None:
    await denied(connected)
    await connected.store.write(lambda c: tags.change(c, pauses, pauses.c.id.is_not(None), denials=1000))
    connected.pass_time(minutes=11)
    await denied(connected, COMMENT | {"body": "again"})
    (row,) = await connected.rows(pauses)
    assert (row["denials"], row["until"] - row["at"]) == (1001, timedelta(hours=1))


async def test_a_sweep_forgets_no_denial_that_still_counts(connected: House) -> None:
    await denied(connected)
    connected.pass_time(minutes=11)
    await connected.consents.sweep()
    await denied(connected, COMMENT | {"body": "again"})
    (row,) = await connected.rows(pauses)
    assert (row["denials"], row["until"] - row["at"]) == (2, timedelta(minutes=20))


async def test_an_account_that_was_refused_is_not_asked_for_by_another_tool(local: House) -> None:
    await denied(local, READ, "github_get_issue")
    for tool in ("github_list_issues", "github_get_repository"):
        assert isinstance(await local.refused((tool, {"owner": "acme", "repo": "api"})), ConsentDenied)
    browser = local.browser()
    await browser.open("/")
    assert "about connecting github-dev" in browser.text
    await browser.open("/connect")
    await browser.press("Connect GitHub")  # its person may, at once
    assert browser.state == "confirm"


async def test_a_task_that_was_refused_is_not_proposed_in_other_words(local: House) -> None:
    async def proposed(purpose: str, count: int) -> LoanerError:
        tools = [{"tool": "slack_send_message", "count": count}]
        wanted = Proposal.of({"purpose": purpose, "operations": tools, "resources": ["#releases"]})
        with pytest.raises(LoanerError) as told:
            await local.consents.tasks.propose(caller(), wanted)
        return told.value

    asked = await proposed("announce", 3)
    assert isinstance(asked, ConsentNeeded)
    browser = local.browser()
    await browser.open(asked.invitation.url)
    await browser.press("deny")
    assert isinstance(await proposed("announce it", 2), ConsentDenied)
    local.pass_time(minutes=11)
    for purpose, answer in (("announce all", "approve"), ("announce more", "deny")):
        again = await proposed(purpose, 1)
        assert isinstance(again, ConsentNeeded)
        await browser.open(again.invitation.url)
        await browser.press(answer)
    (row,) = await local.rows(pauses)
    assert row["denials"] == 1, "the yes made it a first one"


async def test_one_agent_leaves_a_place_for_another(connected: House) -> None:
    """MUST 63: a person's questions are few, and none of their agents has all of them."""
    for repo in ("web", "api"):
        await connected.asked((TOOL, COMMENT | {"repo": repo}))
    refused = await connected.refused((TOOL, COMMENT | {"repo": "docs"}))
    assert isinstance(refused, RateLimited)
    assert (await connected.asked((TOOL, COMMENT), caller(agent="another"))).fresh
    assert isinstance(await connected.refused((TOOL, COMMENT), caller(agent="a third")), RateLimited)


async def test_a_denial_is_recorded_with_how_long_it_took(connected: House) -> None:
    needed = await connected.asked((TOOL, COMMENT))
    connected.pass_time(seconds=12)
    browser = connected.browser()
    await browser.open(needed.invitation.url)
    await browser.press("deny")
    (record,) = [row for row in await connected.rows(records) if row["kind"] == "denied"]
    assert re.search(rf"asked for {TOOL}, refused after 1\d\.\d s", record["body"])  # the clock goes on by itself too
