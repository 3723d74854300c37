"""The watch over secrets sees what it must: each way out is tried with a planted leak."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from promises import WATCH, token_shaped

LEAKS = """
import logging, sys
from datetime import UTC, datetime

import httpx2
import pytest

from loaner.cli import _listening
from loaner.sandbox.ledger import Ledger
from loaner.secret import Secret
from promises import WATCH

TOKEN = "ghu_" + "0123456789abcdefABCDEFghijklmnopqrst"
HELD = "a device code that loaner keeps"


@pytest.fixture(autouse=True)
def minted():
    Ledger(lambda: datetime.now(UTC)).mint(
        TOKEN, provider="github", kind="user", subject="alice", permissions={}, expires_at=None
    )
    Secret(HELD)


def test_prints(): print("token", TOKEN)
def test_writes_to_stderr(): sys.stderr.write(f"x{TOKEN}x")
def test_logs(): logging.getLogger("x").warning("using %s", HELD)
def test_keeps_a_file(tmp_path): (tmp_path / "deep").mkdir(); (tmp_path / "deep" / "a.db-wal").write_text("\\0" + HELD)
def test_speaks_over_stdio():
    import mcp.client.stdio
    mcp.client.stdio._parse_line('{"jsonrpc": "2.0", "method": "' + TOKEN + '"}')


async def fetched(path):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": TOKEN.encode()})
    listener = _listening.loopback(0)
    async with _listening.served(app, listener), httpx2.AsyncClient(trust_env=False) as client:
        await client.get(_listening.url(listener) + path)


async def test_answers_an_agent(): await fetched("/mcp")
async def test_shows_a_page(): await fetched("/consent/x")


def test_keeps_it_to_itself(): print("token", TOKEN[:-1])
def test_keeps_a_secret_file(tmp_path): (tmp_path / "secret").write_text(HELD + "\\n")
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says of a suite that leaks."""
    folder = tmp_path_factory.mktemp("leaky")
    (folder / "test_leaks.py").write_text(LEAKS)
    (folder / "pytest.ini").write_text("[pytest]\nanyio_mode = auto\n")
    (folder / "conftest.py").write_text("import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "promises", "-q", "-rA", "-p", "no:cacheprovider", str(folder)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), "COLUMNS": "200"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("leak", "where"),
    [
        ("prints", "output"),
        ("writes_to_stderr", "output"),
        ("logs", "output"),
        ("keeps_a_file", "file"),
        ("speaks_over_stdio", "answer to an agent"),
        ("answers_an_agent", "answer to an agent"),
        ("shows_a_page", "page"),
    ],
)
def test_a_planted_leak_fails_its_test(told: str, leak: str, where: str) -> None:
    assert re.search(rf"^ERROR .*::test_{leak} - .*Escaped: .* in {where}$", told, re.MULTILINE), told


@pytest.mark.parametrize("innocent", ["keeps_it_to_itself", "keeps_a_secret_file"])
def test_what_is_no_leak_passes(told: str, innocent: str) -> None:
    assert f"::test_{innocent}" not in "".join(line for line in told.splitlines() if line.startswith("ERROR"))
    assert f"PASSED test_leaks.py::test_{innocent}" in told


@pytest.mark.last
def test_no_token_of_this_session_is_left_on_disk(tmp_path_factory: pytest.TempPathFactory) -> None:
    """MUST 43: whatever the suite left behind, databases of finished servers included."""
    for file in tmp_path_factory.getbasetemp().rglob("*"):
        if file.is_file() and not file.is_symlink():
            assert WATCH.minted.isdisjoint(token_shaped(file.read_bytes())), file
