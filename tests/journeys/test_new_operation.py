"""Adding an operation is adding one TOML file, and a document for Linear: no Python, and it is scoped, consented, lent
for and recorded."""

from __future__ import annotations

from pathlib import Path

from journeys.town import error_of, text_of, town

NEW = """
summary    = "List the comments of one issue, oldest first."
effect     = "read"
idempotent = true
source     = "https://docs.github.com/en/rest/issues/comments#list-issue-comments"
toolset    = "issues"
default    = true
phrase     = "read the comments of an issue in {owner}/{repo}"
phrase_any = "read the comments of any issue in {owner}/{repo}"
find       = "github_list_issues"

[params]
owner        = { about = "Account that owns the repository.", role = "resource", form = "owner" }
repo         = { about = "Repository name.", role = "resource", form = "repo" }
issue_number = { about = "Number of the issue.", role = "selector", type = "integer", min = 1, max = 999999 }

[scope]
permissions = { issues = "read" }
resource    = "repository:{owner}/{repo}"

[request]
method = "GET"
path   = "/repos/{owner}/{repo}/issues/{issue_number}/comments"
query  = { per_page = "limit", page = "cursor" }

[page]
next = "link"

[result.keep.comments]
at = "."

[result.keep.comments.each]
id   = "integer"
body = "string"
"""


async def test_a_file_in_a_folder_is_a_working_tool(tmp_path: Path) -> None:
    folder = tmp_path / "more"
    (folder / "github").mkdir(parents=True)
    (folder / "github" / "list_issue_comments.toml").write_text(NEW)
    comment = {"owner": "acme", "repo": "web", "issue_number": 1}
    async with town(tmp_path / "home", extra_connectors=folder) as acme, acme.agent() as agent:
        shown = {tool.name: tool for tool in (await agent.list_tools()).tools}
        tool = shown["github_list_issue_comments"]
        assert (
            tool.description == "List the comments of one issue, oldest first. Scope: issues:read on that repository."
        )
        assert tool.annotations
        assert tool.annotations.read_only_hint is True
        assert tool.input_schema["additionalProperties"] is False

        asked = await agent.call_tool("github_list_issue_comments", comment)
        assert error_of(asked)["code"] == "consent_required"
        assert (await acme.decide(asked)).state == "approved"
        assert not (await acme.call(agent, "github_add_issue_comment", comment | {"body": "First!"})).is_error
        answer = await agent.call_tool("github_list_issue_comments", comment)
        assert not answer.is_error, text_of(answer)
        assert answer.structured_content
        assert "First!" in [item["body"] for item in answer.structured_content["comments"]]

        (record,) = await acme.records(tool="github_list_issue_comments", outcome="ok")
        assert record["needed_permissions"] == ["issues:read"]
        assert record["resource"] == "repository:acme/web"
        (loan,) = acme.ledger(fingerprint=record["fingerprint"])
        assert loan["permissions"] == {"issues": "read", "metadata": "read"}
        assert loan["resources"] == ["acme/web"]
        assert loan["revoked_at"] is not None
        assert (await acme.replay(loan["fingerprint"]))["status"] == 401


TEAM = """
summary    = "Describe one team."
effect     = "read"
idempotent = true
source     = "https://linear.app/developers/graphql"
toolset    = "teams"
default    = true
phrase     = "look at team {teamId}"
phrase_any = "look at team {teamId}"

[params]
teamId = { about = "The team: its id, or its key such as ENG.", role = "resource", form = "team", lookup = "team" }

[scope]
permissions = ["read"]
resource    = "team:{teamId}"

[request]
graphql   = "get_team.graphql"
variables = { id = "teamId" }

[result.keep]
key  = { at = "team.key" }
name = { at = "team.name" }
"""
DOCUMENT = "query team($id: String!) { team(id: $id) { key name } }"


async def test_a_file_and_a_document_are_a_working_tool_of_linear(tmp_path: Path) -> None:
    folder = tmp_path / "more"
    (folder / "linear").mkdir(parents=True)
    (folder / "linear" / "get_team.toml").write_text(TEAM)
    (folder / "linear" / "get_team.graphql").write_text(DOCUMENT)
    async with town(tmp_path / "home", extra_connectors=folder) as acme, acme.agent() as agent:
        (tool,) = [one for one in (await agent.list_tools()).tools if one.name == "linear_get_team"]
        assert tool.description == "Describe one team. Scope: read on that team."

        answer = await acme.call(agent, "linear_get_team", {"teamId": "ENG"})
        assert answer.structured_content == {"key": "ENG", "name": "Engineering"}, text_of(answer)

        (record,) = await acme.records(tool="linear_get_team", outcome="ok")
        assert (record["needed_permissions"], record["resource"]) == (["read"], "team:ENG")
        assert record["request"] == "query team"
        (grant,) = acme.ledger(fingerprint=record["fingerprint"])
        assert grant["provider"] == "linear"
        assert grant["uses"], "the team was looked up and read"
