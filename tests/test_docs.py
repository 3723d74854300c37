"""The documents: short where they are read first, all in the index, no link that leads nowhere, no unused picture."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
PAGES += sorted(DOCS.rglob("*.md"))
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"")


def links(page: Path) -> set[Path]:
    """Every file that a page links or shows."""
    found = ("".join(parts) for parts in LINK.findall(page.read_text("utf-8")))
    inside = (one.partition("#")[0] for one in found if not re.match(r"[a-z]+:|#", one))
    return {(page.parent / one).resolve() for one in inside}


def test_the_readme_is_read_in_a_few_minutes_and_its_commands_are_there() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert len(readme.splitlines()) <= 130
    assert {"./run demo", "./run test"} <= set(re.findall(r"^(\./run \w+)", readme, re.MULTILINE))
    for linked in ("docs/threat-model.md", "docs/README.md", "SECURITY.md"):
        assert (ROOT / linked).resolve() in links(ROOT / "README.md")


def test_every_page_is_in_the_index_once_in_one_of_three_groups() -> None:
    index = (DOCS / "README.md").read_text("utf-8")
    assert re.findall(r"^## (.+)", index, re.MULTILINE) == ["Use", "Operate", "Evidence"]
    listed = re.findall(r"^\| \[[^]]+\]\(([^)]+)\)", index, re.MULTILINE)
    pages = [page.name for page in DOCS.glob("*.md") if page.name != "README.md"]
    assert sorted(listed) == sorted([*pages, "decisions/README.md"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_link_leads_nowhere(page: Path) -> None:
    assert [one for one in links(page) if not one.exists()] == []


def test_each_picture_is_shown_by_a_page() -> None:
    shown = set[Path]().union(*(links(page) for page in PAGES))
    assert [one.name for one in (DOCS / "pictures").iterdir() if one not in shown] == []


def test_hooks_and_locks_have_the_same_ruff() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    locked = re.search(r"^ruff==(\S+)", (ROOT / "locks" / "dev.txt").read_text(), re.MULTILINE)
    assert locked
    assert [repo["rev"] for repo in hooks["repos"]] == [f"v{locked[1]}"]


def test_the_workflow_runs_what_a_contributor_runs() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert [step["run"] for step in workflow["jobs"]["ci"]["steps"] if "run" in step][-1] == ".ci/run"


def test_the_changelog_has_this_version_and_each_entry_once() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    headings = re.findall(r"^## \[(.+?)\]", text, re.MULTILINE)
    assert headings[:2] == ["Unreleased", version[1]]
    entries = re.findall(r"^- (?:.+\n(?:  .+\n)*)", text, re.MULTILINE)
    assert sorted({one for one in entries if entries.count(one) > 1}) == []
