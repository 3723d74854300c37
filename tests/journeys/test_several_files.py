"""Several files in one commit, and comments on several lines in one review: shown whole, done once, never stretched."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town
from loaner.consent import requests
from loaner.sandbox.github.git import GitStore

WEB = {"owner": "acme", "repo": "web"}
PUSH, REVIEW = "github_push_files", "github_pull_request_review"
FILES = {"docs/a b.md": "one\nfiles docs/c.md", "src/new.py": ""}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("files"), tools={"toolsets": ("all",)}) as built:
        async with built.agent() as agent:
            assert not (await built.call(agent, "github_get_me", {})).is_error
        yield built


def web(acme: Town) -> Any:
    hub: Any = acme.running.sandbox.inside["github"]
    return hub.world.find("acme/web")


def head(acme: Town, branch: str = "main") -> str:
    return str(web(acme).git.branches[branch])


def given(acme: Town, files: Any = FILES, **more: Any) -> dict[str, Any]:
    return WEB | {"branch": "main", "expected_head": head(acme), "message": "m", "files": files} | more


def texts(acme: Town, sha: str) -> dict[str, str]:
    store = web(acme).git
    return {path: store.blobs[blob].decode() for path, blob in store.commits[sha].files.items()}


async def answered(acme: Town, tool: str, arguments: dict[str, Any]) -> Any:
    async with acme.agent() as agent:
        return await acme.call(agent, tool, arguments)


async def payload(acme: Town, asked: Any) -> list[list[str]]:
    handle = error_of(asked)["url"].rpartition("/")[2]
    question = await acme.loaner.store.read(lambda c: requests.get(c, handle))
    assert question
    shown: list[list[str]] = question.shown["payload"]
    return shown


async def test_several_files_are_shown_whole_and_become_one_commit(acme: Town) -> None:
    """MUST 27."""
    before, call = head(acme), given(acme)
    async with acme.agent() as agent:
        asked = await agent.call_tool(PUSH, call)
        shown = await payload(acme, asked)
        assert ["files “docs/a b.md”", FILES["docs/a b.md"]] in shown, "a path cannot pass for another label"
        assert ["files src/new.py", ""] in shown
        assert (await acme.decide(asked)).state == "approved"
        other = await agent.call_tool(PUSH, call | {"files": FILES | {"src/new.py": "import os"}})
        assert error_of(other)["code"] == "consent_required", "that was for other texts"
        answer = await agent.call_tool(PUSH, call)
        assert not answer.is_error, text_of(answer)
    made = web(acme).git.commits[head(acme)]
    assert (made.parents, made.message) == ((before,), "m")
    assert texts(acme, made.sha) == texts(acme, before) | FILES
    assert answer.structured_content["commit"] == made.sha
    record = (await acme.records(tool=PUSH, outcome="ok"))[-1]
    (loan,) = acme.ledger(fingerprint=record["fingerprint"])
    assert loan["permissions"] == {"contents": "write", "metadata": "read"}

    again = await answered(acme, PUSH, call)
    assert error_of(again)["code"] == "provider_rejected", "a second time it would be another commit"
    assert "the branch is at another commit now than expected_head" in text_of(again)
    assert head(acme) == made.sha


async def test_a_workflow_among_the_files_takes_its_permission(acme: Town) -> None:
    answer = await answered(acme, PUSH, given(acme, {"a.md": "x", ".github/workflows/a.yml": "on: push"}))
    assert not answer.is_error, text_of(answer)
    record = (await acme.records(tool=PUSH, outcome="ok"))[-1]
    (loan,) = acme.ledger(fingerprint=record["fingerprint"])
    assert loan["permissions"] == {"contents": "write", "metadata": "read", "workflows": "write"}


async def test_a_branch_does_not_jump_to_the_commits_of_another(acme: Town) -> None:
    """A head that is ahead of the branch would bring all that is between them along, which nobody was shown."""
    store = web(acme).git
    ahead = store.commit(
        store.commits[head(acme)].files, "Not looked at", store.commits[head(acme)].author, [head(acme)]
    )
    before = head(acme)
    answer = await answered(acme, PUSH, given(acme, {"x.md": "x"}, expected_head=ahead.sha))
    assert "the branch is at another commit now" in text_of(answer)
    assert head(acme) == before


async def test_files_that_are_so_already_make_no_commit(acme: Town) -> None:
    before = head(acme)
    answer = await answered(acme, PUSH, given(acme, {"README.md": texts(acme, before)["README.md"]}))
    assert error_of(answer)["code"] == "provider_rejected"
    assert "nothing was changed: all of these files have these texts already" in text_of(answer)
    assert head(acme) == before


async def test_a_race_that_is_lost_at_the_last_moment_overwrites_nothing(
    acme: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, theirs = GitStore.commit, list[str]()

    def overtaken(store: Any, files: Any, message: str, author: Any, parents: Any = ()) -> Any:
        made = write(store, files, message, author, parents)
        theirs.append(write(store, files, "Somebody else's", author, parents).sha)
        store.branches["main"] = theirs[-1]
        return made

    monkeypatch.setattr(GitStore, "commit", overtaken)
    answer = await answered(acme, PUSH, given(acme, {"y.md": "y"}))
    assert error_of(answer)["code"] == "provider_rejected"
    assert "the branch has moved meanwhile" in text_of(answer)
    assert [head(acme)] == theirs


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/git/trees", "provider_unavailable"),
        ("/git/commits", "provider_unavailable"),
        ("/git/refs/", "outcome_unknown"),
    ],
)
async def test_only_what_anybody_would_see_may_have_happened(acme: Town, path: str, code: str) -> None:
    """A tree and a commit that nothing leads to are nothing; a branch that moved is something."""
    before, call = head(acme), given(acme, {"z.md": path})
    async with acme.agent(name=f"unlucky at {path}") as agent:
        assert (await acme.decide(await agent.call_tool(PUSH, call))).state == "approved"
        acme.fault("github", "half_close", path=path)
        try:
            answer = await agent.call_tool(PUSH, call)
        finally:
            acme.running.sandbox.faults.clear()
    assert error_of(answer)["code"] == code
    assert (head(acme) == before) or code == "outcome_unknown"


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no files": ({"files": {}}, "must have 1–20 entries"),
    "too many": ({"files": {f"{number}.md": "x" for number in range(21)}}, "must have 1–20 entries"),
    "a list": ({"files": ["a.md"]}, "must be an object"),
    "no text": ({"files": {"a.md": None}}, "must be a string"),
    "upwards": ({"files": {"docs/../../x": "x"}}, "relative paths of files"),
    "from the root": ({"files": {"/etc/passwd": "x"}}, "relative paths of files"),
    "a workflow in disguise": ({"files": {"./.github/workflows/a.yml": "x"}}, "relative paths of files"),
    "another disguise": ({"files": {"a/../.github/workflows/a.yml": "x"}}, "relative paths of files"),
    "encoded": ({"files": {"a%2f..%2fb": "x"}}, "relative paths of files"),
    "an empty name": ({"files": {"": "x"}}, "relative paths of files"),
    "a line break": ({"files": {"a.md\nbranch": "x"}}, "relative paths of files"),
    "a quote that ends": ({"files": {"a” branch “main": "x"}}, "relative paths of files"),
    "no commit": ({"expected_head": "main"}, "the whole SHA of a commit"),
    "a short one": ({"expected_head": "abcdef0"}, "the whole SHA of a commit"),
    "an empty one": ({"expected_head": ""}, "expected_head must"),
    "a whole ref": ({"branch": "refs/heads/main"}, "must be a branch"),
    "force": ({"force": True}, "unknown field"),
    "no message": ({"message": ""}, "message must have 1"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_does_not_fit_is_refused_before_anything_is_sent(acme: Town, what: str) -> None:
    """MUST 13."""
    more, said = WRONG[what]
    uses = [entry["uses"] for entry in acme.ledger()]
    async with acme.agent() as agent:
        answer = await agent.call_tool(PUSH, given(acme) | more)
    assert error_of(answer)["code"] == "invalid_arguments"
    assert said in text_of(answer)
    assert [entry["uses"] for entry in acme.ledger()] == uses


PULL = WEB | {"pull_number": 4, "event": "COMMENT", "body": "Two things."}


async def test_lines_are_commented_on_with_the_review(acme: Town) -> None:
    comments = {"src/app.py:2": "Why?", "src/app.py:1": "And here?"}
    async with acme.agent() as agent:
        asked = await agent.call_tool(REVIEW, PULL | {"comments": comments})
        assert ["comments src/app.py:2", "Why?"] in await payload(acme, asked)
        assert (await acme.decide(asked)).state == "approved"
        answer = await agent.call_tool(REVIEW, PULL | {"comments": comments})
    assert not answer.is_error, text_of(answer)
    made = [(one.path, one.line, one.body) for one in web(acme).issues[4].pull.review_comments[-2:]]
    assert sorted(made) == [("src/app.py", 1, "And here?"), ("src/app.py", 2, "Why?")]
    record = (await acme.records(tool=REVIEW, outcome="ok"))[-1]
    (loan,) = acme.ledger(fingerprint=record["fingerprint"])
    assert loan["permissions"] == {"metadata": "read", "pull_requests": "write"}


@pytest.mark.parametrize("where", ["src/app.py:400", "README.md:1"])
async def test_a_line_that_is_not_in_the_diff_is_told(acme: Town, where: str) -> None:
    reviews = len(web(acme).issues[4].pull.reviews)
    answer = await answered(acme, REVIEW, PULL | {"comments": {where: "Why?"}})
    assert error_of(answer)["code"] == "provider_rejected"
    assert "a line that is commented on must be in its diff" in text_of(answer)
    assert len(web(acme).issues[4].pull.reviews) == reviews


@pytest.mark.parametrize("where", ["src/app.py", "src/app.py:0", "src/app.py:x", ":2", "../app.py:2", "a:b:-1", ""])
async def test_what_is_no_line_of_a_file_is_refused(acme: Town, where: str) -> None:
    async with acme.agent() as agent:
        answer = await agent.call_tool(REVIEW, PULL | {"comments": {where: "Why?"}})
    assert error_of(answer)["code"] == "invalid_arguments"
    assert "the number of a line" in text_of(answer)
