"""The providers' official SDKs for Node, at the sandbox: what it answers is what they can read.

They need Node's packages: ./run conformance --install-only. Where those are, ./run test runs these too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from node_here import node

from loaner.sandbox.run import RunningSandbox, serving
from sandbox.linear_steps import Linear
from sandbox.slack_app import token

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(
    not node.installed(), reason="the SDKs are not installed: ./run conformance --install-only"
)


@pytest.fixture
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with serving() as running:
        yield running


async def told_by(script: str, *arguments: str) -> dict[str, Any]:
    """What the script prints about its calls."""
    command = [str(node.NODE), str(HERE / script), str(node.modules_folder()), *arguments]
    with anyio.fail_after(120):
        ended = await anyio.run_process(command, stderr=sys.stderr)
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


async def test_every_call_of_linears_sdk_is_answered_as_it_asks(sandbox: RunningSandbox) -> None:
    """It names each field of each thing that it gets, so one that the schema lacks fails the whole call."""
    linear = Linear.over_http(sandbox.sandbox)
    async with linear.http:
        key = await linear.token()
    told = await told_by("linear_sdk.mjs", f"{linear.api}/graphql", key)
    refused = told.pop("unknown")
    assert "Entity not found" in refused["error"]
    assert not [each for each in told.items() if isinstance(each[1], dict)]
    assert told == told | {
        "viewer": "alice",
        "organization": "acme",
        "teams": ["ENG", "OPS"],
        "team.membership": False,
        "user": True,
        "issues.next": 6,
        "issue.state": "Todo",
        "issue.assignee": "bob",
        "issue.labels": ["Bug"],
        "searchIssues": ["ENG-2"],
        "cycles": [1],
        "rateLimitStatus": ["requests", "complexity"],
        "createIssue": "From the SDK",
        "issue.update": "Urgent",
        "createComment": "Said.",
        "attachmentLinkURL": "One",
        "issue.archive": True,
        "createProjectUpdate": "On time.",
        "introspection": True,
    }


async def test_slacks_client_uploads_as_a_form_and_with_its_token(sandbox: RunningSandbox) -> None:
    key = await token(sandbox, "files:write channels:read channels:history")
    told = await told_by("slack_sdk.mjs", f"{sandbox.urls['slack_api']}/", key)
    assert told == {
        "ok": True,
        "ids": ["F", "F"],
        "text": "Two files",
        "files": [{"name": "first.txt", "size": 5}, {"name": "second.txt", "size": 11}],
    }
