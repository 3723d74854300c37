"""``loaner evidence``: every record of the range in words and with proof, and the same again from an export."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from cli.terminal import Done, Terminal, terminal_in
from journeys.town import Town, town

WEB = {"owner": "acme", "repo": "web"}
COMMENT = WEB | {"issue_number": 1, "body": "text"}
EVER = ("--from", "2020-01-01", "--to", "2099-12-31")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Year:
    acme: Town
    terminal: Terminal
    folder: Path
    facts: list[dict[str, Any]] = field(default_factory=list)

    async def type(self, *arguments: str) -> Done:
        return await anyio.to_thread.run_sync(lambda: self.terminal.type(*arguments))

    async def report(self, name: str, *arguments: str) -> bytes:
        file = self.folder / name
        done = await self.type("evidence", "--out", str(file), *arguments)
        assert done.code == 0, done.err
        assert file.stat().st_mode & 0o077 == 0
        return file.read_bytes()

    def of(self, what: str) -> list[dict[str, Any]]:
        return [one for one in self.facts if one["what"] == what]

    def line(self, group: str, *words: str) -> str:
        [told, *_] = [
            one["told"]
            for one in self.of("line")
            if one["group"] == group and all(word in one["told"] for word in words)
        ]
        return str(told)


async def lived(acme: Town) -> None:
    async with acme.agent("alice", "triage|*bold*") as agent:
        await acme.call(agent, "github_issue_read", WEB | {"issue_number": 1})
        await acme.call(agent, "github_add_issue_comment", COMMENT)
        asked = await agent.call_tool("github_add_issue_comment", COMMENT | {"body": "other"})
        await acme.decide(asked, deny=True)
        assert (await agent.call_tool("github_add_issue_comment", COMMENT | {"body": "other"})).is_error
    await acme.settled()


@pytest.fixture(scope="module")
async def year(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Year]:
    folder = tmp_path_factory.mktemp("evidence")
    async with town(folder / "home") as acme:
        with terminal_in(tmp_path_factory.mktemp("elsewhere")) as terminal:
            year = Year(acme, Terminal(folder / "home", terminal.patch), folder)
            await lived(acme)
            stopped = await year.type("revoke", "--user", "https://nobody.example nobody", "--yes")
            assert stopped.code == 0, stopped.err
            signed = await year.type("audit", "checkpoint", "--json")
            [checkpoint] = signed.rows
            (folder / "note").write_text(checkpoint["note"])
            (folder / "vkey").write_text(checkpoint["vkey"])
            written = await year.report("facts.jsonl", *EVER, "--json")
            year.facts = [json.loads(line) for line in written.splitlines()]
            yield year


async def test_each_record_is_a_line_in_words(year: Year) -> None:
    records = (await year.type("audit", "tail", "-n", "1000", "--json")).rows
    lines = year.of("line")
    assert [line["seq"] for line in lines] == [record["seq"] for record in records]
    used = year.line("use", "called github_add_issue_comment", "Outcome: ok")
    [entry] = [
        entry
        for entry in year.acme.ledger(provider="github", kind="scoped")
        if any((use["method"], use["path"][-9:]) == ("POST", "/comments") for use in entry["uses"])
    ]
    assert f"sha256 {entry['fingerprint'][:16]}" in used
    approved = re.search(r"approval \w+ \(#(\d+) of user-alice\)", used)
    assert approved
    [given] = [record for record in records if record["seq"] == int(approved[1])]
    assert given["body"]["kind"] == "approval_given"
    for words in ("triage|*bold* (verified)", "on repository:acme/web", "writes-ask", "proven by", "confirmed"):
        assert words in used
    assert "No credential was lent" in year.line("refusal", "consent_denied")
    assert "for the agent triage" in year.line("permission", "connected an account")
    assert "stopped" in year.line("stop", "nobody")


async def test_every_control_is_there_with_what_cannot_be_shown(year: Year) -> None:
    names = [control["name"] for control in year.of("control")]
    assert names == [
        *(f"SOC 2 CC6.{part}" for part in (1, 2, 3, 6)),
        *(f"PCI DSS {part}" for part in ("7.2", "7.3", "10.2", "10.3")),
    ]
    assert all(control["cannot_show"] and control["asks"] for control in year.of("control"))
    assert len(year.of("cannot_show")) > 2
    groups = [line["group"] for line in year.of("line")]
    for control in year.of("control"):
        assert control["lines"] == {group: groups.count(group) for group in control["lines"]}
    page = (await year.report("page.md", *EVER)).decode()
    assert all(f"| {name} |" in page for name in names)
    assert "triage\\|\\*bold\\*" in page
    assert "triage|" not in page


async def test_each_line_s_proof_is_one_that_verify_takes(year: Year) -> None:
    vkey = (year.folder / "vkey").read_text()
    for line in year.of("line"):
        proof = year.folder / "proof"
        proof.write_text(line["proof"])
        done = await year.type("audit", "verify", str(proof), "--vkey", vkey, "--json")
        assert (done.code, done.rows[0]["proven"]) == (0, line["seq"])
    other = line["proof"].replace("index ", "index 1")
    (year.folder / "proof").write_text(other)
    assert (await year.type("audit", "verify", str(year.folder / "proof"), "--vkey", vkey)).code == 8


async def test_made_again_from_an_export_it_is_the_same(year: Year) -> None:
    file, note = year.folder / "export.jsonl", str(year.folder / "note")
    assert (await year.type("audit", "export", "--out", str(file))).code == 0
    again = ("--export", str(file), "--checkpoint", note, "--vkey", (year.folder / "vkey").read_text())
    assert await year.report("again.md", *EVER, *again) == await year.report("page.md", *EVER)
    assert await year.report("again.jsonl", *EVER, *again, "--json") == (year.folder / "facts.jsonl").read_bytes()
    without = await year.type("evidence", *EVER, "--export", str(file))
    assert without.code == 2
    assert "--checkpoint" in without.err
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines).replace(b"acme/web", b"acme/wob", 1))
    altered = await year.type("evidence", *EVER, *again, "--out", str(year.folder / "none"))
    assert altered.code == 8
    file.write_bytes(b"".join(lines[3:]))
    cut = await year.type("evidence", *EVER, *again, "--out", str(year.folder / "none"))
    assert cut.code == 2
    assert "records 1 to 3 are not" in cut.err
    assert not (year.folder / "none").exists()


async def test_a_day_without_records_says_so(year: Year) -> None:
    page = (await year.report("none.md", "--from", "2021-01-01", "--to", "2021-01-02")).decode()
    assert page.count("Nothing in this range.") == 6
    for wrong in (("--from", "2021-01-01"), ("--from", "2021-02-01", "--to", "2021-01-01")):
        assert (await year.type("evidence", *wrong)).code == 2


async def test_records_after_the_checkpoint_have_no_proof_yet(year: Year) -> None:
    assert (await year.type("resume", "--user", "https://nobody.example nobody")).code == 0
    refused = await year.type("evidence", *EVER)
    assert refused.code == 2
    assert "loaner audit checkpoint" in refused.err
