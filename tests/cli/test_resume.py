"""`loaner revoke`, `status` and `resume`, each way to say whose, with nothing but the store between them."""

from __future__ import annotations

import getpass
import json
import sqlite3
from contextlib import closing

import pytest

from cli.terminal import Terminal

WHOSE: dict[str, tuple[list[str], str, str]] = {
    "mine": (["--my-tokens"], "user", f"local {getpass.getuser()}"),
    "everybody's": (["--all-tokens"], "all", ""),
    "a user's": (["--user", "user-alice"], "user", "user-alice"),
    "a user's, in full": (["--user", "https://idp.example user-alice"], "user", "https://idp.example user-alice"),
    "an agent's": (["--agent", "claude-code"], "agent", "claude-code"),
    "a connector's": (["--connector", "github"], "connector", "github"),
    "an environment's": (["--environment", "staging"], "environment", "staging"),
}


@pytest.mark.parametrize(("whose", "kind", "value"), WHOSE.values(), ids=WHOSE)
def test_what_one_command_stops_another_shows_and_a_third_lifts(
    terminal: Terminal, whose: list[str], kind: str, value: str
) -> None:
    stopped = terminal.type("revoke", *whose, "--yes", "--json")
    assert stopped.code == 0
    [block] = stopped.rows
    assert (block["what"], block["kind"], block["value"], block["confirmed"]) == ("block", kind, value, True)
    with closing(sqlite3.connect(terminal.home / "loaner.db")) as file:
        assert file.execute("select kind, value from fences").fetchall() == [(kind, value)]

    [standing] = terminal.type("status", "--json").rows[0]["stopped"]
    assert (standing["kind"], standing["value"]) == (kind, value)
    assert standing["lift"] in terminal.type("status").out

    again = terminal.type("revoke", *whose, "--yes")
    assert again.code == 0, "stopping what is stopped is no error"
    assert standing["lift"] in again.out

    lifted = terminal.type("resume", *whose, "--json")
    assert (lifted.code, lifted.rows) == (0, [{"kind": kind, "value": value, "lifted": True, "standing": []}])
    assert terminal.type("status", "--json").rows[0]["stopped"] == []
    kinds = [record["body"]["kind"] for record in terminal.type("audit", "tail", "--json").rows]
    assert kinds == ["revoke", "revoke", "resume"]
    assert terminal.type("audit", "verify").code == 0


def test_lifting_one_leaves_the_others_and_says_so(terminal: Terminal) -> None:
    terminal.type("revoke", "--agent", "claude-code", "--yes")
    terminal.type("revoke", "--all-tokens", "--yes")
    lifted = terminal.type("resume", "--all")
    assert lifted.code == 0
    assert "still this agent's calls are stopped: agent claude-code" in lifted.out
    missing = terminal.type("resume", "--agent", "claude")
    assert missing.code == 1
    assert "nothing was stopped like this" in missing.out


@pytest.mark.parametrize("whose", [[], ["--all", "--agent", "x"], ["--user", ""]])
def test_resume_wants_to_know_whose(terminal: Terminal, whose: list[str]) -> None:
    done = terminal.type("resume", *whose, "--json")
    assert done.code == 2
    assert "say whose" in json.dumps(done.error)
