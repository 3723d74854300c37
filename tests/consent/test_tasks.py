"""Tasks in the store: shared by processes, bound to the rules they were agreed to under."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from house import POST, House, caller
from loaner.consent import Proposal
from loaner.consent.tasks.scope import Item, TaskScope
from loaner.errors import ConsentNeeded, LoanerError, PolicyDenied, RateLimited

WHO = caller()
POSTS = Proposal.of(
    {"purpose": "announce", "operations": [{"tool": "slack_send_message", "count": 5}], "resources": ["#releases"]}
)


async def agreed(local: House) -> None:
    with pytest.raises(ConsentNeeded) as asked:
        await local.consents.tasks.propose(WHO, POSTS)
    browser = local.browser(slack="alice")
    await browser.open(asked.value.invitation.url)
    await browser.press("approve")
    assert browser.state == "approved"
    await browser.approve((await local.asked(POST)).invitation.url)  # connects the account


async def test_five_calls_are_five_whichever_process_takes_them(local: House) -> None:
    await agreed(local)
    another = replace(local, consents=local.consents_of_another_process())
    taken: list[str | None] = []

    async def take(process: House) -> None:
        try:
            taken.append((await process.obtain(POST)).task)
        except LoanerError:
            taken.append(None)

    async with anyio.create_task_group() as group:
        for number in range(12):
            group.start_soon(take, local if number % 2 else another)
    assert len([task for task in taken if task]) == 5


async def test_other_rules_void_a_task(local: House) -> None:
    """MUST 27: change the policy, and it is asked for anew."""
    await agreed(local)
    changed = local.consents_of_another_process()
    changed.policy_version = changed.tasks.policy_version = "cedar-other"
    local.consents = changed
    assert await changed.tasks.of(WHO) == []
    assert isinstance(await local.refused(POST), ConsentNeeded)


async def test_proposals_count_as_questions_so_that_nobody_is_flooded(local: House) -> None:
    """MUST 29: at most three wait, of which one agent has two: another agent of the person can still ask."""
    for number in range(2):
        with pytest.raises(ConsentNeeded):
            await local.consents.tasks.propose(WHO, POSTS.model_copy(update={"minutes": 10 + number}))
    with pytest.raises(RateLimited):
        await local.consents.tasks.propose(WHO, POSTS)


async def test_a_form_cannot_agree_to_more_than_was_proposed(local: House) -> None:
    with pytest.raises(ConsentNeeded) as asked:
        await local.consents.tasks.propose(WHO, POSTS)
    question = await local.consents.question(asked.value.invitation.handle, WHO.subject)
    assert question is not None
    item = Item("slack_send_message", 5, "slack-dev", "write", "")
    for wider in (
        TaskScope("announce", (Item("slack_delete_message", 5, "slack-dev", "destructive", ""),), ("#releases",), 60),
        TaskScope("announce", (Item("slack_send_message", 6, "slack-dev", "write", ""),), ("#releases",), 60),
        TaskScope("announce", (item,), ("*",), 60),
        TaskScope("announce", (item,), ("#releases",), 61),
        TaskScope("announce", (replace(item, resources=("#general",)),), ("#releases", "#general"), 60),
    ):
        with pytest.raises(ValueError, match="never wider"):
            await local.consents.tasks.agree(question, wider, proven_by="local-browser")
    assert await local.consents.tasks.of(WHO) == []


def test_trimming_a_resource_trims_each_tool_and_never_widens_one() -> None:
    """A tool that none of its own resources is left of goes; no resources of its own would mean all of them."""
    one, two = (
        Item("slack_read_channel", 5, "slack-dev", "read", ""),
        Item("slack_send_message", 5, "slack-dev", "write", ""),
    )
    proposed = TaskScope("announce", (one, replace(two, resources=("#releases",))), ("#releases", "#general"), 60)
    assert TaskScope.read(proposed.stored()) == proposed
    without = proposed.trimmed({0: 5, 1: 5}, [1], 60)
    assert [item.tool for item in without.items] == ["slack_read_channel"]
    assert proposed.covers(without)
    freed = TaskScope("announce", (one, two), ("#releases", "#general"), 60)
    assert not proposed.covers(freed), "the second tool would be for both"
    assert freed.covers(proposed)


async def test_a_look_for_tasks_that_goes_wrong_is_not_the_last(local: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a damaged row would end every call of the server, and no later end of a task would stop one."""
    looks = iter([KeyError("of no kind that anybody thought of"), {"t"}])

    def over(*_: object) -> set[str]:
        found = next(looks)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr("loaner.consent.tasks.stored.over", over)
    monkeypatch.setattr("loaner.blocks.calls_in_flight.LOOK_EVERY", 0.001)
    held = local.consents.tasks
    async with anyio.create_task_group() as group:
        group.start_soon(held.running.watch, held.over)
        with pytest.raises(PolicyDenied, match="ended while it ran"), anyio.fail_after(10):
            async with held.running.of_task("t", changes=False):
                await anyio.sleep_forever()
        group.cancel_scope.cancel()
