"""A local agent: it starts ``loaner serve`` itself, talks over stdin and stdout, and its person is at this machine."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import mcp.client.stdio
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequestURLParams, ElicitResult

from journeys.town import EVERYTHING, error_of, local_agent, text_of
from loaner import settings
from loaner.audit.read import tail
from loaner.cli._open import opened_store
from loaner.sandbox.person import Person
from loaner.sandbox.run import RunningSandbox, serving

ISSUE = {"id": "ENG-1"}


@dataclass
class Machine:
    """One person's machine, on which a sandbox runs."""

    home: Path
    running: RunningSandbox
    lines: list[str] = field(default_factory=list)
    """All that servers said on stdout."""

    async def loaner(self, *arguments: str) -> str:
        """The command line, as the person at this machine uses it; what it printed."""
        done = await anyio.run_process(
            [sys.executable, "-m", "loaner", *arguments], env={**os.environ, "LOANER_HOME": str(self.home)}, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    async def opened(self, url: str, **how: Any) -> str:
        """The person opens an address that they were shown."""
        base_url = url.rpartition("/consent/")[0]
        person = Person("alice", self.running.base_url)
        return (
            await anyio.to_thread.run_sync(lambda: person.visit(url, loaner_url=base_url, choose=EVERYTHING, **how))
        ).state


@pytest.fixture
async def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Machine]:
    async with serving(home=tmp_path) as running:
        here = Machine(tmp_path, running)
        parse = mcp.client.stdio._parse_line

        def heard(line: str) -> Any:
            here.lines.append(line)
            return parse(line)

        monkeypatch.setattr(mcp.client.stdio, "_parse_line", heard)
        yield here
        assert here.lines
        for line in here.lines:
            assert json.loads(line)["jsonrpc"] == "2.0", "stdout carries the protocol and nothing else"


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_an_agent_is_told_a_code_and_the_person_approves_it_by_hand(machine: Machine, era: str) -> None:
    async with local_agent(machine.home, machine.running.base_url, mode=era) as agent:
        shown = {tool.name: tool for tool in (await agent.list_tools()).tools}
        assert len(shown) < 25
        assert shown["linear_get_issue"].annotations.read_only_hint is True

        asked = await agent.call_tool("linear_get_issue", ISSUE)
        told = error_of(asked)
        assert text_of(asked).startswith("consent_required: linear_get_issue needs the user's approval")
        assert told["user_code"] in text_of(asked)
        assert "Don't ask for a token." in text_of(asked)

        again = await agent.call_tool("linear_get_issue", ISSUE)
        assert error_of(again)["code"] == "consent_pending"
        assert error_of(again)["user_code"] == told["user_code"]

        assert await machine.loaner("sandbox", "approve", told["user_code"]) == "approved"
        read = await agent.call_tool("linear_get_issue", ISSUE)
        assert read.structured_content, text_of(read)
        assert read.structured_content["identifier"] == "ENG-1"
        assert json.loads(text_of(read)) == read.structured_content
    with opened_store(settings.load(home=machine.home)) as store:
        [record] = await store.read(lambda connection: tail(connection, 1))
    assert (record.body["agent"], record.body["agent_verified"], record.body["outcome"]) == ("ide-agent", False, "ok")
    assert record.body["issuer"] == "local"


async def test_a_client_that_opens_addresses_gets_its_answer_in_one_call(machine: Machine) -> None:
    asked: list[ElicitRequestURLParams] = []

    async def host(_: Any, params: Any) -> ElicitResult:
        asked.append(params)
        assert await machine.opened(params.url) == "approved"
        return ElicitResult(action="accept")

    async with local_agent(machine.home, machine.running.base_url, elicitation_callback=host) as agent:
        sent = await agent.call_tool("slack_send_message", {"channel": "#releases", "text": "v1.4.0 is out"})
    assert not sent.is_error, text_of(sent)
    assert "post one message in #releases" in asked[0].message
    assert len(asked) == 1


async def test_an_older_client_is_given_the_address_as_an_error(machine: Machine) -> None:
    async def host(_: Any, __: Any) -> ElicitResult:
        raise AssertionError("the earlier era has no such dialog in the middle of a call")

    async with local_agent(machine.home, machine.running.base_url, mode="legacy", elicitation_callback=host) as agent:
        with pytest.raises(MCPError) as needed:
            await agent.call_tool("linear_get_issue", ISSUE)
        assert needed.value.error.code == -32042
        [ask] = needed.value.error.data["elicitations"]
        assert await machine.opened(ask["url"]) == "approved"
        read = await agent.call_tool("linear_get_issue", ISSUE)
        assert not read.is_error, text_of(read)


async def test_a_dialog_that_is_closed_or_declined_at_once_is_no_answer(machine: Machine) -> None:
    actions: list[Any] = ["cancel", "decline"]

    async def host(_: Any, __: Any) -> ElicitResult:
        return ElicitResult(action=actions.pop(0))

    message = {"channel": "#general", "text": "hello"}
    async with local_agent(machine.home, machine.running.base_url, elicitation_callback=host) as agent:
        for _ in range(2):
            answer = await agent.call_tool("slack_send_message", message)
            assert error_of(answer)["code"] == "consent_pending"
            assert error_of(answer)["url"] in text_of(answer)
    assert list(machine.running.sandbox.ledger) == []
