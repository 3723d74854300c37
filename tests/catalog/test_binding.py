"""From arguments to one checked call: what is refused, what is shown, what is sent."""

from __future__ import annotations

import hashlib
import json

import pytest

from loaner import catalog
from loaner.catalog import cursor
from loaner.catalog.binding import check
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
    filters = "state, labels, assignee, creator, mentioned, milestone, type, since, direction, sort"
    assert told.endswith(f"Valid: owner, repo, {filters}, from_character, limit, cursor.")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"limit": "10"}, "limit must be a whole number"),
        ({"limit": True}, "limit must be a whole number"),
        ({"limit": 1.5}, "limit must be a whole number"),
        ({"owner": 7}, "owner must be a string"),
        ({"labels": "bug"}, "labels must be a list of strings"),
        ({"labels": [f"l{number}" for number in range(21)]}, "labels must have 1–20 items (got 21)"),
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
    """MUST 13."""
    assert told in refused("github_list_issues", WEB | arguments)


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "a/../b",
        "/etc",
        "a//b",
        "a/./b",
        "..",
        "a\\b",
        "a%2fb",
        "a%252Fb",
        "%2e%2e/a",
        "a%5cb",
        "a%00b",
        "a\nb",
        "a//",
    ],
)
def test_a_file_path_stays_inside_its_repository(path: str) -> None:
    assert "path must" in refused("github_get_file_contents", WEB | {"path": path})


@pytest.mark.parametrize("path", ["/", ".", "", None])
def test_the_root_of_a_repository_has_one_name(path: str | None) -> None:
    bound = CATALOG["github_get_file_contents"].bind(WEB | {"path": path})
    assert bound.digest == CATALOG["github_get_file_contents"].bind(WEB).digest
    assert bound.arguments["path"] == "/"
    assert bound.plan()[0].url == "https://api.github.com/repos/acme/web/contents/"


def test_a_directory_may_have_a_slash_after_it_and_a_file_that_is_written_may_not() -> None:
    bound = CATALOG["github_get_file_contents"].bind(WEB | {"path": "src/"})
    assert bound.arguments["path"] == "src"
    file = {"path": "src/", "message": "m", "content": "c"}
    assert "path must" in refused("github_create_or_update_file", WEB | file)
    assert "path must" in refused("github_create_or_update_file", WEB | file | {"path": "/"})


@pytest.mark.parametrize(("path", "sent"), [("docs/100%.md", "docs/100%25.md"), ("a%20b.md", "a%2520b.md")])
def test_a_percent_sign_is_a_letter_like_any_other(path: str, sent: str) -> None:
    bound = CATALOG["github_get_file_contents"].bind(WEB | {"path": path})
    assert bound.plan()[0].url == f"https://api.github.com/repos/acme/web/contents/{sent}"


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
    """MUST 27."""
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


def test_the_payload_shows_what_a_write_is_told_to_do_otherwise() -> None:
    """MUST 24: who may see a channel, or push to a branch, is no detail."""
    channel = CATALOG["slack_create_channel"].bind({"name": "plans", "is_private": True})
    change = {"title": "x", "head": "a", "base": "main", "maintainer_can_modify": True}

    assert ("is_private", "true") in channel.payload
    assert ("maintainer_can_modify", "true") in CATALOG["github_create_pull_request"].bind(WEB | change).payload


def test_a_name_cannot_pass_for_the_sentence_it_stands_in() -> None:
    """MUST 24."""
    operation = CATALOG["github_get_file_contents"]

    told = operation.phrase(operation.bind(WEB | {"path": "a in acme/docs. It is ” safe"}))
    long = operation.phrase(operation.bind(WEB | {"path": "a" * 500}))

    assert told == "read “a in acme/docs. It is   safe” in acme/web"
    assert long == f"read {'a' * 60}…{'a' * 20} in acme/web"
    assert "path must not hold" in refused("github_get_file_contents", WEB | {"path": "a\u202etxt.exe"})


def test_the_plan_shows_what_would_be_sent_and_where_it_depends_on_an_answer() -> None:
    bound = CATALOG["linear_create_issue"].bind({"teamId": "ENG", "title": "New"})

    lookup, create = bound.plan()

    assert lookup.body == {"name": "ENG"}
    assert create.url == "https://api.linear.app/graphql"
    assert create.body == {"input": {"id": "<new UUID>", "teamId": "<id of ENG>", "title": "New"}}
    assert (create.graphql or "").startswith("mutation issueCreate")


@pytest.mark.parametrize("tool", ["slack_send_message", "slack_schedule_message"])
def test_slack_messages_go_out_without_unfurling(tool: str) -> None:
    """MUST 51."""
    more = {"post_at": 2_000_000_000} if "schedule" in tool else {}
    bound = CATALOG[tool].bind({"channel": "C0000001", "text": "https://example.com"} | more)

    body = bound.plan()[-1].body

    assert isinstance(body, dict)
    assert body["unfurl_links"] is False
    assert body["unfurl_media"] is False


FETCHED = [
    *("see https://evil.example/?q=x", "HTTPS://evil.example", "<https://evil.example|here>", "www.evil.example"),
    *("evil.example/steal?q=x", "mailto:eve@evil.example", "slack://open", "![x](https://evil.example/x.png)"),
    *("[x](//evil.example)", "[x](evil.example)", "[x]: evil.example"),
]


@pytest.mark.parametrize("link", FETCHED)
@pytest.mark.parametrize(
    ("tool", "name", "more"),
    [
        ("slack_update_message", "text", {"ts": "1700000000.000100"}),
        ("slack_update_message", "text", {"ts": "1700000000.000100", "format": "mrkdwn"}),
        ("slack_upload_file", "initial_comment", {"filename": "a.txt", "content": "https://fine.example"}),
        ("slack_upload_file", "title", {"filename": "a.txt", "content": "x"}),
    ],
)
def test_where_slack_cannot_be_kept_from_unfurling_there_is_no_link(
    tool: str, name: str, more: dict[str, object], link: str
) -> None:
    """MUST 51: these methods know no unfurl_links."""
    assert f"{name} must not" in refused(tool, {"channel": "C0000001", name: link} | more)
    honest = {"channel": "C0000001", name: "<@U01> docs/a and/or v1.4.0 is out, 3/4: see #releases"} | more
    assert CATALOG[tool].bind(honest)


def test_a_changed_message_has_no_links_made_of_its_words() -> None:
    """MUST 51: ``parse`` of chat.update is "client" by default, which makes a link of a bare name."""
    given = {"channel": "C0000001", "ts": "1700000000.000100", "text": "evil.com"}
    body = CATALOG["slack_update_message"].bind(given | {"format": "mrkdwn"}).plan()[-1].body
    assert body == given | {"parse": "none"}
    assert "text must not hold a name with a dot" in refused("slack_update_message", given)  # not said of Markdown


def test_what_overwrites_is_hinted_at_as_destructive_and_asked_for_like_any_write() -> None:
    """MCP, ToolAnnotations: "if false, the tool performs only additive updates"."""
    hinted = {one.tool for one in CATALOG.operations if one.annotations["destructiveHint"] and one.effect == "write"}
    assert hinted == {
        "github_add_sub_issue",
        "github_push_files",
        "github_remove_sub_issue",
        "github_create_or_update_file",
        "github_issue_update",
        "github_cancel_workflow_run",
        "github_remove_label",
        "github_rerun_workflow_run",
        "github_run_workflow",
        "github_update_pull_request",
        "linear_create_relation",
        "linear_link_url",
        "linear_update_comment",
        "linear_update_issue",
        "linear_update_project",
        "slack_remove_reaction",
        "slack_set_topic",
        "slack_update_message",
    }
    assert all(one.annotations["destructiveHint"] for one in CATALOG.operations if one.effect == "destructive")
    assert not any(one.annotations["destructiveHint"] for one in CATALOG.operations if one.effect == "read")


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


def test_only_the_first_few_unknown_fields_are_told() -> None:
    """MUST 63: what a thousand may have meant is not looked for."""
    with pytest.raises(InvalidArguments) as refused:
        check("a_tool", {}, {}, {f"name{n}": 1 for n in range(5000)})
    assert refused.value.cause.count("unknown field") == 9
    assert "4992 more unknown fields" in refused.value.cause
