"""Choosing tools: by set, by name, by effect; a name that means nothing stops the start."""

from __future__ import annotations

import pytest

from loaner import catalog
from loaner.catalog.instances import Likeness
from loaner.errors import SettingsInvalid

CATALOG = catalog.load()


def names(chosen: catalog.Catalog) -> list[str]:
    return [operation.tool for operation in chosen.operations]


def test_the_default_set_leaves_room_under_twenty_five() -> None:
    chosen = names(CATALOG.selected())

    assert len(chosen) < 25 - 3
    assert "github_delete_repository" not in chosen
    assert chosen == sorted(chosen)


def test_all_means_all() -> None:
    assert names(CATALOG.selected(["all"])) == names(CATALOG)


def test_toolsets_add_up_and_exclusion_wins() -> None:
    chosen = names(CATALOG.selected(["slack.messages", "linear.teams"], exclude=["slack_delete_message"]))

    assert "slack_send_message" in chosen
    assert "linear_list_teams" in chosen
    assert "slack_delete_message" not in chosen
    assert not [name for name in chosen if name.startswith("github_")]


def test_a_provider_is_a_toolset() -> None:
    assert {name.partition("_")[0] for name in names(CATALOG.selected(["linear"]))} == {"linear"}


def test_a_job_is_a_toolset_of_every_provider() -> None:
    chosen = CATALOG.selected(["review"], read_only=True)

    assert "github_pull_request_read" in names(chosen)
    assert "github_merge_pull_request" not in names(chosen)
    assert {name.partition("_")[0] for name in names(CATALOG.selected(["review"]))} == {"github", "linear", "slack"}
    assert not [name for name in names(chosen.of_providers(["slack"]).selected(["review"])) if "slack" not in name]


def test_an_instance_beside_its_likeness_has_its_tools_in_the_jobs() -> None:
    hosts = {"web": "https://ghe.corp.example", "api": "https://ghe.corp.example/api/v3"}
    both = catalog.load(more={"ghes": Likeness("github", hosts, "Corp GitHub")}, every_base=False)

    assert {"ghes_pull_request_read", "github_pull_request_read"} <= set(names(both.selected(["review"])))


def test_tools_alone_replace_the_default_set() -> None:
    assert names(CATALOG.selected(tools=["github_create_issue"])) == ["github_issue_create"]


def test_read_only_leaves_nothing_that_changes() -> None:
    chosen = CATALOG.selected(["all"], read_only=True)

    assert chosen.operations
    assert {operation.effect for operation in chosen.operations} == {"read"}


@pytest.mark.parametrize(
    ("choice", "meant"),
    [
        ({"toolsets": ["github.issue"]}, "github.issues"),
        ({"toolsets": ["triages"]}, "triage"),
        ({"tools": ["slack_post_mesage"]}, "slack_post_message"),
        ({"exclude": ["linear_list_team"]}, "linear_list_teams"),
    ],
)
def test_a_typo_is_refused_with_what_was_meant(choice: dict[str, list[str]], meant: str) -> None:
    with pytest.raises(SettingsInvalid, match=f"Did you mean “{meant}”"):
        CATALOG.selected(**choice)
