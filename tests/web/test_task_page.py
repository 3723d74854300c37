"""A task's page says what each tool is for, and whose word it is."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any

import pytest

from house import House, caller
from loaner.blocks.blocks import Block, put_block
from loaner.consent import Proposal
from loaner.errors import ConsentNeeded, PolicyDenied
from loaner.identity.caller import HostTask

WANTED: dict[str, Any] = {
    "purpose": "announce the release",
    "operations": [{"tool": "slack_read_channel"}, {"tool": "slack_send_message", "resources": ["#releases"]}],
    "resources": ["#general", "#releases"],
}


async def test_a_tool_for_some_of_the_resources_says_for_which(local: House) -> None:
    with pytest.raises(ConsentNeeded) as asked:
        await local.consents.tasks.propose(caller(), Proposal.of(WANTED))
    browser = local.browser()
    await browser.open(asked.value.invitation.url)
    before, _, after = browser.text.partition("slack_send_message")
    assert "only on" not in before
    assert "only on #releases" in after
    assert "not checked" in browser.text


async def test_a_tool_that_may_notify_nobody_says_so(local: House) -> None:
    for notifies in (None, "nobody"):
        quiet = {"tool": "slack_send_message", "notifies": notifies}
        with pytest.raises(ConsentNeeded) as asked:
            await local.consents.tasks.propose(caller(), Proposal.of(WANTED | {"operations": [quiet]}))
        browser = local.browser()
        await browser.open(asked.value.invitation.url)
        assert ("no text that notifies anybody" in browser.text) is (notifies is not None)
        assert "@notifies" not in browser.text


async def test_a_task_that_its_host_signed_says_who_did(local: House) -> None:
    ends = local.now().replace(microsecond=0) + timedelta(minutes=5)
    signed = HostTask("a" * 64, "https://host.example", WANTED | {"minutes": 30}, ends, ends, agreed=False)
    bound = replace(caller(), task=signed)
    with pytest.raises(ConsentNeeded) as asked:
        await local.consents.tasks.require(bound)
    browser = local.browser()
    await browser.open(asked.value.invitation.url)
    assert "Its host says announce the release signed by https://host.example" in browser.text
    await browser.press("approve")
    (running,) = await local.consents.tasks.of(bound)
    assert running.task.expires_at == ends
    assert running.task.source == "issuer"


async def test_no_issuer_speaks_for_a_person_behind_a_block(local: House) -> None:
    ends = local.now() + timedelta(minutes=5)
    signed = HostTask("a" * 64, "https://host.example", WANTED | {"minutes": 30}, ends, ends, agreed=True)
    await local.store.write(lambda c: put_block(c, Block("agent", "reported claude-code", "an operator", local.now())))
    with pytest.raises(PolicyDenied):
        await local.consents.tasks.require(replace(caller(), task=signed))
    assert await local.consents.tasks.of_person(caller().subject) == []


@pytest.mark.parametrize(("answer", "state"), [("deny", "denied"), ("approve", "approved")])
async def test_the_largest_task_can_be_answered(local: House, answer: str, state: str) -> None:
    """As many tools and resources as may be proposed, all left as they are: a no must never be too long to say."""
    tools = [one.tool for one in local.catalog.operations if one.effect != "destructive"][:20]
    resources = [f"acme/repository-{number}" for number in range(20)]
    assert len(tools) == len(resources)
    wanted = WANTED | {"operations": [{"tool": tool} for tool in tools], "resources": resources}
    with pytest.raises(ConsentNeeded) as asked:
        await local.consents.tasks.propose(caller(), Proposal.of(wanted))
    browser = local.browser()
    await browser.open(asked.value.invitation.url)
    await browser.press(answer)
    assert browser.state == state, browser.text


REVIEW = {"owner": "acme", "repo": "web", "pull_number": 4, "event": "APPROVE"}


@pytest.mark.parametrize(
    ("tool", "arguments", "shown"),
    [
        ("github_pull_request_review", REVIEW, ["with event exactly APPROVE", "without body"]),
        ("github_add_issue_comment", {"issue_number": 12}, ["with issue_number exactly 12", "whatever it then says"]),
        ("github_issue_read", {"issue_number": 12}, ["with issue_number exactly 12"]),
    ],
)
async def test_the_page_says_what_of_a_call_is_left_to_the_agent(
    local: House, tool: str, arguments: dict[str, Any], shown: list[str]
) -> None:
    wanted = {**WANTED, "operations": [{"tool": tool, "arguments": arguments}], "resources": ["acme/web"]}
    with pytest.raises(ConsentNeeded) as asked:
        await local.consents.tasks.propose(caller(), Proposal.of(wanted))
    browser = local.browser()
    await browser.open(asked.value.invitation.url)
    assert [words for words in shown if words not in browser.text] == []
    assert ("whatever it then says" in browser.text) is ("whatever it then says" in shown)


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({"open": ["title"]}, {"title"}),
        ({"open": ["title"], "arguments": {"id": "ENG-2"}}, {"title"}),
        ({"open": []}, set()),
        ({"arguments": {"id": "ENG-2", "priority": 1}}, set()),
        ({}, {"title", "description", "priority", "stateId", "assigneeId", "labelIds"}),
    ],
)
async def test_a_write_says_what_its_task_leaves_open_and_nothing_else(
    local: House, named: dict[str, Any], says: set[str]
) -> None:
    """MUST 28: an issue whose title is to be changed is not closed, given away or rewritten besides."""
    wanted = {**WANTED, "operations": [{"tool": "linear_update_issue"} | named], "resources": ["ENG-2"]}
    with pytest.raises(ConsentNeeded) as asked:
        await local.consents.tasks.propose(caller(), Proposal.of(wanted))
    browser = local.browser()
    await browser.open(asked.value.invitation.url)
    assert ("without" in browser.text and "stateId" in browser.text) is ("stateId" not in says)
    await browser.press("approve")
    operation = local.catalog["linear_update_issue"]
    person = "0b7b1f5e-0000-4000-8000-000000000001"
    more = {
        "title": "A clearer one",
        "description": "http://elsewhere.example",
        "priority": 4,
        "stateId": person,
        "assigneeId": person,
        "labelIds": [person],
    }
    inside = set()
    for name, value in more.items():
        bound = operation.bind({"id": "ENG-2"} | dict(named.get("arguments", {})) | {name: value})
        if await local.consents.tasks.inside(caller(), bound, bound.scope) is not None:
            inside.add(name)
    assert inside == says


async def test_what_is_not_named_beside_exact_arguments_may_not_be_said(local: House) -> None:
    review = [{"tool": "github_pull_request_review", "arguments": REVIEW}]
    wanted = {**WANTED, "operations": review, "resources": ["acme/web"]}
    with pytest.raises(ConsentNeeded) as asked:
        await local.consents.tasks.propose(caller(), Proposal.of(wanted))
    browser = local.browser()
    await browser.open(asked.value.invitation.url)
    await browser.press("approve")

    async def inside(**more: Any) -> bool:
        bound = local.catalog["github_pull_request_review"].bind(REVIEW | more)
        return await local.consents.tasks.inside(caller(), bound, bound.scope) is not None

    assert await inside()
    assert not await inside(body="Looks good to me.")
    assert not await inside(event="COMMENT", body="Hm.")


async def test_whom_a_fixed_text_notifies_is_marked_and_counted(local: House) -> None:
    fixed = {"tool": "slack_send_message", "arguments": {"text": "**out** <!channel> <@U00BOB0002> <@U00BOB0002>"}}
    with pytest.raises(ConsentNeeded) as asked:
        await local.consents.tasks.propose(caller(), Proposal.of(WANTED | {"operations": [fixed]}))
    browser = local.browser()
    html = (await browser.open(asked.value.invitation.url)).text
    assert re.findall("<mark>(.*?)</mark>", html) == ["&lt;!channel&gt;", *["&lt;@U00BOB0002&gt;"] * 2]
    told = unescape(" ".join(browser.text.split()))
    assert "It notifies everybody in the channel : 1 × <!channel>" in told
    assert "a person : 2 × <@U00BOB0002>" in told
