"""What is sent is what the providers publish: GitHub's OpenAPI description, Linear's schema, Slack's arguments."""

from __future__ import annotations

import gzip
import json
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest
from graphql import GraphQLSchema, build_schema, coerce_input_value, parse, validate
from graphql.utilities import type_from_ast

from catalog.slack_pages import slack
from emulated import Emulated
from examples import EXAMPLES, arguments
from loaner import catalog
from loaner.catalog import PlannedRequest
from shared_data import shared

NOT_IN_THE_COPY = {
    "github_list_workflows",
    "github_list_workflow_runs",
    "github_list_workflow_jobs",
    "github_pull_request_read",
    "github_reply_to_review_comment",
    "github_compare_refs",
    "github_list_tags",
    "github_list_releases",
    "github_get_release",
    "github_rerun_workflow_run",
    "github_cancel_workflow_run",
    "github_list_checks",
    "github_push_files",
    "github_list_sub_issues",
    "github_add_sub_issue",
    "github_remove_sub_issue",
    "github_list_code_scanning_alerts",
    "github_get_code_scanning_alert",
    "github_list_secret_scanning_alerts",
    "github_get_secret_scanning_alert",
    "github_create_repository",
    "github_list_teams",
    "github_list_team_members",
    "github_update_pull_request_branch",
    "github_remove_label",
    "github_create_label",
    "github_list_milestones",
}
"""Tools with a request that the trimmed copy of GitHub's description leaves out."""
EMULATED = Emulated()
CATALOG = catalog.load()


def planned(provider: str) -> list[tuple[str, PlannedRequest]]:
    return [
        (tool, request)
        for tool, example in EXAMPLES
        if tool.startswith(provider)
        for request in CATALOG[tool].bind(arguments(example, EMULATED)).plan()
    ]


@cache
def openapi() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(gzip.decompress(shared("github_openapi_trimmed.json.gz").read_bytes()))
    return document


@cache
def linear() -> GraphQLSchema:
    return build_schema(gzip.decompress(shared("linear_schema.graphql.gz").read_bytes()).decode())


def published(method: str, path: str) -> dict[str, Any] | None:
    """The operation that a path belongs to; of several, the one with the most fixed segments. None: not described."""

    def fits(template: str) -> bool:
        wanted, had = template.split("/"), path.split("/")
        if wanted[-1] in {"{path}", "{ref}"} and len(had) > len(wanted):
            had = [*had[: len(wanted) - 1], "/".join(had[len(wanted) - 1 :])]
        return len(wanted) == len(had) and all(w.startswith("{") or w == h for w, h in zip(wanted, had, strict=True))

    paths = openapi()["paths"]
    fitting = [template for template in paths if fits(template) and method.lower() in paths[template]]
    if not fitting:
        return None
    best = min(fitting, key=lambda template: template.count("{"))
    operation: dict[str, Any] = paths[best][method.lower()]
    return operation


def resolved(schema: Any) -> Any:
    """Without references, and as JSON Schema understands OpenAPI's ``nullable``."""
    if isinstance(schema, list):
        return [resolved(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        at: Any = openapi()
        for part in schema["$ref"].removeprefix("#/").split("/"):
            at = at[part]
        return resolved(at)
    return {key: resolved(value) for key, value in schema.items()}


def test_github_requests_fit_its_openapi_description() -> None:
    for tool, request in planned("github"):
        operation = published(request.method, unquote(urlsplit(request.url).path))
        if operation is None:
            assert tool in NOT_IN_THE_COPY
            continue
        queries = {
            parameter["name"]: parameter["schema"]
            for parameter in resolved(operation.get("parameters", []))
            if parameter["in"] == "query"
        }
        assert set(request.query) <= set(queries), tool
        for name, value in request.query.items():
            numeric = queries[name].get("type") == "integer"
            jsonschema.validate(int(value) if numeric else value, queries[name])
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        assert bool(request.body) <= bool(body), f"{tool} sends a body that is not described"
        if body:
            schema = resolved(body)
            if request.body is None and schema.get("nullable"):
                continue
            jsonschema.validate(request.body, schema)
            described = schema.get("properties") or schema["oneOf"][0]["properties"]
            assert set(request.body) <= set(described), tool  # type: ignore[call-overload]


def test_every_linear_document_is_valid_against_the_schema() -> None:
    documents = {
        step.graphql
        for operation in CATALOG.operations
        for step in operation.steps
        if operation.provider.name == "linear"
    } | {lookup.step.graphql for lookup in CATALOG.providers["linear"].lookups.values()}
    documents |= {one.step.graphql for one in CATALOG.providers["linear"].identify.values()}
    documents.add(CATALOG.providers["linear"].grant.account.graphql)

    for document in documents:
        assert validate(linear(), parse(str(document))) == [], document


def test_linear_variables_are_what_the_schema_takes() -> None:
    for tool, request in planned("linear"):
        definition: Any = parse(str(request.graphql)).definitions[0]
        assert isinstance(request.body, dict)
        for variable in definition.variable_definitions or ():
            name = variable.variable.name.value
            kind = type_from_ast(linear(), variable.type)
            assert kind is not None, tool
            if name in request.body:
                coerce_input_value(request.body[name], kind)  # raises where it does not fit


def test_slack_calls_use_the_arguments_each_method_documents() -> None:
    for tool, request in planned("slack"):
        if request.url.startswith("<"):
            continue
        method = slack()[urlsplit(request.url).path.removeprefix("/api/")]
        sent = set(request.query) | set(request.body if isinstance(request.body, dict) else {})
        assert sent <= set(method["args"]), tool
        required = {name for name, argument in method["args"].items() if argument.get("required")}
        assert required - {"token"} <= sent, tool


@pytest.mark.parametrize("provider", ["github", "slack"])
def test_the_derived_permissions_are_among_those_the_provider_publishes(provider: str) -> None:
    if provider == "github":
        known = json.loads(shared("github_app_permissions.json").read_text())["permissions"]
        names = set(known) if isinstance(known, dict) else {row["permission"] for row in known}
        names |= set(openapi()["components"]["schemas"]["app-permissions"]["properties"])
        mine = {
            permission.partition(":")[0]
            for operation in CATALOG.operations
            if operation.provider.name == "github"
            for permission in operation.scope.permissions
        }
        assert mine <= names
    else:
        for operation in CATALOG.operations:
            if operation.provider.name == "slack" and operation.steps[-1].path:
                documented = slack()[operation.steps[-1].path.removeprefix("/api/")]["scopes"].get("user", [])
                own = set(operation.scope.permissions)
                for case in operation.rule.when:
                    own |= case.add | (case.instead or frozenset())
                assert own <= set(documented), operation.tool
