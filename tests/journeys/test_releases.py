"""From the last release to the next one: what was done since, which tags there are, and what is published."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town
from loaner.sandbox.github.git import Signature
from loaner.sandbox.github.state import Repository

WEB = {"owner": "acme", "repo": "web"}
EMPTY = {"owner": "acme", "repo": "empty"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """A town whose web has a branch with another workflow, and which has a repository without commits."""
    async with town(tmp_path_factory.mktemp("releases"), tools={"toolsets": ("all",)}) as built:
        world, now = hub(built).world, hub(built).now()
        world.repositories[2099] = Repository(2099, "empty", world.accounts["acme"], {"alice": "admin"}, now)
        store = web(built).git
        store.branches["deploys"] = store.branches["main"]
        blob, alice = store.add_blob(b"on: push\n"), world.accounts["alice"]
        store.commit_on(
            "deploys", {".github/workflows/deploy.yml": blob}, "Deploy", Signature(alice.name, alice.email, now)
        )
        async with built.agent() as agent:
            assert not (await built.call(agent, "github_get_me", {})).is_error
        yield built


def hub(acme: Town) -> Any:
    return acme.running.sandbox.inside["github"]


def web(acme: Town) -> Any:
    return hub(acme).world.find("acme/web")


async def answered(acme: Town, tool: str, given: dict[str, Any]) -> Any:
    async with acme.agent() as agent:
        return await acme.call(agent, tool, given)


async def told(acme: Town, tool: str, **given: Any) -> dict[str, Any]:
    answer = await answered(acme, tool, WEB | given)
    assert not answer.is_error, text_of(answer)
    held: dict[str, Any] = answer.structured_content
    return held


async def lent(acme: Town, tool: str) -> dict[str, str]:
    """The permissions of the last credential of a tool."""
    record = (await acme.records(tool=tool, outcome="ok"))[-1]
    (loan,) = acme.ledger(fingerprint=record["fingerprint"])
    permissions: dict[str, str] = loan["permissions"]
    return permissions


async def test_what_was_done_since_the_last_release_is_published_as_the_next_one(acme: Town) -> None:
    last = await told(acme, "github_get_release")
    assert (last["tag_name"], last["body"], [one["name"] for one in last["assets"]]) == (
        "v1.0.0",
        "The first one.",
        ["web.tar.gz"],
    )
    since = await told(acme, "github_compare_refs", base=last["tag_name"], head="feature")
    assert (since["status"], since["ahead_by"]) == ("ahead", 2)
    assert [one["message"] for one in since["commits"]] == ["Add the application", "Greet politely"]
    assert {one["filename"] for one in since["files"]} == {"src/app.py", ".github/workflows/ci.yml"}
    newest = since["commits"][-1]["sha"]
    read = await told(acme, "github_get_commit", ref=newest)
    assert (read["login"], read["additions"], read["deletions"]) == ("bob", 1, 1)
    assert "Good morning" in read["files"][0]["patch"]

    given = {"tag_name": "v1.1.0", "target": newest, "name": "Version 1.1", "generate_release_notes": True}
    made = await told(acme, "github_create_release", **given)

    assert await lent(acme, "github_create_release") == {"contents": "write", "metadata": "read"}
    assert (made["draft"], made["target"]) == (False, newest)
    assert web(acme).git.tags["v1.1.0"] == newest
    assert "Greet politely" in web(acme).releases[-1].body
    assert (await told(acme, "github_get_release"))["tag_name"] == "v1.1.0"
    tags = (await told(acme, "github_list_tags"))["tags"]
    assert [one["name"] for one in tags] == ["v1.1.0", "v1.0.0"]
    again = await answered(acme, "github_create_release", WEB | given)
    assert error_of(again)["code"] == "provider_rejected"
    assert "a release of that tag already" in text_of(again)
    assert len(web(acme).releases) == 2


async def test_a_draft_makes_no_tag_and_is_not_the_latest(acme: Town) -> None:
    before = (await told(acme, "github_get_release"))["tag_name"]
    made = await told(acme, "github_create_release", tag_name="v9.0.0", draft=True, name="")
    assert made["draft"] is True
    assert "v9.0.0" not in web(acme).git.tags
    assert (await told(acme, "github_get_release"))["tag_name"] == before
    (shown,) = (await told(acme, "github_list_releases", limit=1))["releases"]
    assert (shown["tag_name"], shown["draft"]) == ("v9.0.0", True)
    assert error_of(await answered(acme, "github_get_release", WEB | {"tag": "v9.0.0"}))["code"] == "not_found"


async def test_a_release_of_another_workflow_wants_the_permission_to_change_workflows(acme: Town) -> None:
    given = WEB | {"tag_name": "v3.0.0", "target": "deploys"}
    refused = await answered(acme, "github_create_release", given)
    assert error_of(refused)["code"] == "not_found"
    assert "v3.0.0" not in web(acme).git.tags
    answer = await answered(acme, "github_create_release", given | {"changes_workflows": True})
    assert not answer.is_error, text_of(answer)
    least = {"contents": "write", "metadata": "read", "workflows": "write"}
    assert await lent(acme, "github_create_release") == least


async def test_pages_of_a_comparison_and_of_a_commit(acme: Town) -> None:
    first = await told(acme, "github_compare_refs", base="v1.0.0", head="feature", limit=1)
    rest = await told(acme, "github_compare_refs", base="v1.0.0", head="feature", limit=1, cursor=first["next_cursor"])
    assert [one["commits"][0]["message"] for one in (first, rest)] == ["Add the application", "Greet politely"]
    assert ("next_cursor" in rest, bool(rest.get("files"))) == (False, False), "the files come with the first page"
    first = await told(acme, "github_get_commit", ref="main", limit=1)
    rest = await told(acme, "github_get_commit", ref="main", limit=1, cursor=first["next_cursor"])
    assert first["sha"] == rest["sha"]
    assert {one["files"][0]["filename"] for one in (first, rest)} == {"src/app.py", ".github/workflows/ci.yml"}


@pytest.mark.parametrize(("base", "head", "status"), [("feature", "main", "behind"), ("main", "main", "identical")])
async def test_a_comparison_the_other_way_round(acme: Town, base: str, head: str, status: str) -> None:
    held = await told(acme, "github_compare_refs", base=base, head=head)
    assert (held["status"], held["commits"], held["files"]) == (status, [], [])


@pytest.mark.parametrize(
    ("tool", "given"), [("github_get_commit", {"ref": "main"}), ("github_compare_refs", {"base": "main", "head": "a"})]
)
async def test_without_commits_there_is_nothing(acme: Town, tool: str, given: dict[str, Any]) -> None:
    answer = await answered(acme, tool, EMPTY | given)
    assert not answer.is_error, text_of(answer)
    assert answer.structured_content["note"] == "The repository has no commits yet."


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "a fork's branch": ("github_compare_refs", {"base": "main", "head": "mallory:main"}, "head must be a branch"),
    "a range of its own": ("github_compare_refs", {"base": "main...x", "head": "main"}, "base must be a branch"),
    "an end with a dot": ("github_compare_refs", {"base": "main.", "head": "main"}, "begin or end with a dot"),
    "no base": ("github_compare_refs", {"base": "", "head": "main"}, "base must have 1"),
    "no commit": ("github_get_commit", {"ref": ""}, "ref must have 1"),
    "another spelling": ("github_get_commit", {"ref": "refs/heads/main"}, "without refs/heads/"),
    "a tag of another form": ("github_create_release", {"tag_name": "v 1"}, "tag_name must be a branch, tag or SHA"),
    "a fork's commit": ("github_create_release", {"tag_name": "v1", "target": "mallory:x"}, "target must be a branch"),
    "a word for a yes": ("github_create_release", {"tag_name": "v1", "draft": "yes"}, "draft must be true or false"),
    "no such choice": ("github_create_release", {"tag_name": "v1", "make_latest": "maybe"}, "true, false, legacy"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_does_not_fit_is_refused_before_anything_is_sent(acme: Town, what: str) -> None:
    tool, given, words = WRONG[what]
    before = sum(len(entry["uses"]) for entry in acme.ledger(provider="github"))
    answer = await answered(acme, tool, WEB | given)
    assert (error_of(answer)["code"], words in text_of(answer)) == ("invalid_arguments", True), text_of(answer)
    assert sum(len(entry["uses"]) for entry in acme.ledger(provider="github")) == before


REFUSED: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "no such commit": ("github_get_commit", {"ref": "gone"}, "provider_rejected", "no commit, branch or tag"),
    "no such branch": ("github_compare_refs", {"base": "main", "head": "gone"}, "not_found", "github_list_branches"),
    "no such release": ("github_get_release", {"tag": "v0.0.1"}, "not_found", "github_list_releases"),
    "no such target": ("github_create_release", {"tag_name": "v7", "target": "gone"}, "provider_rejected", "not exist"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_a_refusal_says_what_it_means_there(acme: Town, what: str) -> None:
    tool, given, code, words = REFUSED[what]
    answer = await answered(acme, tool, WEB | given)
    assert (error_of(answer)["code"], words in text_of(answer)) == (code, True), text_of(answer)


async def test_a_tag_that_somebody_made_meanwhile_is_not_moved(acme: Town) -> None:
    """Between the look and the write: the release is of that tag's commit, and the answer of a conflict says so."""
    acme.fault("github", "status:409", path="/releases", count=1)
    answer = await answered(acme, "github_create_release", WEB | {"tag_name": "v8.0.0"})
    assert error_of(answer)["code"] == "provider_rejected"
    assert "not available at this moment" in text_of(answer)
    web(acme).git.tags["v8.0.0"] = web(acme).git.branches["feature"]
    await told(acme, "github_create_release", tag_name="v8.0.0", target="main")
    assert web(acme).git.tags["v8.0.0"] == web(acme).git.branches["feature"]
