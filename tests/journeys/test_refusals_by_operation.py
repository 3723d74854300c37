"""The same status means something else to each operation, and some refusals only mean that there is nothing yet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town
from loaner.sandbox.github.state import Repository

WEB = {"owner": "acme", "repo": "web"}
EMPTY = {"owner": "acme", "repo": "empty"}
FILE = {"path": "README.md", "message": "m"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


def hub(built: Town) -> Any:
    return built.running.sandbox.inside["github"]


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """A town with a repository that has no commits, and a draft of a pull request."""
    async with town(tmp_path_factory.mktemp("refusals"), tools={"toolsets": ("all",)}) as built:
        world, now = hub(built).world, hub(built).now()
        world.repositories[2099] = Repository(2099, "empty", world.accounts["acme"], {"alice": "admin"}, now)
        world.find("acme/web").issues[4].pull.draft = True
        async with built.agent() as agent:
            await built.call(agent, "github_get_repository", WEB)
        yield built


async def answered(town: Town, tool: str, given: dict[str, Any], user: str = "alice") -> Any:
    async with town.agent(user) as agent:
        return await town.call(agent, tool, given, user=user)


@pytest.mark.parametrize(
    ("tool", "more", "holds"),
    [
        ("github_list_commits", {}, {"commits": []}),
        ("github_get_repository_tree", {"tree_sha": "main"}, {"entries": []}),
        ("github_get_file_contents", {"path": "README.md"}, {}),
        ("github_list_branches", {}, {"branches": [], "default_branch": "main"}),
    ],
)
async def test_a_repository_without_commits_is_read_as_nothing(
    acme: Town, tool: str, more: dict[str, Any], holds: dict[str, Any]
) -> None:
    answer = await answered(acme, tool, EMPTY | more)
    assert not answer.is_error, text_of(answer)
    note = {} if tool == "github_list_branches" else {"note": "The repository has no commits yet."}
    assert answer.structured_content == holds | note


async def test_a_409_of_another_reason_is_not_nothing(acme: Town) -> None:
    acme.fault("github", "status:409", path="/commits", count=1)
    answer = await answered(acme, "github_list_commits", WEB)
    assert error_of(answer)["code"] == "provider_rejected"
    assert "not available at this moment" in text_of(answer)


WRITES: list[tuple[str, dict[str, Any], str, str]] = [
    ("github_create_branch", EMPTY | {"branch": "a", "from_branch": "main"}, "not_found", "has no commits yet"),
    ("github_create_branch", WEB | {"branch": "main", "from_branch": "main"}, "provider_rejected", "a branch already"),
    (
        "github_create_or_update_file",
        WEB | FILE | {"content": "x", "sha": "0" * 40},
        "provider_rejected",
        "commit to another branch and open a pull request",
    ),
    ("github_create_or_update_file", WEB | FILE | {"content": "x"}, "provider_rejected", "sha is missing"),
    ("github_delete_file", WEB | FILE | {"sha": "0" * 40}, "provider_rejected", "sha is old: read it again"),
    ("github_merge_pull_request", WEB | {"pull_number": 4, "sha": "f" * 40}, "provider_rejected", "another commit now"),
    (
        "github_create_pull_request",
        WEB | {"title": "x", "head": "feature", "base": "main"},
        "provider_rejected",
        "one from head into base already",
    ),
    ("github_run_workflow", WEB | {"workflow_id": "ci.yml", "ref": "gone"}, "provider_rejected", "ref does not exist"),
]


@pytest.mark.parametrize(("tool", "given", "code", "words"), WRITES, ids=[f"{one[0]}-{one[3]}" for one in WRITES])
async def test_a_refused_write_says_what_its_status_means_there(
    acme: Town, tool: str, given: dict[str, Any], code: str, words: str
) -> None:
    answer = await answered(acme, tool, given)
    assert (error_of(answer)["code"], words in text_of(answer)) == (code, True), text_of(answer)
    assert "Change the arguments accordingly" not in text_of(answer)


async def test_a_draft_is_not_merged_and_the_agent_learns_where_to_look(acme: Town) -> None:
    sha = hub(acme).world.find("acme/web").git.branches["feature"]
    answer = await answered(acme, "github_merge_pull_request", WEB | {"pull_number": 4, "sha": sha})
    assert "a required check or review is missing" in text_of(answer)


async def test_nobody_approves_their_own_pull_request(acme: Town) -> None:
    given = WEB | {"pull_number": 4, "event": "APPROVE"}
    answer = await answered(acme, "github_pull_request_review", given, user="bob")
    assert "nobody can approve their own pull request" in text_of(answer)


async def test_a_rule_of_the_repository_is_no_conflict(acme: Town) -> None:
    """It is answered 409, as a file that changed meanwhile is."""
    acme.fault("github", "refused:conflict", path="/contents/", count=1)
    answer = await answered(acme, "github_create_or_update_file", WEB | FILE | {"content": "x", "sha": "0" * 40})
    assert "a rule of the repository protects the branch" in text_of(answer)
    assert "open a pull request" in text_of(answer)


@pytest.mark.parametrize("tool", ["github_search_issues", "github_search_code", "github_search_repositories"])
async def test_a_search_that_gave_up_says_so(acme: Town, tool: str) -> None:
    acme.running.sandbox.switches.github_incomplete_search = True
    answer = await answered(acme, tool, {"q": "web"})
    acme.running.sandbox.switches.github_incomplete_search = False
    assert (answer.structured_content["partial"], answer.structured_content.get("items", [])) == (True, [])
    answer = await answered(acme, tool, {"q": "web"})
    assert answer.structured_content["partial"] is False


async def test_what_cannot_be_searched_is_not_there_or_not_visible(acme: Town) -> None:
    answer = await answered(acme, "github_search_issues", {"q": "crash repo:nobody/nothing"})
    assert error_of(answer)["code"] == "not_found"
    assert "isn't visible to this user" in text_of(answer)
