"""A refusal has one of many reasons: each is told apart, with what cures it, and concerns nobody and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from mcp import Client

from journeys.town import Town, error_of, text_of, town
from loaner.provider_call import Answer

ISSUE = ("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1})
OTHER = ("github_issue_read", {"owner": "acme", "repo": "api", "issue_number": 1})
COMMENT = ("github_add_issue_comment", {"owner": "acme", "repo": "web", "issue_number": 1, "body": "Text"})
ISSUES, MINT = "/repos/acme/web/issues", "/token/scoped"

FORBIDDEN = {
    "saml": ("single_sign_on", "/github/orgs/acme/sso "),
    "ip_list": ("ip_allow_list", "acme has an IP allow list"),
    "suspended": ("installation_suspended", "/github/organizations/acme/settings/installations"),
    "restricted": ("app_not_approved", "acme has not approved the app"),
    "archived": ("archived", "unarchive"),
    "protected": ("protected_branch", "open a pull request"),
    "workflow": ("workflow_file", "workflow file"),
    "locked": ("locked", "the conversation is locked"),
    "managed": ("managed_user", "managed by an enterprise"),
    "account_suspended": ("user_suspended", "suspended the user's account"),
    "blocked": ("blocked_by_github", "blocked access to the repository"),
    "blocked_here": ("blocked_by_github", "blocked access to the repository"),
    "legal": ("rest", "for legal reasons"),
    "new": ("rest/next#year", "the user may lack the right themself"),
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def street(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """A town where alice and bob have connected GitHub, for all that they can see there."""
    async with town(tmp_path_factory.mktemp("reasons")) as built:
        for user in ("alice", "bob"):
            async with built.agent(user, f"agent of {user}") as agent:
                assert not (await built.call(agent, *OTHER, user=user)).is_error
        yield built


@pytest.fixture
async def linked(street: Town) -> AsyncIterator[Town]:
    yield street
    street.running.sandbox.faults.clear()
    web(street).archived = False
    street.advance(seconds=61)


async def approved(town: Town, agent: Client) -> None:
    assert (await town.decide(await agent.call_tool(*COMMENT))).state == "approved"


async def why(town: Town, call: tuple[str, dict[str, Any]]) -> Any:
    """The word of the last record."""
    return (await town.records(tool=call[0]))[-1].get("word")


async def concerns_nothing_else(town: Town) -> None:
    """The same agent elsewhere, another person in the same place, another agent: all work, and nothing is held."""
    for user, name, call in (("alice", "agent of alice", OTHER), ("bob", "agent of bob", ISSUE)):
        async with town.agent(user, name) as agent:
            assert not (answer := await agent.call_tool(*call)).is_error, text_of(answer)
    assert all(left.left for left in await town.loaner.limiter.left(town.loaner.catalog.providers))
    assert await town.open_loans() == []


@pytest.mark.parametrize("kind", FORBIDDEN)
async def test_a_read_that_is_refused_says_why_and_concerns_nothing_else(linked: Town, kind: str) -> None:
    """MUST 42: in words of ours, and the log and the record have the reason as one word."""
    word, told = FORBIDDEN[kind]
    linked.fault("github", f"refused:{kind}", path=ISSUES, count=1)
    async with linked.agent("alice", "agent of alice") as agent:
        answer = await agent.call_tool(*ISSUE)
    assert error_of(answer)["code"] == "provider_forbidden"
    assert told in text_of(answer)
    assert "elsewhere.example" not in text_of(answer)
    assert await why(linked, ISSUE) == word
    await concerns_nothing_else(linked)


@pytest.mark.parametrize("kind", ["saml", "ip_list", "suspended", "restricted", "account_suspended"])
async def test_so_does_a_mint(linked: Town, kind: str) -> None:
    word, told = FORBIDDEN[kind]
    linked.fault("github", f"refused:{kind}", path=MINT, count=1)
    async with linked.agent("alice", "agent of alice") as agent:
        answer = await agent.call_tool(*ISSUE)
    assert error_of(answer)["code"] == "provider_forbidden"
    assert told in text_of(answer)
    assert await why(linked, ISSUE) == word
    await concerns_nothing_else(linked)


async def test_what_is_too_large_is_the_arguments_matter(linked: Town) -> None:
    linked.fault("github", "refused:too_large", path="/contents/", count=1)
    async with linked.agent("alice", "agent of alice") as agent:
        answer = await agent.call_tool("github_get_file_contents", {"owner": "acme", "repo": "web", "path": "big.bin"})
    assert error_of(answer)["code"] == "provider_rejected"
    assert "too large" in text_of(answer)
    await concerns_nothing_else(linked)


@pytest.mark.parametrize("kind", ["secondary", "secondary_without_page", "abuse"])
async def test_a_limit_without_any_header_is_a_limit(linked: Town, kind: str) -> None:
    linked.fault("github", f"refused:{kind}", path=ISSUES, count=1)
    async with linked.agent("alice", "agent of alice") as agent:
        answer = await agent.call_tool(*ISSUE)
    assert (error_of(answer)["code"], error_of(answer)["retry_after"]) == ("rate_limited", 60)
    async with linked.agent("bob", "agent of bob") as agent:
        assert not (await agent.call_tool(*ISSUE)).is_error, "a limit is of one person's account"


@pytest.mark.parametrize("kind", ["saml", "new"])
async def test_a_yes_is_kept_where_the_reason_says_that_nothing_was_done(linked: Town, kind: str) -> None:
    async with linked.agent("alice", "agent of alice") as agent:
        await approved(linked, agent)
        linked.fault("github", f"refused:{kind}", path=ISSUES, count=1)
        assert error_of(await agent.call_tool(*COMMENT))["code"] == "provider_forbidden"
        again = await agent.call_tool(*COMMENT)
    assert again.is_error is (kind == "new")


def web(town: Town) -> Any:
    hub: Any = town.running.sandbox.inside["github"]
    return hub.world.find("acme/web")


async def test_a_write_that_is_forbidden_asks_whether_the_repository_is_archived(linked: Town) -> None:
    """Under the credential of the call: it can read what the repository is, and nothing more was minted."""
    async with linked.agent("alice", "agent of alice") as agent:
        await approved(linked, agent)
        web(linked).archived = True
        linked.fault("github", "refused:new", path=ISSUES, count=1)
        answer = await agent.call_tool(*COMMENT)
        web(linked).archived = False
        assert not (await agent.call_tool(*COMMENT)).is_error, "the yes is kept"
    assert "the repository is archived" in text_of(answer)
    record = (await linked.records(tool=COMMENT[0], code="provider_forbidden"))[-1]
    (loan,) = linked.ledger(fingerprint=record["fingerprint"])
    assert [(use["method"], use["path"]) for use in loan["uses"]] == [
        ("POST", "/repos/acme/web/issues/1/comments"),
        ("GET", "/repos/acme/web"),
    ]
    assert record["word"] == "archived"
    await concerns_nothing_else(linked)


@pytest.mark.parametrize("body", [None, {"archived": "yes"}, [], {"archived": False}])
async def test_where_that_cannot_be_told_the_words_are_general(
    linked: Town, monkeypatch: pytest.MonkeyPatch, body: object
) -> None:
    exchange = linked.loaner.transport.exchange

    async def otherwise(method: str, url: str, **named: Any) -> Answer:
        answer = await exchange(method, url, **named)
        return replace(answer, body=body) if url.endswith("/repos/acme/web") else answer

    async with linked.agent("alice", "agent of alice") as agent:
        await approved(linked, agent)
        monkeypatch.setattr(linked.loaner.transport, "exchange", otherwise)
        linked.fault("github", "refused:new", path=ISSUES, count=1)
        answer = await agent.call_tool(*COMMENT)
    assert "the user may lack the right themself" in text_of(answer)
    assert await why(linked, COMMENT) == "rest/next#year"


async def test_a_repository_that_was_renamed_is_named_by_its_id(linked: Town) -> None:
    linked.running.sandbox.switches.github_former_names_mint = True
    repository = web(linked)
    repository.name, repository.former_names = "site", ["acme/web"]
    async with linked.agent("alice", "agent of alice") as agent:
        answer = await agent.call_tool(*ISSUE)
        assert error_of(answer)["code"] == "not_found"
        assert "it is called “acme/site” there now" in text_of(answer)
        linked.fault("github", "status:404", path="/repositories/", count=1)
        answer = await agent.call_tool(*ISSUE)
    repository.name = "web"
    assert "it has moved to another address there" in text_of(answer)
    assert "site" not in text_of(answer)
