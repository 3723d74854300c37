"""What a repository holds, from its root, by whatever its files are called."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, text_of, town

WEB = {"owner": "acme", "repo": "web"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("paths"), tools={"toolsets": ("all",)}) as built:
        yield built


async def said(acme: Town, tool: str, **given: Any) -> dict[str, Any]:
    async with acme.agent() as agent:
        answer = await acme.call(agent, tool, WEB | given)
    assert not answer.is_error, text_of(answer)
    return dict(answer.structured_content or {})


@pytest.mark.parametrize("given", [{}, {"path": ""}, {"path": "/"}, {"path": "."}])
async def test_the_root_is_listed(acme: Town, given: dict[str, str]) -> None:
    found = await said(acme, "github_get_file_contents", **given)
    assert "README.md" in {one["name"] for one in found["entries"]}


async def test_a_directory_is_listed_with_a_slash_after_it(acme: Town) -> None:
    found = await said(acme, "github_get_file_contents", path=".github/workflows/")
    assert [one["name"] for one in found["entries"]] == ["ci.yml"]


async def test_a_file_with_a_percent_sign_is_written_and_read(acme: Town) -> None:
    made = await said(acme, "github_create_or_update_file", path="docs/100%.md", message="m", content="All of it.")
    assert made["path"] == "docs/100%.md"
    assert (await said(acme, "github_get_file_contents", path="docs/100%.md"))["text"] == "All of it."


async def test_the_tree_is_that_of_the_default_branch_if_nothing_is_said(acme: Town) -> None:
    assert await said(acme, "github_get_repository_tree") == await said(
        acme, "github_get_repository_tree", tree_sha="main"
    )
