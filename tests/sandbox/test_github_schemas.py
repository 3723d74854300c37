"""The emulator's answers against GitHub's own OpenAPI description."""

from __future__ import annotations

import gzip
import json
from functools import cache
from typing import Any

import pytest
from github_requests import REQUESTS, filled
from github_steps import GitHub, hub
from openapi_schema_validator import OAS30Validator

from shared_data import shared

# Answers without a JSON body, and operations that the trimmed description leaves out.
WITHOUT_SCHEMA = {
    "GET /repos/{owner}/{repo}/actions/jobs/{job_id}/logs",
    "GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs",
    "GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews",
    "GET /repos/{owner}/{repo}/pulls/{pull_number}/comments",
    "POST /repos/{owner}/{repo}/pulls/{pull_number}/comments/{comment_id}/replies",
    "GET /repos/{owner}/{repo}/commits/{ref}/status",
    "GET /repos/{owner}/{repo}/actions/workflows",
    "GET /repos/{owner}/{repo}/compare/{basehead}",
    "GET /repos/{owner}/{repo}/tags",
    "GET /repos/{owner}/{repo}/releases",
    "GET /repos/{owner}/{repo}/releases/tags/{tag}",
    "POST /repos/{owner}/{repo}/actions/runs/{run_id}/rerun",
    "POST /repos/{owner}/{repo}/actions/runs/{run_id}/cancel",
    "POST /repos/{owner}/{repo}/labels",
    "DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels/{name}",
    "GET /repos/{owner}/{repo}/milestones",
    "GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs",
    "GET /repos/{owner}/{repo}/git/commits/{commit_sha}",
    "POST /repos/{owner}/{repo}/git/trees",
    "POST /repos/{owner}/{repo}/git/commits",
    "PATCH /repos/{owner}/{repo}/git/refs/{ref}",
    "GET /repos/{owner}/{repo}/issues/{issue_number}/sub_issues",
    "POST /repos/{owner}/{repo}/issues/{issue_number}/sub_issues",
    "DELETE /repos/{owner}/{repo}/issues/{issue_number}/sub_issue",
    "GET /repos/{owner}/{repo}/code-scanning/alerts",
    "GET /repos/{owner}/{repo}/code-scanning/alerts/{alert_number}",
    "GET /repos/{owner}/{repo}/secret-scanning/alerts",
    "GET /repos/{owner}/{repo}/secret-scanning/alerts/{alert_number}",
    "GET /repos/{owner}/{repo}/secret-scanning/alerts/{alert_number}/locations",
    "POST /orgs/{org}/repos",
    "GET /orgs/{org}/teams",
    "GET /orgs/{org}/teams/{team_slug}/members",
    "PUT /repos/{owner}/{repo}/pulls/{pull_number}/update-branch",
}
MORE = {
    "GET /user": "/user",
    "GET /search/repositories": "/search/repositories?q=acme",
    "GET /search/issues": "/search/issues?q=is:open",
    "GET /search/code": "/search/code?q=greet",
    "GET /user/installations": "/user/installations",
    "GET /rate_limit": "/rate_limit",
}


@cache
def _description() -> dict[str, Any]:
    raw = gzip.decompress(shared("github_openapi_trimmed.json.gz").read_bytes())
    return json.loads(raw, object_hook=_null_is_a_choice)


def _null_is_a_choice(schema: dict[str, Any]) -> dict[str, Any]:
    """GitHub marks an enum nullable without listing null in it, which OpenAPI 3.0.3 reads as never null."""
    if schema.get("nullable") is True and isinstance(schema.get("enum"), list):
        return schema | {"enum": [*schema["enum"], None]}
    return schema


def _check(operation: str, status: int, body: object) -> None:
    """Raises for an answer that GitHub would not give."""
    method, path = operation.split(" ", 1)
    description = _description()
    answer = description["paths"][path][method.lower()]["responses"][str(status)]
    if "$ref" in answer:
        answer = description["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    schema = answer["content"]["application/json"]["schema"]
    whole = schema | {"components": description["components"]}
    OAS30Validator(whole).validate(body)


@pytest.mark.parametrize("name", sorted(set(REQUESTS) - WITHOUT_SCHEMA))
async def test_an_answer_has_the_shape_that_github_describes(github: GitHub, name: str) -> None:
    token = hub(github.running).tokens.pair("alice")[0].token
    path, body = filled(github, name)
    answer = await github.call(name.split(" ", maxsplit=1)[0], path, token, body)
    assert answer.is_success
    if answer.status_code == 204:
        assert answer.content == b""
        assert (
            str(answer.status_code)
            in _description()["paths"][name.split(" ", 1)[1]][name.split(" ", maxsplit=1)[0].lower()]["responses"]
        )
    else:
        _check(name, answer.status_code, answer.json())


@pytest.mark.parametrize("name", sorted(MORE))
async def test_so_has_one_that_needs_no_permission(github: GitHub, name: str) -> None:
    token = hub(github.running).tokens.pair("alice")[0].token
    answer = await github.call("GET", MORE[name], token)
    _check(name, answer.status_code, answer.json())


async def test_so_have_those_about_tokens(github: GitHub) -> None:
    token = hub(github.running).tokens.pair("alice")[0].token
    prefix = "/applications/{client_id}/token"
    scoped = await github.scoped(token, {"issues": "read"}, "web")
    _check(f"POST {prefix}/scoped", 200, scoped.json())
    checked = await github.as_client("POST", "token", {"access_token": token})
    _check(f"POST {prefix}", 200, checked.json())
    refused = await github.scoped(token, {"secrets": "read"}, "web")
    _check(f"POST {prefix}/scoped", 422, refused.json())
    missing = await github.scoped("ghu_none", {"issues": "read"}, "web")
    _check(f"POST {prefix}/scoped", 404, missing.json())


async def test_so_have_those_of_the_app(github: GitHub) -> None:
    path = "/app/installations/{installation_id}"
    made = await github.as_app("POST", "/app/installations/1/access_tokens", {"repositories": ["web"]})
    _check(f"POST {path}/access_tokens", 201, made.json())
    _check(f"GET {path}", 200, (await github.as_app("GET", "/app/installations/1")).json())
    _check("GET /app", 200, (await github.as_app("GET", "/app")).json())
    listed = await github.call("GET", "/installation/repositories", made.json()["token"])
    _check("GET /installation/repositories", 200, listed.json())


async def test_a_wrong_answer_would_be_noticed() -> None:
    with pytest.raises(Exception, match="required property"):
        _check("GET /repos/{owner}/{repo}", 200, {"id": 1})
