"""From arguments to one checked call: what is refused, what is shown, what is sent."""

from __future__ import annotations

import hashlib
import json

import pytest

from loaner import catalog
from loaner.catalog import cursor
from loaner.errors import InvalidArguments, UnknownTool

CATALOG = catalog.load()
WEB = {"owner": "acme", "repo": "web"}


def refused(tool: str, arguments: dict[str, object]) -> str:
    with pytest.raises(InvalidArguments) as error:
        CATALOG[tool].bind(arguments)
    return error.value.cause


def test_every_problem_is_told_at_once_with_what_would_be_valid() -> None:
    told = refused("github_list_issues", {"owner": "acme", "limit": 500, "assigne": "bob", "state": "opened"})

    assert "repo is required" in told
    assert "limit must be 1–50 (got 500)" in told
    assert "unknown field “assigne”, did you mean “assignee”?" in told
    assert "state must be one of open, closed, all (got “opened”)" in told
    assert told.endswith("Valid: owner, repo, state, labels, assignee, sort, limit, cursor.")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"limit": "10"}, "limit must be a whole number"),
        ({"limit": True}, "limit must be a whole number"),
        ({"limit": 1.5}, "limit must be a whole number"),
        ({"owner": 7}, "owner must be a string"),
        ({"labels": "bug"}, "labels must be a list of strings"),
        ({"labels": []}, "labels must have 1–20 items (got 0)"),
        ({"labels": [1]}, "labels holds an item that must be a string"),
        ({"owner": "a/b"}, "owner must be an account name (got “a/b”)"),
        ({"owner": "https://evil.example"}, "owner must be an account name"),
        ({"owner": "acme\r\nX-Evil: 1"}, "owner must not hold control characters"),
        ({"owner": "acme\x00"}, "owner must not hold control characters"),
        ({"assignee": "x" * 300}, "assignee must have 1–256 characters (got 300)"),
        ({"cursor": "nonsense"}, "cursor must be the next_cursor of an earlier answer of this same tool"),
        ({"cursor": cursor.encode("github_list_branches", 2)}, "cursor must be the next_cursor"),
    ],
)
def test_a_wrong_argument_is_named_with_what_it_must_be(arguments: dict[str, object], told: str) -> None:
    assert told in refused("github_list_issues", WEB | arguments)


@pytest.mark.parametrize("path", ["../x", "a/../b", "/etc", "a//b", "a/./b", "..", "a\\b", "a%2fb", "a\nb", "", "a/"])
def test_a_file_path_stays_inside_its_repository(path: str) -> None:
    assert "path must" in refused("github_get_file_contents", WEB | {"path": path})


@pytest.mark.parametrize("name", [".", ".."])
def test_a_repository_cannot_be_named_like_a_directory(name: str) -> None:
    assert "repo must" in refused("github_get_repository", {"owner": "acme", "repo": name})


def test_a_long_refused_value_is_not_repeated() -> None:
    secret = "ghp_" + "s" * 36
    told = refused("github_list_issues", {"owner": f"a/{secret}", "repo": secret + "/", "state": secret})

    assert secret not in told


def test_content_is_never_repeated_however_short() -> None:
    assert "hunter2" not in refused("github_pull_request_review", WEB | {"pull_number": 4, "event": "hunter2"})


def test_content_may_hold_line_breaks_and_no_null() -> None:
    bound = CATALOG["github_issue_create"].bind(WEB | {"title": "One", "body": "two\nlines\twide"})
    assert bound.arguments["body"] == "two\nlines\twide"

    assert "body must not hold" in refused("github_issue_create", WEB | {"title": "One", "body": "nul\x00"})


def test_an_unknown_tool_is_told_with_the_nearest_one() -> None:
    with pytest.raises(UnknownTool, match="Did you mean “github_issue_create”"):
        CATALOG["github_issue_creates"]


def test_an_alias_is_the_same_operation() -> None:
    assert CATALOG["github_create_issue"] is CATALOG["github_issue_create"]


def test_a_bound_call_cannot_be_changed() -> None:
    bound = CATALOG["github_list_issues"].bind(WEB | {"labels": ["bug"]})

    with pytest.raises(TypeError):
        bound.arguments["owner"] = "evil"  # type: ignore[index]
    assert bound.arguments["labels"] == ("bug",)


def test_the_digest_covers_tool_and_arguments_with_their_defaults() -> None:
    bound = CATALOG["github_list_branches"].bind({"repo": "web", "owner": "acme"})
    canonical = json.dumps(
        ["github_list_branches", {"limit": 10, "owner": "acme", "repo": "web"}], separators=(",", ":")
    )

    assert bound.digest == hashlib.sha256(canonical.encode()).hexdigest()
    assert bound.digest == CATALOG["github_list_branches"].bind(WEB | {"limit": 10}).digest
    assert bound.digest != CATALOG["github_list_branches"].bind(WEB | {"limit": 11}).digest
    assert bound.digest != CATALOG["github_get_repository"].bind(WEB).digest


def test_the_payload_shows_verbatim_what_a_write_sends_besides_its_resource() -> None:
    text = "Ünïcode <b>\n@channel  "
    bound = CATALOG["slack_send_message"].bind({"channel": "#releases", "text": text})

    assert bound.payload == [("text", text)]
    assert bound.operation.phrase(bound) == "post one message in #releases"


def test_a_name_cannot_pass_for_the_sentence_it_stands_in() -> None:
    operation = CATALOG["github_get_file_contents"]

    told = operation.phrase(operation.bind(WEB | {"path": "a in acme/docs. It is ” safe"}))
    long = operation.phrase(operation.bind(WEB | {"path": "a" * 500}))

    assert told == "read “a in acme/docs. It is   safe” in acme/web"
    assert long == f"read {'a' * 60}…{'a' * 20} in acme/web"
    assert "path must not hold" in refused("github_get_file_contents", WEB | {"path": "a\u202etxt.exe"})


def test_the_plan_shows_what_would_be_sent_and_where_it_depends_on_an_answer() -> None:
    bound = CATALOG["linear_create_issue"].bind({"teamId": "ENG", "title": "New"})

    lookup, create = bound.plan()

    assert lookup.body == {"key": "ENG"}
    assert create.url == "https://api.linear.app/graphql"
    assert create.body == {"input": {"id": "<new UUID>", "teamId": "<id of ENG>", "title": "New"}}
    assert (create.graphql or "").startswith("mutation issueCreate")


def test_slack_messages_go_out_without_unfurling() -> None:
    bound = CATALOG["slack_send_message"].bind({"channel": "C0000001", "text": "https://example.com"})

    body = bound.plan()[0].body

    assert isinstance(body, dict)
    assert body["unfurl_links"] is False
    assert body["unfurl_media"] is False


def test_arguments_typed_on_a_command_line_become_what_they_mean() -> None:
    operation = CATALOG["slack_list_channels"]

    typed = operation.from_text({"types": "im, mpim", "exclude_archived": "false", "limit": "5", "what": "ever"})

    assert typed == {"types": ["im", "mpim"], "exclude_archived": False, "limit": 5, "what": "ever"}


def test_a_cursor_is_only_for_the_tool_that_gave_it() -> None:
    made = cursor.encode("github_list_branches", 3)

    assert cursor.decode("github_list_branches", made) == 3
    bound = CATALOG["github_list_branches"].bind(WEB | {"cursor": made})
    assert bound.plan()[0].query == {"per_page": "10", "page": "3"}


def test_every_tool_describes_itself_completely() -> None:
    for operation in CATALOG.operations:
        assert len(operation.tool) <= 40
        assert ". Scope: " in operation.description
        assert set(operation.annotations) == {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}
        assert operation.input_schema["additionalProperties"] is False
        assert operation.output_schema["additionalProperties"] is False
        assert operation.provider.covers(operation.scope.permissions, operation.scope.permissions)
