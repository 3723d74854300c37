"""Two windows of a person's host start ``loaner serve --sandbox`` each, as the README says: one world for both."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from mcp import Client, StdioServerParameters
from mcp_types import Implementation

from cli.terminal import end_sandbox
from journeys.town import EVERYTHING, error_of
from loaner.sandbox.person import Person

READ = ("slack_list_channels", {})


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    end_sandbox(tmp_path)


@contextlib.asynccontextmanager
async def window(home: Path) -> AsyncIterator[Client]:
    server = StdioServerParameters(
        command=sys.executable,
        args=["-P", "-m", "loaner", "serve", "--sandbox"],
        env={**os.environ, "LOANER_HOME": str(home)},
    )
    async with Client(server, client_info=Implementation(name="window", version="1")) as client:
        yield client


def sandbox(home: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((home / "sandbox.json").read_text())
    return found


async def agree(home: Path, asked: dict[str, str]) -> None:
    def walk() -> str:
        page = asked["url"]
        ours = page[: page.index("/consent")]
        return Person("alice", sandbox(home)["base_url"]).visit(page, loaner_url=ours, choose=EVERYTHING).state

    assert await anyio.to_thread.run_sync(walk) == "approved"


async def test_two_windows_share_one_world_and_neither_ends_what_the_other_has(home: Path) -> None:
    async with window(home) as first:
        await agree(home, error_of(await first.call_tool(*READ)))
        assert not (await first.call_tool(*READ)).is_error
        world = sandbox(home)
        async with window(home) as second:  # as `claude mcp list` does, and then a person's second window
            await second.list_tools()
            assert not (await second.call_tool(*READ)).is_error
        assert sandbox(home) == world
        assert not (await first.call_tool(*READ)).is_error
    async with window(home) as later:  # all windows were closed for a moment
        assert not (await later.call_tool(*READ)).is_error
    assert sandbox(home) == world

    end_sandbox(home)
    with anyio.fail_after(30):
        while (home / "sandbox.json").exists():  # noqa: ASYNC110 - another process's file
            await anyio.sleep(0.02)
    async with window(home) as anew:
        assert sandbox(home)["pid"] != world["pid"]
        assert error_of(await anew.call_tool(*READ))["code"] == "consent_required"


async def test_two_windows_that_open_at_once_start_one_sandbox(home: Path) -> None:
    seen: list[str] = []

    async def open_one() -> None:
        async with window(home) as client:
            await client.list_tools()
            seen.append(sandbox(home)["base_url"])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(open_one)
        tasks.start_soon(open_one)
    assert len(seen) == 2
    assert len(set(seen)) == 1
