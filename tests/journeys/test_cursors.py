"""A cursor works for the one it was given to, and for nobody else (MUST 15 and 56)."""

from __future__ import annotations

import pytest

from journeys.town import Town, error_of

PAGE = {"owner": "acme", "repo": "web", "limit": 1}


async def test_the_next_page_is_reached_with_the_cursor_of_the_one_before(acme: Town) -> None:
    async with acme.agent() as agent:
        first = await acme.call(agent, "github_list_issues", PAGE)
        assert first.structured_content
        cursor = first.structured_content["next_cursor"]
        second = await agent.call_tool("github_list_issues", PAGE | {"cursor": cursor})
        assert second.structured_content
        assert first.structured_content["issues"] != second.structured_content["issues"]


async def test_a_cursor_that_was_altered_made_up_or_given_to_another_is_refused(acme: Town) -> None:
    async with acme.agent("alice") as hers, acme.agent("bob") as his:
        mine = (await acme.call(hers, "github_list_issues", PAGE)).structured_content
        assert not (await acme.call(his, "github_list_issues", PAGE, user="bob")).is_error
        assert mine
        cursor = mine["next_cursor"]
        mark, _, tag = cursor.rpartition(".")
        for agent, tool, wrong in (
            (hers, "github_list_issues", f"{mark[:-1]}A.{tag}"),
            (hers, "github_list_issues", mark),
            (hers, "github_list_issues", f"{mark}.{tag[:-1]}"),
            (hers, "github_list_issues", "WyJnaXRodWJfbGlzdF9pc3N1ZXMiLDJd"),
            (his, "github_list_issues", cursor),
        ):
            before = len(acme.ledger(kind="scoped"))
            answer = await agent.call_tool(tool, PAGE | {"cursor": wrong})
            assert error_of(answer)["code"] == "invalid_arguments", wrong
            assert len(acme.ledger(kind="scoped")) == before  # nothing was minted for it


@pytest.mark.parametrize("cursor", [" ", ".", "a.b", "\x00", "x" * 5000])
async def test_nonsense_is_refused(acme: Town, cursor: str) -> None:
    async with acme.agent() as agent:
        assert error_of(await agent.call_tool("github_list_issues", PAGE | {"cursor": cursor}))["code"] == (
            "invalid_arguments"
        )
