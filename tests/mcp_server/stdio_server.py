"""A program that serves a scripted loaner over stdio and prints where it must not. Started by the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from loaner.mcp_server.stdio import serve_stdio
from mcp_server.fakes import fake_loaner


def main() -> None:
    served = fake_loaner()

    def stray(call: Any, caller: Any) -> dict[str, Any]:
        print("a stray print")  # noqa: T201 - this is what must not reach the wire
        os.write(1, b"a stray write\n")
        subprocess.run([sys.executable, "-c", "print('a stray child')"], check=True)
        return {"n": 1, "agent": caller.agent.key, "sub": caller.subject.key, "origin": caller.origin}

    served.journey.then = stray
    anyio.run(serve_stdio, served)
    sys.stderr.write("served\n")


if __name__ == "__main__":
    main()
