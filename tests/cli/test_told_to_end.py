"""A verb that is told to end by ``kill`` or a closed terminal ends in order, and says with its exit code by what."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream


@pytest.mark.parametrize(("told", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
async def test_a_demo_ends_its_server_first(tmp_path: Path, told: str, code: int) -> None:
    command = [sys.executable, "-m", "loaner", "demo", "--auto"]
    with (tmp_path / "errors").open("wb") as errors:
        async with await anyio.open_process(
            command, env={**os.environ, "LOANER_HOME": str(tmp_path)}, stderr=errors
        ) as demo:
            assert demo.stdout
            said = BufferedByteReceiveStream(demo.stdout)
            with anyio.fail_after(60):
                await said.receive_until(b"connected over stdio", 100_000)
                assert list((tmp_path / "demo" / "servers").glob("*.json")), "its server runs"
                demo.send_signal(getattr(signal, told))
                assert await demo.wait() == code
    assert not list((tmp_path / "demo" / "servers").glob("*.json"))
    assert "Traceback" not in (tmp_path / "errors").read_text()
