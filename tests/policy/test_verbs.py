"""``loaner policy check | test | explain``, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loaner.cli._app import run

RULES = """\
@id("reads")
permit (principal, action in Action::"read", resource);

@id("no-merging-at-night")
@reason("nobody is there to look")
forbid (principal, action == Action::"github_merge_pull_request", resource)
when { context.now.toTime() > duration("20h") };
"""
CASES = """\
[[case]]
name = "a read"
tool = "github_get_me"
expect = "allowed"
rule = "reads"

[[case]]
name = "a merge at night"
tool = "github_merge_pull_request"
arguments = { owner = "acme", repo = "web", pull_number = 1, sha = "%s" }
at = 2026-11-22T23:00:00Z
expect = "refused"
rule = "no-merging-at-night"
""" % ("a" * 40)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOANER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loaner.toml").write_text("")
    monkeypatch.setenv("LOANER_CONFIG", str(tmp_path / "loaner.toml"))
    (tmp_path / "policy" / "tests").mkdir(parents=True)
    (tmp_path / "policy" / "team.cedar").write_text(RULES)
    (tmp_path / "policy" / "tests" / "cases.toml").write_text(CASES)
    return tmp_path / "policy"


def test_check_lists_the_rules_beside_the_settings_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "check", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(rule["rule"], Path(rule["where"]).name) for rule in told["rules"]] == [
        ("reads", "team.cedar:1"),
        ("no-merging-at-night", "team.cedar:4"),
    ]


def test_a_broken_policy_stops_check_and_the_server_alike(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "team.cedar").write_text(RULES.replace("toTime", "toTim"))
    for verb in (["policy", "check"], ["serve"], ["explain", "github_get_me"]):
        assert run(verb) == 78
        assert "team.cedar:4: this rule does not parse" in capsys.readouterr().err


def test_cases_pass_or_fail_by_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "test"]) == 0
    capsys.readouterr()
    (folder / "team.cedar").write_text(RULES.replace("20h", "23h"))
    assert run(["policy", "test"]) == 5
    told = capsys.readouterr().out
    assert "ok   a read" in told
    assert "FAIL a merge at night: expected rule no-merging-at-night, got no-rule-allows-it" in told


def test_explain_shows_the_rule_and_its_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    merge = ["github_merge_pull_request", "owner=acme", "repo=web", "pull_number=1", f"sha={'a' * 40}"]
    assert run(["policy", "explain", *merge, "--at", "2026-11-22T23:00:00"]) == 0
    told = capsys.readouterr().out
    assert "team.cedar:4" in told
    assert "nobody is there to look" in told
    assert run(["policy", "explain", *merge, "--at", "2026-11-22T12:00:00", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rule"] == "no-rule-allows-it"
