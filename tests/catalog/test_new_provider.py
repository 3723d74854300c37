"""A newcomer's provider: started by a verb, filled in, checked until nothing is wrong, and one tool of it at work."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from loaner import catalog
from loaner.cli._app import run
from loaner.provider_call import ProviderTransport, send
from loaner.secret import Secret
from stand_in import Over

FILLED = {
    "…": "…",
    "what people call it": "Acme",
    "https:// page of its documentation about OAuth": "https://acme.example/docs/oauth",
    "https://… where people sign in": "https://acme.example",
    "https://… of the API": "https://api.acme.example",
    "such as private channels too": "private items too",
    "One sentence": "Read one item.",
    "https:// page of the documentation of this request": "https://acme.example/docs/items",
    "what it is, for the model": "Id of the item.",
    "the least permission": "items.read",
}


@pytest.fixture
def started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert run(["provider", "new", "acme", "--into", str(tmp_path)]) == 0
    capsys.readouterr()
    return tmp_path / "acme"


def fill(home: Path) -> None:
    for file in home.glob("*.toml"):
        file.write_text(re.sub(r"<fill in: ([^>]*)>", lambda blank: filled(blank[1]), file.read_text()))


def filled(blank: str) -> str:
    return next(value for asked, value in FILLED.items() if blank.startswith(asked))


def checked(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, Any]]]:
    code = run(["provider", "check", str(path), "--json"])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_each_blank_is_told_once_with_its_line_until_it_is_filled(
    started: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, faults = checked(started, capsys)
    assert code == 2
    expected = [
        f"{file}:{number}"
        for file in sorted(started.glob("*.toml"))
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if "<fill in" in line and not line.startswith("#")
    ]
    assert sorted(one["where"] for one in faults) == sorted(expected)
    assert all("is not filled in" in one["cause"] for one in faults)
    fill(started)
    assert checked(started, capsys) == (0, [])


def test_one_file_is_checked_for_itself(started: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(started)
    file = started / "get_item.toml"
    file.write_text(file.read_text().replace('role = "selector"', 'role = "resource"'))
    code, faults = checked(file, capsys)
    assert (code, len(faults)) == (2, 1)
    assert "add {item_id}" in faults[0]["cause"]
    assert checked(started / "provider.toml", capsys) == (0, [])


def test_nothing_is_overwritten_and_a_name_is_a_name(started: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (started / "provider.toml").read_bytes()
    assert run(["provider", "new", "acme", "--into", str(started.parent)]) == 2
    assert run(["provider", "new", "../acme", "--into", str(started.parent)]) == 2
    assert (started / "provider.toml").read_bytes() == before
    assert "is there already" in capsys.readouterr().err


async def test_its_operation_works(started: Path) -> None:
    fill(started)
    tools = catalog.load(extra=[started.parent])
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={"id": "i-1", "name": "Lamp", "owner": "not kept"})

    async with ProviderTransport(Over(httpx2.MockTransport(answer))) as transport:
        reply = await send(tools["acme_get_item"].bind({"item_id": "i-1"}), Secret("the-loan"), transport)
    assert reply.payload == {"id": "i-1", "name": "Lamp"}
    assert [(one.method, str(one.url)) for one in seen] == [("GET", "https://api.acme.example/items/i-1")]
    assert seen[0].headers["authorization"] == "Bearer the-loan"
