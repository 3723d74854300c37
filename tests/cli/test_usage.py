"""``loaner usage``: what it counts is what the records say and the providers saw, to the unit."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from cli.terminal import Done, Terminal, terminal_in
from journeys.town import Town, town

WEB, API = {"owner": "acme", "repo": "web"}, {"owner": "acme", "repo": "api"}
CALLS = ("calls", "ok", "asked", "denied", "failed", "unknown")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


class Week:
    """Two days of three agents; and what was asked, kept by whoever asked."""

    def __init__(self, acme: Town, terminal: Terminal) -> None:
        self.acme = acme
        self.terminal = terminal
        self.asked: Counter[tuple[str, str, str]] = Counter()

    async def type(self, *arguments: str) -> Done:
        return await anyio.to_thread.run_sync(lambda: self.terminal.type(*arguments))

    async def rows(self, by: str, *more: str) -> dict[str, dict[str, Any]]:
        done = await self.type("usage", "--by", by, "--json", *more)
        assert done.code == 0, done.err
        return {row.pop(by): row for row in done.rows}

    async def ask(self, user: str, name: str, tool: str, arguments: dict[str, Any], times: int = 1) -> None:
        async with self.acme.agent(user, name) as agent:
            for _ in range(times):
                answer = await agent.call_tool(tool, arguments)
                self.asked[user, name, "denied" if answer.is_error else "ok"] += 1


async def lived(week: Week) -> None:
    acme = week.acme
    for user, name in (("alice", "triage"), ("bob", "writer")):
        async with acme.agent(user, name) as agent:
            asked = await agent.call_tool("github_list_issues", WEB)
            week.asked[user, name, "asked"] += 1
            assert (await acme.decide(asked, user=user)).state == "approved"
    for user, name, many in (("alice", "triage", 40), ("alice", "second", 17), ("bob", "writer", 23)):
        await week.ask(user, name, "github_list_issues", WEB, many)
    await week.ask("alice", "triage", "github_get_file_contents", API | {"path": "README.md"}, 12)
    await week.ask("bob", "writer", "github_list_issues", WEB | {"perPage": "many"}, 3)
    async with acme.agent("bob", "writer") as agent:
        write = WEB | {"title": "New", "body": "text"}
        asked = await agent.call_tool("github_issue_create", write)
        week.asked["bob", "writer", "asked"] += 1
        await acme.decide(asked, user="bob", deny=True)
        assert (await agent.call_tool("github_issue_create", write)).is_error
        week.asked["bob", "writer", "denied"] += 1
    await acme.settled()
    acme.advance(days=1)
    await week.ask("alice", "second", "github_list_issues", WEB, 9)
    await acme.settled()


@pytest.fixture(scope="module")
async def week(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Week]:
    home: Path = tmp_path_factory.mktemp("usage") / "home"
    async with town(home) as acme:
        with terminal_in(tmp_path_factory.mktemp("elsewhere")) as terminal:
            week = Week(acme, Terminal(home, terminal.patch))  # never closed: the town's sandbox is in this process
            await lived(week)
            yield week


def lent(week: Week, **wanted: Any) -> list[dict[str, Any]]:
    return week.acme.ledger(provider="github", kind="scoped", **wanted)


async def test_calls_are_those_that_were_made(week: Week) -> None:
    found = await week.rows("person")
    for user in ("alice", "bob"):
        [row] = [row for person, row in found.items() if person.startswith(f"user-{user} ")]
        made = {
            what: sum(n for (who, _, kind), n in week.asked.items() if (who, kind) == (user, what)) for what in CALLS
        }
        assert {name: row[name] for name in CALLS} == made | {"calls": sum(made.values())}
    agents = await week.rows("agent")
    assert {name: row["calls"] for name, row in agents.items()} == Counter(
        {
            agent: sum(n for (_, name, _), n in week.asked.items() if name == agent)
            for agent in ("triage", "second", "writer")
        }
    )


async def test_loans_and_requests_are_what_the_provider_saw(week: Week) -> None:
    found = await week.rows("person")
    for user in ("alice", "bob"):
        [row] = [row for person, row in found.items() if person.startswith(f"user-{user} ")]
        assert row["loans"] == len(lent(week, subject=user)) > 20
        assert row["requests"] == sum(len(entry["uses"]) for entry in lent(week, subject=user))
    projects = await week.rows("project")
    for project in ("acme/web", "acme/api"):
        assert projects[f"repository:{project}"]["loans"] == len(lent(week, resources=[project]))
    connectors = await week.rows("connector")
    assert sum(row["loans"] for row in connectors.values()) == len(lent(week))


async def test_days_are_apart_and_add_up(week: Week) -> None:
    days = await week.rows("day")
    first, second = sorted(days)
    assert (days[second]["calls"], days[second]["loans"]) == (9, 9)
    assert days[second]["loans"] == sum(entry["minted_at"][:10] == second for entry in lent(week))
    assert await week.rows("day", "--from", second) == {second: days[second]}
    assert await week.rows("day", "--to", first) == {first: days[first]}
    assert await week.rows("day", "--from", "2031-01-01") == {}
    [whole] = (await week.rows("environment")).values()
    assert {name: days[first][name] + days[second][name] for name in whole} == whole


async def test_every_form_says_the_same(week: Week) -> None:
    by = "person,agent,day"
    listed = (await week.type("usage", "--by", by, "--json")).rows
    table = (await week.type("usage", "--by", by, "--csv")).out
    assert [{key: str(value) for key, value in row.items()} for row in listed] == list(
        csv.DictReader(io.StringIO(table))
    )
    last = (await week.type("usage", "--by", by)).out.splitlines()[-1].split()
    assert last[0] == "total"
    assert int(last[1]) == sum(row["calls"] for row in listed) == sum(week.asked.values())
    export = week.terminal.home / "records.jsonl"
    assert (await week.type("audit", "export", "--out", str(export))).code == 0
    assert (await week.type("usage", "--by", by, "--json", "--export", str(export))).rows == listed


async def test_what_is_allowed_and_not_used_is_listed(week: Week) -> None:
    done = await week.type("usage", "--unused", "30", "--json")
    assert done.code == 0, done.err
    unused = {(row["connector"], row["permission"]): row for row in done.rows}
    github = {permission: row for (connector, permission), row in unused.items() if "github" in connector}
    assert "issues:read" not in github
    assert "contents:read" not in github
    assert "github_issue_create" in github["issues:write"]["tools"]
    assert github["issues:write"]["last_used"] is None
    assert any("slack" in connector for connector, _ in unused)


async def test_what_cannot_be_counted_is_refused(week: Week) -> None:
    for wrong, told in (
        (("--by", "colour"), "is unknown"),
        (("--from", "yesterday"), "is no day"),
        (("--from", "2026-11-02", "--to", "2026-11-01"), "is before"),
        (("--csv", "--json"), "choose one"),
        (("--export", "nowhere.jsonl"), "cannot be read"),
    ):
        done = await week.type("usage", *wrong)
        assert done.code == 2
        assert told in done.err
