"""The least that will do, from operation and arguments."""

from __future__ import annotations

import pytest

from loaner import catalog
from loaner.errors import InvalidArguments
from loaner.scope import Limit

CATALOG = catalog.load()
WEB = {"owner": "acme", "repo": "web"}


def permissions(tool: str, **arguments: object) -> set[str]:
    return set(CATALOG[tool].bind(arguments).scope.permissions)


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("README.md", {"contents:write"}),
        (".github/workflows/ci.yml", {"contents:write", "workflows:write"}),
        (".github/workflows/deep/ci.yml", {"contents:write", "workflows:write"}),
        (".github/dependabot.yml", {"contents:write"}),
        ("docs/.github/workflows/ci.yml", {"contents:write"}),
    ],
)
def test_a_workflow_file_needs_more_than_another_file(path: str, needed: set[str]) -> None:
    """MUST 32."""
    assert permissions("github_create_or_update_file", **WEB, path=path, message="m", content="x") == needed
    assert permissions("github_delete_file", **WEB, path=path, message="m", sha="a" * 40) == needed


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        ({"channel": "C0000001"}, {"channels:history"}),
        ({"channel": "C0000001", "channel_type": "private_channel"}, {"groups:history"}),
        ({"channel": "C0000001", "channel_type": "mpim"}, {"mpim:history"}),
        ({"channel": "D0000001"}, {"im:history"}),
        ({"channel": "#releases"}, {"channels:history", "channels:read"}),
        ({"channel": "#board", "channel_type": "private_channel"}, {"groups:history", "groups:read"}),
    ],
)
def test_a_conversation_is_read_with_the_scope_of_its_kind(arguments: dict[str, str], needed: set[str]) -> None:
    """MUST 32."""
    assert permissions("slack_read_channel", **arguments) == needed


def test_a_direct_message_has_no_name_to_look_up() -> None:
    """MUST 32."""
    with pytest.raises(InvalidArguments, match="channel_type"):
        CATALOG["slack_read_channel"].bind({"channel": "#bob", "channel_type": "im"})


def test_listing_needs_one_scope_for_each_kind_asked_for() -> None:
    assert permissions("slack_list_channels") == {"channels:read"}
    assert permissions("slack_list_channels", types=["im"]) == {"im:read"}
    assert permissions("slack_list_channels", types=["private_channel", "mpim"]) == {"groups:read", "mpim:read"}


def test_a_group_message_needs_another_scope_than_a_direct_one() -> None:
    assert permissions("slack_open_dm", users=["U0000001"]) == {"im:write"}
    assert permissions("slack_open_dm", users=["U0000001", "U0000002"]) == {"mpim:write"}


def test_posting_by_name_needs_no_lookup() -> None:
    assert permissions("slack_send_message", channel="#releases", text="x") == {"chat:write"}


def test_the_resource_is_the_one_the_call_names() -> None:
    scope = CATALOG["github_issue_create"].bind(WEB | {"title": "x"}).scope

    assert scope.resource == "repository:acme/web"
    assert scope.told() == "issues:write on acme/web"


def test_a_search_narrows_to_a_repository_where_one_is_named() -> None:
    search = CATALOG["github_search_issues"]

    assert search.bind({"q": "x"}).scope.resource == "repositories"
    assert search.bind({"q": "x"} | WEB).scope.resource == "repository:acme/web"
    with pytest.raises(InvalidArguments, match="owner is required"):
        search.bind({"q": "x", "repo": "web"})


def test_either_permission_will_do_where_the_number_may_be_a_pull_request() -> None:
    scope = CATALOG["github_add_issue_comment"].bind(WEB | {"issue_number": 1, "body": "x"}).scope

    assert scope.permissions == {"issues:write"}
    assert scope.alternatives == (frozenset({"pull_requests:write"}),)


def test_who_enforces_each_limit_is_told_truthfully() -> None:
    github = CATALOG["github_issue_create"].bind(WEB | {"title": "x"}).scope
    slack = CATALOG["slack_send_message"].bind({"channel": "#releases", "text": "x"}).scope

    assert github.limits == (
        Limit("permissions", "issues:write", "provider"),
        Limit("resource", "acme/web", "provider"),
        Limit("call", "this call only", "loaner"),
    )
    assert [limit.enforced_by for limit in slack.limits] == ["grant", "loaner", "loaner"]


def test_only_an_operation_that_says_so_needs_no_permission() -> None:
    """MUST 32."""
    silent = {operation.tool for operation in CATALOG.operations if operation.rule.permissions == "none"}

    assert silent == {
        "github_get_me",
        "github_search_repositories",
        "slack_get_permalink",
        "slack_list_scheduled_messages",
    }


@pytest.mark.parametrize(
    ("provider", "granted", "needed", "covered"),
    [
        ("github", {"issues:write"}, {"issues:read"}, True),
        ("github", {"issues:read"}, {"issues:write"}, False),
        ("github", {"issues:write"}, {"metadata:read"}, True),
        ("github", set(), {"metadata:read"}, True),
        ("github", {"issues:admin"}, {"contents:read"}, False),
        ("slack", {"channels:read"}, {"channels:history"}, False),
        ("slack", {"channels:write"}, {"channels:read"}, False),
        ("linear", {"write"}, {"issues:create", "read"}, True),
        ("linear", {"issues:create"}, {"comments:create"}, False),
        ("linear", {"admin"}, {"comments:create"}, True),
        ("linear", set(), {"read"}, True),
    ],
)
def test_what_a_grant_covers(provider: str, granted: set[str], needed: set[str], covered: bool) -> None:
    assert CATALOG.providers[provider].covers(frozenset(granted), frozenset(needed)) is covered


def test_the_excess_is_what_a_credential_could_do_besides_the_call() -> None:
    linear, slack = CATALOG.providers["linear"], CATALOG.providers["slack"]

    assert linear.excess(frozenset({"read", "write"}), frozenset({"issues:create"})) == {"read", "write"}
    assert slack.excess(frozenset({"chat:write", "im:read"}), frozenset({"chat:write"})) == {"im:read"}


def test_the_table_of_scopes_tells_every_case() -> None:
    cases = CATALOG["github_create_or_update_file"].scope.cases()
    lookups = CATALOG["slack_add_reaction"].scope.cases()

    assert [(case.when, case.permissions, case.mode) for case in cases] == [
        ("path starts with .github/workflows/", {"workflows:write"}, "add")
    ]
    assert {frozenset(case.permissions) for case in lookups} == {
        frozenset({"channels:read"}),
        frozenset({"groups:read"}),
    }
