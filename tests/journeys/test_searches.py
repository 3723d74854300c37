"""A search reaches what its key was minted for, however the query is worded: not even what is public elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, text_of, town
from loaner.sandbox.github.git import Signature
from loaner.sandbox.github.state import Account, Issue, Repository

WEB = {"owner": "acme", "repo": "web"}
ELSEWHERE = "octo/spoon"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """A town, and beside it a public repository of somebody else that holds every word of acme's."""
    async with town(tmp_path_factory.mktemp("searches"), tools={"toolsets": ("all",)}) as built:
        github: Any = built.running.sandbox.inside["github"]
        world, now = github.world, built.loaner.now()
        octo = world.accounts["octo"] = Account("octo", 77, "User", "Octo", "octo@example.com")
        public = world.repositories[7001] = Repository(7001, "spoon", octo, {"octo": "admin"}, now, public=True)
        text = "Login button web app greet README"
        public.issues[public.next_number()] = Issue(world.next_id(), 1, text, octo, now, now, text)
        blob = public.git.add_blob(text.encode())
        commit = public.git.commit({"src/web.py": blob}, "Add", Signature("Octo", "octo@example.com", now))
        public.git.branches = {"main": commit.sha}
        yield built


async def found(acme: Town, tool: str, **given: Any) -> tuple[set[str], int]:
    """The repositories of what came back, and how much was left out."""
    acme.advance(minutes=2)  # searching has the smallest of GitHub's limits
    async with acme.agent() as agent:
        answer = await acme.call(agent, tool, given)
    assert not answer.is_error, text_of(answer)
    said = answer.structured_content or {}
    items = said.get("items", said.get("repositories", []))
    names = (one.get("repository") or one.get("full_name") or one["repository_url"] for one in items)
    return {"/".join(name.split("/")[-2:]) for name in names}, said.get("left_out", 0)


TRICKS = {
    "plain": ("web", 0),
    "the repository itself": ("repo:acme/web web", 0),
    "another repository": ("repo:acme/api web", 0),
    "a public repository": (f"repo:{ELSEWHERE} web", 1),
    "its owner": ("user:octo web", 1),
    "its organisation": ("org:octo web", 1),
    "in capitals": (f"REPO:{ELSEWHERE.upper()} web", 0),
    "in quotes": (f'repo:"{ELSEWHERE}" web', 1),
    "or": (f"web OR repo:{ELSEWHERE} web", 1),
    "or, at the beginning": (f"nothing-has-this OR repo:{ELSEWHERE} web", 1),
    "negated": ("-repo:acme/web web", 0),
    "an open quote": ('" web', 0),
}


@pytest.mark.parametrize("tool", ["github_search_issues", "github_search_code"])
@pytest.mark.parametrize("trick", TRICKS)
async def test_a_search_of_one_repository_answers_from_it_alone(acme: Town, tool: str, trick: str) -> None:
    query, left_out = TRICKS[trick]
    words = query.replace("web", "login") if "issues" in tool else query
    words = words.replace("acme/login", "acme/web")
    repositories, out = await found(acme, tool, q=words, **WEB)
    assert repositories <= {"acme/web"}
    assert out == left_out, "the provider itself would have shown it"
    if trick in {"plain", "a public repository", "or"}:
        assert repositories


@pytest.mark.parametrize(
    ("tool", "word"),
    [("github_search_issues", "login"), ("github_search_code", "app"), ("github_search_repositories", "o")],
)
async def test_a_search_without_a_repository_stays_with_the_account_of_its_key(
    acme: Town, tool: str, word: str
) -> None:
    repositories, out = await found(acme, tool, q=word)
    assert out == 0, "the query itself asked for no more"
    repositories, out = await found(acme, tool, q=f"{word} OR user:octo {word}")
    assert {name.partition("/")[0] for name in repositories} <= {"acme"}
    assert out == 1
