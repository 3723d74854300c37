"""What authors of definition files have: a schema for their editor, and one refusal with all that is wrong."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest

from loaner import catalog
from loaner.errors import ConnectorInvalid

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs" / "generate"))
import provider_page  # noqa: E402
import schemas  # noqa: E402

STARRING = """
summary    = "Star one repository."
effect     = "write"
idempotent = true
source     = "https://docs.github.com/en/rest/activity/starring"
toolset    = "repos"
phrase     = "star {owner}/{repo}"
phrase_any = "star it"

[params]
owner = { about = "Account that owns the repository.", role = "resource", form = "owner" }
repo  = { about = "Name of the repository.", role = "resorce", form = "repo" }

[scope]
permissions = { starring = "write" }
resource    = "user"

[request]
metod = "PUT"
path  = "/user/starred/{owner}/{repo}"
"""


def test_the_schemas_are_what_the_models_say_now() -> None:
    """Where this fails: ``./run docs``."""
    for name, text in schemas.schemas().items():
        assert (ROOT / "connectors" / name).read_text("utf-8") == text, name


@pytest.mark.parametrize("provider", ["github", "linear", "slack"])
def test_every_shipped_file_fits_its_schema(provider: str) -> None:
    checks = {
        name: jsonschema.Draft7Validator(json.loads((ROOT / "connectors" / f"{name}.schema.json").read_text()))
        for name in ("provider", "operation")
    }
    for file in sorted((ROOT / "connectors" / provider).glob("*.toml")):
        check = checks["provider" if file.name == "provider.toml" else "operation"]
        wrong = check.iter_errors(tomllib.loads(file.read_text()))
        assert [f"{list(one.absolute_path)}: {one.message}" for one in wrong] == [], file.name


def test_all_faults_of_a_file_are_told_at_once_each_with_its_line_and_cure(tmp_path: Path) -> None:
    (tmp_path / "github").mkdir()
    file = tmp_path / "github" / "star_repository.toml"
    file.write_text(STARRING)
    with pytest.raises(ConnectorInvalid) as refused:
        catalog.load(extra=[tmp_path])
    told = [fault.told().removeprefix(f"{file}:") for fault in refused.value.faults]
    expected = {
        "12": "`selector`: picks something inside it",
        "19": "did you mean 'method'",
        "1": "result is missing. What the agent gets.",
        "16": 'add {owner}, or give the parameter role = "selector"',
        "3": "needs check = a reading tool",
    }
    for line, cure in expected.items():
        assert any(one.startswith(f"{line}: ") and cure in one for one in told), (line, told)
    assert any("overwrites = true or false" in one for one in told)
    assert len(told) == len(expected) + 1
    assert str(refused.value).splitlines() == [f"{file}:{one}" for one in told]


def test_the_reference_is_what_the_models_say_now() -> None:
    """Where this fails: ``./run docs``."""
    assert (ROOT / "docs" / "provider-format.md").read_text("utf-8") == provider_page.page()
