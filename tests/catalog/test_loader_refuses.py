"""Every way in which a connector file can be wrong is one refusal, with file and line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from loaner import catalog
from loaner.errors import ConnectorInvalid, SettingsInvalid

ISSUE = "github/issue_create.toml"
LINEAR = "linear/create_comment.toml"
FILES = "github/push_files.toml"


@pytest.fixture
def connectors(tmp_path: Path) -> Path:
    return Path(shutil.copytree(catalog.shipped(), tmp_path / "connectors"))


def mutate(connectors: Path, file: str, old: str, new: str) -> tuple[Path, int]:
    """Replace the one occurrence of ``old``; its file and line."""
    path = connectors / file
    text = path.read_text()
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
    path.write_text(text.replace(old, new))
    return path, text[: text.index(old)].count("\n") + 1


def refusal(connectors: Path) -> ConnectorInvalid:
    with pytest.raises(ConnectorInvalid) as refused:
        catalog.load(connectors)
    return refused.value


TITLE = 'title     = { about = "Title of the issue.", role = "content", max_length = 256 }'
MUTATIONS = {
    "broken syntax": (ISSUE, "[scope]", "[scope", "Expected ']'"),
    "a parameter with no role": (ISSUE, TITLE, 'title = { about = "Title." }', "params.title.role is missing"),
    "a parameter with an unknown role": (
        ISSUE, TITLE, 'title = { about = "Title.", role = "body" }', "params.title.role"
    ),
    "an unused parameter": (ISSUE, TITLE, f'{TITLE}\nspare = {{ about = "Spare.", role = "option" }}', "used nowhere"),
    "an undeclared parameter": (ISSUE, 'body   = { title = "title"', 'body   = { title = "titel"', "undeclared"),
    "a resource parameter missing from the scope": (
        ISSUE, 'resource    = "repository:{owner}/{repo}"', 'resource    = "repository:{repo}"', "leaves out 'owner'"
    ),
    "an undeclared parameter in the scope": (
        ISSUE, 'resource    = "repository:{owner}/{repo}"', 'resource = "repository:{owner}/{repo}/{x}"', "undeclared"
    ),
    "empty permissions": (ISSUE, 'permissions = { issues = "write" }', "permissions = {}", 'say permissions = "none"'),
    "missing permissions": (ISSUE, 'permissions = { issues = "write" }', "", "scope.permissions is missing"),
    "no source": (ISSUE, "source     =", "origin     =", "source is missing"),
    "a source that is no page": (ISSUE, '"https://docs.github.com', '"docs.github.com', "source"),
    "an unknown key": (ISSUE, "idempotent =", "idempotant =", "idempotent is missing"),
    "an unknown effect": (ISSUE, '"write"\noverwrites', '"writes"\noverwrites', "effect"),
    "a write that does not say whether it overwrites": (
        ISSUE, "overwrites = false\n", "", "overwrites = true or false"
    ),
    "a read that is said to overwrite": (
        "github/get_me.toml", "idempotent =", "overwrites = false\nidempotent =", "is for writes"
    ),
    "a PATCH that is said to add only": (
        "github/issue_update.toml", "overwrites = true", "overwrites = false", "PATCH changes what is there"
    ),
    "a posted text whose links would be fetched": (
        "slack/send_message.toml", "unfurl_links = false, ", "", "unfurl_links and unfurl_media to false"
    ),
    "a posted text whose links cannot be kept from being fetched": (
        "slack/update_message.toml", ', refuses = "links"', "", "or say what it refuses"
    ),
    "an object for each entry of what is no map": (
        FILES, 'tree = { param = "files", each', 'tree = { param = "message", each', "of the entries of a map"
    ),
    "a line in names without one": (FILES, '{ name = "path",', '{ name = "path", line = "l",', "a line"),
    "an expectation of nothing known": (FILES, 'param = "expected_head", other', 'param = "head", other', "'head'"),
    "an expectation of nothing taken": (FILES, 'unlike = "tree"', 'unlike = "trees"', "nor taken: 'trees'"),
    "an expectation without a side": (FILES, ' unlike = "tree",', "", "exactly one of param, unlike"),
    "a preparation of nothing": (FILES, ", force = false }", " }\nprepares = true", "no later step shows"),
    "names of what is no map": (
        FILES, 'type = "map", names = "path"', 'names = "path"', "names are those of a map"
    ),
    "a misspelt key inside a request": (ISSUE, 'method = "POST"', 'metod = "POST"', "did you mean 'method'"),
    "a path placeholder that is no parameter": (ISSUE, '{repo}/issues"', '{repo}/{kind}"', "'kind' is neither"),
    "a placeholder that is not a whole segment": (ISSUE, '{repo}/issues"', '{repo}.git/issues"', "whole placeholder"),
    "content in a path": (ISSUE, '{repo}/issues"', '{repo}/{title}"', "cannot be part of a path"),
    "an optional parameter in a path": (
        "github/list_issues.toml", '{repo}/issues"', '{repo}/{assignee}"', "'assignee' may be absent"
    ),
    "content in a query": (ISSUE, 'body   = { title = "title",', 'query = { t = "title" }\nbody = {', "of a query"),
    "content in the sentence": (ISSUE, '"open an issue in {owner}/{repo}"', '"open {title} in {owner}"', "'title'"),
    "words for a status that means the same everywhere": (
        ISSUE, '410 = "', '404 = "', "404 is no status that an operation can have words for"
    ),
    "words for a status that are no sentence": (
        ISSUE, '410 = "issues are switched off in this repository."', '410 = "Off"', "is a sentence"
    ),
    "nothing for a reason that is in no list": (
        "github/list_commits.toml", "no_commits = ", "no_comits = ", "is no reason of github to refuse a read"
    ),
    "no sentence for an hour's approval": (
        ISSUE, 'phrase_any = "open any issue in {owner}/{repo}, any text"\n', "", "phrase_any is missing"
    ),
    "an hour's sentence that names one call's argument": (
        "github/add_issue_comment.toml", "any issue or pull request of", "issue {issue_number} of", "is not a part of"
    ),
    "a sentence for many calls that destroy": (
        "github/delete_file.toml", "[params]", 'phrase_any = "delete"\n[params]', "approved each time"
    ),
    "a write that cannot be checked": (ISSUE, 'check      = "github_list_issues"\n', "", "needs check"),
    "a check by a tool that does not exist": (ISSUE, '"github_list_issues"', '"github_list_tissues"', "no tool"),
    "a check by a tool that writes": (ISSUE, '"github_list_issues"', '"github_add_labels"', "no tool that reads"),
    "an unknown form": (ISSUE, 'form = "login"', 'form = "logins"', "no form 'logins'"),
    "no request at all": (ISSUE, "[request]", "[extra]", "unknown key 'extra'"),
    "an empty result": (ISSUE, '[result.keep]\nnumber   = "integer"', "[result]\n[unused]", "keep or say"),
    "a summary that is no sentence": (ISSUE, '"Open an issue in', '"open an issue in', "summary"),
    "two tools of one name": (ISSUE, '["create_issue"]', '["list_issues"]', "two tools named"),
    "a case of a value that cannot be": (
        "slack/get_channel.toml", 'equals  = "mpim"', 'equals  = "mpims"', "never 'mpims'"
    ),
    "a case without a test": ("slack/get_channel.toml", 'equals  = "mpim"\n', "", "exactly one of"),
    "a case that changes nothing": ("slack/get_channel.toml", 'instead = ["mpim:read"]', "", "needs add, instead"),
    "what is narrower, of any repository": (
        "github/issue_read.toml", '"issue:{owner}/{repo}#', '"issue:{repo}#', "what is narrower leaves out 'owner'"
    ),
    "what is narrower by what is written": (
        "github/add_issue_comment.toml", "#{issue_number}", "#{body}", "content ('body') cannot be a resource"
    ),
    "what is narrower by what may be absent": (
        "slack/send_message.toml",
        'resource    = "channel:{channel}"',
        'resource = "channel:{channel}"\nnarrower = "thread:{channel}/{thread_ts}"',
        "'thread_ts' may be absent",
    ),
    "a wider resource without a name": (
        "linear/provider.toml", "([A-Z][A-Z0-9]{0,9})-[0-9]+", "[A-Z][A-Z0-9]{0,9}-[0-9]+", "one group"
    ),
    "an unknown lookup": (
        "slack/list_members.toml", 'lookup = "channel"', 'lookup = "chanel"', "no lookup 'chanel'"
    ),
    "a value that no step took": (
        "github/create_branch.toml", '{ taken = "sha" }', '{ taken = "shaa" }', "no earlier step takes 'shaa'"
    ),
    "an integer without bounds": (
        "github/issue_read.toml", 'type = "integer", min = 1, max = 2147483647', 'type = "integer"', "min and max"
    ),
    "a default outside its bounds": (
        "github/list_issues.toml", '"all"], default = "open"', '"all"], default = "opened"', "the default must be"
    ),
    "a paged list that sends no cursor": (
        "github/list_branches.toml", ', page = "cursor"', "", "sends limit and cursor"
    ),
    "a document that does not exist": (LINEAR, '"create_comment.graphql"', '"comment.graphql"', "no document"),
    "a document somewhere else": (LINEAR, '"create_comment.graphql"', '"../linear/viewer.graphql"', "no document"),
    "an unknown lookup of Linear's": (
        "linear/list_states.toml", 'lookup = "team"', 'lookup = "teams"', "linear has no lookup 'teams'"
    ),
    "clearing what has to be there": (
        "slack/list_members.toml", 'lookup = "channel"', 'lookup = "channel", clear = true', "clear is for what a write"
    ),
    "clearing by a read": (
        "linear/search_issues.toml", 'for.", role', 'for.", clear = true, role', "clear is for writes"
    ),
    "a name that nothing looks up": (
        "linear/list_states.toml", ', lookup = "team"', "", "takes what is no id, so it needs a lookup"
    ),
    "a document's variable that nothing is given for": (
        "linear/list_states.toml", 'teamId = "teamId", first', "first", "nothing is given for the document's variable"
    ),
    "a place beside that is the call's own": (
        "linear/create_relation.toml", '["issue:{relatedIssueId}"]', '["issue:{issueId}"]', "no kind of resource and"
    ),
    "a place beside without a kind": (
        "linear/create_relation.toml", '["issue:{relatedIssueId}"]', '["{relatedIssueId}"]', "no kind of resource and"
    ),
    "a place beside that nothing names": (
        "linear/create_relation.toml", '["issue:{relatedIssueId}"]', '["issue:{otherId}"]', "undeclared parameter"
    ),
    "a Linear permission that is empty": (LINEAR, '["comments:create"]', "[]", 'say permissions = "none"'),
    "a document and a body at once": (LINEAR, "[request.variables]", 'body = "body"\n[request.variables]', "request"),
    "a variable that the document does not declare": (LINEAR, '"input.body"', '"put.body"', "no variable $put"),
    "an insecure host": ("github/provider.toml", '.com"\napi = "https:', '.com"\napi = "http:', "https"),
    "an unknown style of lending": ("github/provider.toml", '"down_scoped"', '"borrowed"', "lending.style"),
    "an unknown host": ("github/provider.toml", 'at     = "api:/user"', 'at     = "apy:/user"', "unknown host key"),
    "an error word that means nothing": (
        "slack/provider.toml", 'no_permission        = "forbidden"', 'no_permission = "bad"', "errors.no_permission"
    ),
}  # fmt: skip


@pytest.mark.parametrize("named", MUTATIONS)
def test_a_mutated_connector_is_refused_at_its_file(named: str, connectors: Path) -> None:
    """MUST 32, 44, 46, 47, 51: what would allow it is no connector."""
    file, old, new, cause = MUTATIONS[named]
    path, _ = mutate(connectors, file, old, new)

    error = refusal(connectors)

    assert cause in error.cause
    where, _, line = error.where.rpartition(":")
    assert where.endswith(str(Path(file)))
    assert 1 <= int(line) <= len(path.read_text().splitlines())


@pytest.mark.parametrize(
    "named",
    [
        "broken syntax",
        "a parameter with no role",
        "a resource parameter missing from the scope",
        "empty permissions",
        "a path placeholder that is no parameter",
        "a misspelt key inside a request",
        "a check by a tool that does not exist",
        "a case of a value that cannot be",
        "a variable that the document does not declare",
        "an unknown style of lending",
    ],
)
def test_the_refusal_points_at_the_line(named: str, connectors: Path) -> None:
    file, old, new, _ = MUTATIONS[named]
    path, line = mutate(connectors, file, old, new)

    told = refusal(connectors).where

    said = int(told.rpartition(":")[2])
    # A case and a table begin a line or two above what is wrong in them.
    assert said <= line <= said + 2, f"{told}: {path.read_text().splitlines()[said - 1]!r}"


@pytest.mark.parametrize(
    ("document", "cause"),
    [
        ("mutation commentCreate($input: CommentCreateInput!) {", "does not parse"),
        ("query a { viewer { id } }\nquery b { viewer { id } }", "exactly one"),
        ("mutation c($input: I!, $more: I!) { c(input: $input, more: $more) { success } }", "variable $more"),
    ],
)
def test_a_document_is_checked_with_its_operation(document: str, cause: str, connectors: Path) -> None:
    (connectors / "linear/create_comment.graphql").write_text(document)

    error = refusal(connectors)

    assert cause in error.cause
    assert "create_comment.toml:" in error.where


@pytest.mark.parametrize(
    ("file", "old", "new", "cause"),
    [
        ("get_job_logs", '_jobs"\n\n', '_runs"\n\n', "one whose result has jobs.id"),
        ("provider", 'job_id       = ["jobs.id"]', "", "does not say which results give 'job_id'"),
        ("provider", 'workflow_id  = ["workflows.path"]', "", "does not say which results give 'workflow_id'"),
        ("provider", "owner        = []", "", "does not say which results give 'owner'; [] where people know it"),
        (
            "list_workflow_jobs",
            'find       = "github_list_workflow_runs"\n',
            "",
            "find names no tool that gives 'run_id'",
        ),
        ("list_pull_requests", "number = ", "numero = ", "find names no tool that gives 'pull_number'"),
    ],
)
def test_what_no_tool_gives_is_a_dead_end(connectors: Path, file: str, old: str, new: str, cause: str) -> None:
    mutate(connectors, f"github/{file}.toml", old, new)

    assert cause in refusal(connectors).cause


def test_a_folder_without_a_provider_is_refused(connectors: Path) -> None:
    (connectors / "github/provider.toml").unlink()

    assert "no provider.toml" in refusal(connectors).cause


def test_text_that_is_not_utf8_is_refused(connectors: Path) -> None:
    (connectors / ISSUE).write_bytes(b'summary = "\xff"\n')

    assert refusal(connectors).where.endswith("issue_create.toml:1")


def test_replaced_hosts_must_be_replaced_everywhere(connectors: Path) -> None:
    with pytest.raises(ConnectorInvalid, match="not replaced while others are"):
        catalog.load(connectors, bases={"github": {"web": "http://127.0.0.1:1", "api": "http://127.0.0.1:1/api"}})


@pytest.mark.parametrize("base", ["http://example.com", "ftp://127.0.0.1", "https://me@example.com", "https://a/?x=1"])
def test_a_base_that_is_not_a_plain_secure_url_is_refused(base: str, connectors: Path) -> None:
    loopback = "http://127.0.0.1:1"
    bases = {"github": {"web": loopback, "api": base}, "slack": {"web": loopback}, "linear": {}}

    with pytest.raises(SettingsInvalid, match=r"hosts\.github: host 'api' must be"):
        catalog.load(connectors, bases=bases)


def test_an_extra_folder_adds_an_operation_to_a_known_provider(tmp_path: Path) -> None:
    (tmp_path / "github").mkdir()
    (tmp_path / "github/list_stargazers.toml").write_text(
        """
summary    = "List who starred one repository."
effect     = "read"
idempotent = true
source     = "https://docs.github.com/en/rest/activity/starring#list-stargazers"
toolset    = "repos"
phrase     = "list who starred {owner}/{repo}"
phrase_any = "list who starred {owner}/{repo}"
[params]
owner = { about = "Account that owns the repository.", role = "resource", form = "owner" }
repo  = { about = "Name of the repository.", role = "resource", form = "repo" }
[scope]
permissions = { metadata = "read" }
resource    = "repository:{owner}/{repo}"
[request]
method = "GET"
path   = "/repos/{owner}/{repo}/stargazers"
query  = { per_page = "limit", page = "cursor" }
[page]
next = "link"
[result.keep.stargazers]
at   = "."
each = { login = "string" }
"""
    )

    operation = catalog.load(extra=[tmp_path])["github_list_stargazers"]

    bound = operation.bind({"owner": "acme", "repo": "web"})
    assert bound.plan()[0].url == "https://api.github.com/repos/acme/web/stargazers"


@pytest.mark.parametrize(
    ("written", "line", "told"),
    [
        ('[care]\nabout = "Care."\ntools = ["slack_mine", "slack_mime"]', 3, "there is no tool 'slack_mime'"),
        ('[slack]\nabout = "Care."\ntools = ["slack_mine"]', 1, "'slack' can't be a toolset's name"),
        ('[all]\nabout = "Care."\ntools = ["slack_mine"]', 1, "'all' can't be a toolset's name"),
        ('["slack.users"]\nabout = "Care."\ntools = ["slack_mine"]', 1, "can't be a toolset's name"),
        ('[care]\nabout = "Care."\ntools = []', 3, "at least 1 item"),
        ('[care]\ntools = ["slack_mine"]', 1, "Field required"),
        ('[care]\nabout = "Care."\ntool = ["slack_mine"]', 1, "Field required"),
    ],
)
def test_a_toolset_by_job_names_tools_that_are_there(connectors: Path, written: str, line: int, told: str) -> None:
    (connectors / "toolsets.toml").write_text(written)
    refused = refusal(connectors)
    assert told in refused.cause
    assert refused.where == f"{connectors / 'toolsets.toml'}:{line}"
