"""A task's page says what each tool is for, and whose word it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from house import House, caller
from loaner.caller import SuppliedTask
from loaner.consent import Proposal
from loaner.errors import ConsentNeeded, PolicyDenied
from loaner.fences import Fence, put_up

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


async def test_a_task_that_its_host_signed_says_who_did(local: House) -> None:
    ends = local.now().replace(microsecond=0) + timedelta(minutes=5)
    signed = SuppliedTask("a" * 64, "https://host.example", WANTED | {"minutes": 30}, ends, agreed=False)
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


async def test_no_issuer_speaks_for_a_person_behind_a_fence(local: House) -> None:
    ends = local.now() + timedelta(minutes=5)
    signed = SuppliedTask("a" * 64, "https://host.example", WANTED | {"minutes": 30}, ends, agreed=True)
    await local.store.write(lambda c: put_up(c, Fence("agent", "reported claude-code", "an operator", local.now())))
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
