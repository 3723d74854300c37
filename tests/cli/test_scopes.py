"""The table of scopes: complete, the same in the docs, and the same as what a call derives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from catalog.examples import EXAMPLES, arguments
from emulated import Emulated
from loaner import catalog
from loaner.catalog import table
from loaner.cli import _app, scopes

DOCS = Path(__file__).resolve().parents[2] / "docs" / "scopes.md"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOANER_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    assert _app.run(["scopes", *arguments, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_page_in_the_docs_is_what_the_connectors_say() -> None:
    assert DOCS.read_text("utf-8") == scopes.page(catalog.load()), "run: ./run docs"


def test_every_operation_has_a_row_with_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    rows = printed(capsys)
    assert [row["tool"] for row in rows] == [operation.tool for operation in catalog.load().operations]
    for row in rows:
        assert tuple(row) == table.COLUMNS
        assert str(row["source"]).startswith("https://")


def test_one_tool_shows_its_cases_and_who_enforces_what(capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = printed(capsys, "github_create_or_update_file")
    assert row["request"] == "PUT /repos/{owner}/{repo}/contents/{path*}"
    assert row["permissions"] == ["contents:write"]
    assert row["cases"] == [
        {"when": "path starts with .github/workflows/", "mode": "add", "permissions": ["workflows:write"]}
    ]
    assert row["resource"] == "repository:{owner}/{repo}"
    assert row["enforced_by"] == {"permissions": "provider", "resource": "provider", "call": "loaner"}
    (told,) = printed(capsys, "slack_send_message")
    assert told["enforced_by"] == {"permissions": "grant", "resource": "loaner", "call": "loaner"}


def test_people_read_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert _app.run(["scopes", "github_add_labels"]) == 0
    shown = capsys.readouterr().out
    assert "needs       issues:write on repository:{owner}/{repo}" in shown
    assert "instead pull_requests:write when the app has only that" in shown


def test_an_unknown_tool_fails_with_what_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert _app.run(["scopes", "github_issue_creat"]) != 0
    assert "Did you mean “github_issue_create”?" in capsys.readouterr().err


def test_no_call_derives_a_permission_that_its_row_does_not_show() -> None:
    emulated = Emulated()
    shown = {row["tool"]: row for row in table.rows(emulated.catalog.operations)}
    for tool, example in EXAMPLES:
        scope = emulated.catalog[tool].bind(arguments(example, emulated)).scope
        told = set(shown[tool]["permissions"]).union(*(case["permissions"] for case in shown[tool]["cases"]))
        assert scope.permissions <= told, tool
