"""A task that the host signs and puts with a request: the person agrees, the call is bound, and nothing widens it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from journeys.town import Town, error_of, local_agent, text_of, town
from loaner.clock import utc_now
from loaner.identity.host_tasks import DETAIL, HEADER, META, TYPE
from loaner.identity.local_person import local_subject
from loaner.sandbox.run import serving
from mcp_server.issuing import token
from test_task_tokens import pem

HOST = "https://host.example"
ISSUE = {"owner": "acme", "repo": "web", "issue_number": 1}
COMMENT = ISSUE | {"body": "Looked at it."}
READS = {"type": DETAIL, "actions": ["github_issue_read"], "resources": ["acme/web#1"], "count": 2}
WRITES = {"type": DETAIL, "actions": ["github_add_issue_comment"], "resources": ["acme/web#1"], "count": 1}


def signed(acme: Town, *details: dict[str, Any], **changes: Any) -> str:
    right = {
        "iss": HOST,
        "aud": acme.mcp_url,
        "client_id": "test-agent",
        "purpose": "look at issue 1",
        "authorization_details": list(details or (READS, WRITES)),
    }
    return token("host", header={"typ": TYPE}, now=acme.loaner.now(), **{**right, **changes})


@contextlib.asynccontextmanager
async def hosted(home: Path, **issuer: Any) -> AsyncIterator[Town]:
    async with town(home, task_issuers=[{"issuer": HOST, "public_key": pem("host"), **issuer}]) as built:
        yield built


@pytest.fixture
async def acme(tmp_path: Path) -> AsyncIterator[Town]:
    async with hosted(tmp_path / "home") as built:
        yield built


@contextlib.asynccontextmanager
async def agent(acme: Town, task: str, *, era: str = "auto", user: str = "alice") -> AsyncIterator[Any]:
    """An agent whose host adds a header to all that it sends."""
    headers = {"Authorization": f"Bearer {await acme.token(user)}", HEADER: task}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, timeout=60) as http,
        Client(streamable_http_client(acme.mcp_url, http_client=http), mode=era) as connected,
    ):
        yield connected


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_a_header_binds_every_call_and_the_person_agrees_to_it_first(acme: Town, era: str) -> None:
    async with agent(acme, signed(acme), era=era) as bound:
        asked = await bound.call_tool("github_issue_read", ISSUE)
        assert error_of(asked)["code"] == "consent_required"
        assert "use 2 tools up to 3 times on acme/web#1 for 1 h" in text_of(asked)
        assert acme.ledger(provider="github", kind="scoped") == []
        assert (await acme.decide(asked)).state == "approved"
        assert not (await acme.call(bound, "github_issue_read", ISSUE)).is_error  # asks once, to connect the account
        assert not (await bound.call_tool("github_add_issue_comment", COMMENT)).is_error
        for call, why in (
            (("github_add_issue_comment", COMMENT), "its calls of github_add_issue_comment are used up"),
            (("github_issue_read", ISSUE | {"issue_number": 2}), "acme/web#2 is none of its resources"),
            (("github_list_issues", {"owner": "acme", "repo": "web"}), "github_list_issues is none of its tools"),
        ):
            outside = await bound.call_tool(*call)
            assert (error_of(outside)["code"], error_of(outside)["rule"]) == ("policy_denied", "outside-task")
            assert why in text_of(outside)
    assert len(acme.ledger(provider="github", kind="scoped")) == 2
    assert len({record["task"] for record in await acme.records(outcome="ok")}) == 1


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_the_requests_meta_binds_one_call_and_no_yes_of_another_kind_serves_it(acme: Town, era: str) -> None:
    task = {META: signed(acme, READS, purpose="read issue 1")}
    async with acme.agent(mode=era) as free:
        asked = await free.call_tool("github_issue_read", ISSUE, meta=task)
        assert "on acme/web#1" in text_of(asked)
        assert (await acme.decide(asked)).state == "approved"
        connect = await free.call_tool("github_issue_read", ISSUE, meta=task)
        assert (await acme.decide(connect)).state == "approved"
        assert not (await free.call_tool("github_issue_read", ISSUE, meta=task)).is_error
        # The same agent has another task, which its host did not bind this call to.
        wide = {"purpose": "triage", "operations": [{"tool": "github_add_issue_comment"}], "resources": ["acme/web"]}
        assert (await acme.decide(await free.call_tool("loaner_propose_task", wide))).state == "approved"
        assert not (await free.call_tool("github_add_issue_comment", COMMENT)).is_error
        outside = await free.call_tool("github_add_issue_comment", COMMENT, meta=task)
        assert error_of(outside)["rule"] == "outside-task"


async def test_what_cannot_be_believed_is_refused_before_anything_is_asked_or_sent(acme: Town) -> None:
    """Every tool, loaner's own too; and no such task is taken for none."""
    right = signed(acme)
    at = int(acme.loaner.now().timestamp())
    wrong: dict[str, Any] = {
        "forged": right[:-8] + "AAAAAAAA",
        "another person's": signed(acme, sub="user-bob"),
        "another agent's": signed(acme, client_id="another"),
        "another server's": signed(acme, aud="https://other.example/mcp"),
        "an unknown issuer's": signed(acme, iss="https://other.example"),
        "expired": signed(acme, iat=at - 120, exp=at - 60),
        "no text": {"iss": HOST},
        "an unknown tool's": signed(acme, READS | {"actions": ["github_everything"]}),
        "one that destroys": signed(acme, READS | {"actions": ["github_delete_repository"]}),
        "uncountable": signed(acme, READS | {"count": 1000}),
        "aimless": signed(acme, purpose=None),
    }
    async with acme.agent() as free:
        for what, task in wrong.items():
            refused = await free.call_tool("github_issue_read", ISSUE, meta={META: task})
            assert (error_of(refused)["code"], error_of(refused)["rule"]) == ("policy_denied", "task-token"), what
        own = await free.call_tool("loaner_status", {}, meta={META: wrong["forged"]})
        assert error_of(own)["rule"] == "task-token"
        assert (await free.call_tool("loaner_status", {})).structured_content["pending"] == []  # type: ignore[index]
    async with agent(acme, right) as bound:  # two that differ: which of them holds is not for us to guess
        two = await bound.call_tool("github_issue_read", ISSUE, meta={META: signed(acme, jti="2")})
        assert error_of(two)["rule"] == "task-token"
    async with agent(acme, right, user="bob") as his:
        assert error_of(await his.call_tool("github_issue_read", ISSUE))["rule"] == "task-token"
    assert acme.ledger(provider="github") == []
    assert {record["code"] for record in await acme.records(outcome="refused")} == {"policy_denied"}


async def test_one_name_is_one_task_and_what_is_over_stays_over(acme: Town) -> None:
    task, wider = signed(acme, READS), signed(acme, READS | {"count": 50})
    async with acme.agent() as free:
        asked = await free.call_tool("github_issue_read", ISSUE, meta={META: task})
        early = await free.call_tool("github_issue_read", ISSUE, meta={META: wider})
        assert error_of(early)["rule"] == "task-token", "its question still waits"
        assert (await acme.decide(asked)).state == "approved"
        late = await free.call_tool("github_issue_read", ISSUE, meta={META: wider})
        assert error_of(late)["rule"] == "task-token"
        assert (await free.call_tool("loaner_end_task", {})).structured_content
        over = await free.call_tool("github_issue_read", ISSUE, meta={META: task})
        assert error_of(over)["rule"] == "task-ended"
        assert "jti" in text_of(late)
        another = await free.call_tool("github_issue_read", ISSUE, meta={META: signed(acme, READS, jti="2")})
        assert error_of(another)["code"] == "consent_required"


async def test_a_task_ends_with_its_token_however_late_it_was_agreed_to(acme: Town) -> None:
    at = int(acme.loaner.now().timestamp())
    task = signed(acme, READS, exp=at + 1800)
    async with acme.agent() as free:
        asked = await free.call_tool("github_issue_read", ISSUE, meta={META: task})
        acme.advance(minutes=8)
        assert (await acme.decide(asked)).state == "approved"
        (running,) = (await free.call_tool("loaner_status", {})).structured_content["tasks"]  # type: ignore[index]
        assert datetime.fromisoformat(running["until"]).timestamp() == at + 1800


async def test_an_issuer_that_speaks_for_the_person_is_not_asked_about(tmp_path: Path) -> None:
    async with hosted(tmp_path / "home", agrees=True) as acme, agent(acme, signed(acme)) as bound:
        answers: list[Any] = []

        async def comment() -> None:
            answers.append(await bound.call_tool("github_add_issue_comment", COMMENT))

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(comment)
        assert {error_of(answer)["code"] for answer in answers} == {"consent_required", "consent_pending"}
        connect = next(answer for answer in answers if error_of(answer)["code"] == "consent_required")
        assert "use 2 tools" not in text_of(connect), "only the account is to be connected"
        assert (await acme.decide(connect)).state == "approved"
        assert not (await bound.call_tool("github_add_issue_comment", COMMENT)).is_error
        again = await bound.call_tool("github_add_issue_comment", COMMENT)
        assert error_of(again)["rule"] == "outside-task"
        given = await acme.records(kind="approval_given")
        assert [one["proven_by"] for one in given if one.get("task")] == [f"signed by {HOST}"]


async def test_without_a_configured_host_a_task_is_refused_and_not_ignored(tmp_path: Path) -> None:
    async with town(tmp_path / "home") as plain, agent(plain, signed(plain)) as bound:
        assert error_of(await bound.call_tool("github_issue_read", ISSUE))["rule"] == "task-token"


async def test_over_stdio_the_person_of_this_computer_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = {"issuer": HOST, "public_key": pem("host"), "audience": "this-computer", "subjects": "local"}
    monkeypatch.setenv("LOANER_TASK_ISSUERS", json.dumps([issuer]))
    mine = {"aud": "this-computer", "sub": local_subject().sub, "client_id": "ide-agent"}
    right = {"iss": HOST, "purpose": "look", "authorization_details": [READS], **mine}
    async with serving(home=tmp_path) as running, local_agent(tmp_path, running.base_url) as local:
        tasks = [
            token("host", header={"typ": TYPE}, now=utc_now(), **{**right, **change}) for change in ({}, {"sub": "eve"})
        ]
        asked, refused = [await local.call_tool("github_issue_read", ISSUE, meta={META: one}) for one in tasks]
        assert "on acme/web#1 for 1 h" in text_of(asked)
        assert error_of(asked)["code"] == "consent_required"
        assert error_of(refused)["rule"] == "task-token"
