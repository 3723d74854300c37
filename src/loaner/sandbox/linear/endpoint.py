"""``POST /graphql``: who calls, may they, what does it cost, and only then the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    execute,
    get_operation_ast,
    parse,
    validate,
)
from graphql.execution import get_variable_values
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from loaner.sandbox.faults import REFUSED
from loaner.sandbox.ledger import Entry
from loaner.sandbox.linear.complexity import MOST, Costs
from loaner.sandbox.linear.desk import Desk
from loaner.sandbox.linear.errors import PATH, invalid_input, rate_limited, refused, unauthenticated
from loaner.sandbox.linear.resolving import resolve
from loaner.sandbox.linear.schema import schema
from loaner.sandbox.linear.scopes import missing
from loaner.sandbox.linear.tokens import bearer
from loaner.sandbox.refusals import LINEAR


@dataclass(frozen=True)
class Asked:
    """One operation of a document, ready to be judged."""

    document: DocumentNode
    operation: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: dict[str, Any]

    @property
    def roots(self) -> list[str]:
        """The root fields it selects, those in fragments included."""
        names: dict[str, None] = {}
        waiting, seen = [self.operation.selection_set], set[str]()
        while waiting:
            for node in waiting.pop().selections:
                if isinstance(node, FieldNode):
                    names[node.name.value] = None
                elif isinstance(node, InlineFragmentNode):
                    waiting.append(node.selection_set)
                elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                    seen.add(node.name.value)  # the document may not be valid, and fragments may be circular
                    fragment = self.fragments.get(node.name.value)
                    waiting += [fragment.selection_set] if fragment else []
        return list(names)

    def __str__(self) -> str:
        return f"{self.operation.operation.value} {', '.join(self.roots)}"


class Endpoint:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def answer(self, request: Request) -> Response:
        token = bearer(request)
        entry = self._desk.sandbox.ledger.find(token) if token else None
        asked = _asked(await request.body())
        response = self._answer(token, asked)
        if entry is not None and entry.provider == "linear":
            operation = str(asked) if isinstance(asked, Asked) else None
            self._desk.sandbox.ledger.used(
                entry, method="POST", path=PATH, status=response.status_code, operation=operation
            )
        return response

    def _answer(self, token: str | None, asked: Asked | GraphQLError) -> Response:
        entry = self._desk.tokens.alive(token) if token else None
        if entry is None:
            return _errors([unauthenticated()], 401)
        if isinstance(asked, GraphQLError):
            return _errors([asked], 400)
        if fault := self._desk.sandbox.faults.take("linear", PATH, REFUSED):
            kind, code, message = LINEAR[fault.kind.partition(":")[2]]
            return _errors([refused(message, type=kind, code=code, status=400, shown=message)], 400)
        problems = validate(schema(), asked.document)
        if problems:
            return _errors([_bad_document(each) for each in problems], 400)
        variables = get_variable_values(schema(), asked.operation.variable_definitions or (), asked.variables)
        if isinstance(variables, list):
            return _errors([_bad_variables(each) for each in variables], 400)
        return self._judge(entry, asked)

    def _judge(self, entry: Entry, asked: Asked) -> Response:
        switches = self._desk.sandbox.switches
        root = schema().get_root_type(asked.operation.operation)
        assert root is not None  # noqa: S101 - the document is valid
        cost = Costs(schema(), asked.fragments, asked.variables).of(asked.operation.selection_set, root)
        if cost > MOST:
            return _errors([invalid_input(f"The query costs {cost}, the most is {MOST}.", "Query too complex")], 400)
        limits, searching = self._desk.limits(entry), "searchIssues" in asked.roots
        over = limits.spend(cost, searching=searching)
        headers = limits.headers(cost, searching=searching)
        if over is not None:
            return _errors([rate_limited(f"Over the limit of {over}.")], switches.linear_ratelimit_status, headers)
        scopes = entry.permissions
        refusal = missing(asked.operation.operation, asked.roots, list(scopes), switches)
        if refusal is not None:
            return _errors([refusal], switches.linear_forbidden_status, headers, data=True)
        view = self._desk.view(entry)
        result = execute(
            schema(),
            asked.document,
            context_value=view,
            variable_values=asked.variables,
            operation_name=asked.operation.name.value if asked.operation.name else None,
            field_resolver=resolve,
        )
        assert isinstance(result, ExecutionResult)  # noqa: S101 - nothing here is awaited
        shown: dict[str, object] = {"data": result.data}
        if result.errors:
            shown["errors"] = [each.formatted for each in result.errors]
        refused_whole = result.errors and result.data is None
        return JSONResponse(shown, switches.linear_input_error_status if refused_whole else 200, headers)


def _asked(body: bytes) -> Asked | GraphQLError:
    """What a request body asks for, or what is wrong with it."""
    try:
        sent = json.loads(body)
        query, variables, name = sent["query"], sent.get("variables") or {}, sent.get("operationName")
    except (ValueError, TypeError, LookupError, AttributeError):
        return _bad_request("The body is a JSON object with a query.")
    if not isinstance(query, str) or not isinstance(variables, dict):
        return _bad_request("The query is a string, and its variables are an object.")
    try:
        document = parse(query)
    except GraphQLError as error:
        return refused(
            error.message, type="graphql error", code="GRAPHQL_PARSE_FAILED", status=400, shown=error.message
        )
    operation = get_operation_ast(document, name)
    if operation is None or operation.operation is OperationType.SUBSCRIPTION:
        return _bad_request("Which operation?")
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    return Asked(document, operation, fragments, variables)


def _bad_request(message: str) -> GraphQLError:
    return refused(message, type="graphql error", code="BAD_REQUEST", status=400, shown=message)


def _bad_document(error: GraphQLError) -> GraphQLError:
    return refused(
        error.message, type="graphql error", code="GRAPHQL_VALIDATION_FAILED", status=400, shown=error.message
    )


def _bad_variables(error: GraphQLError) -> GraphQLError:
    return refused(error.message, type="graphql error", code="BAD_USER_INPUT", status=400, shown=error.message)


def _errors(
    errors: Sequence[GraphQLError], status: int, headers: Mapping[str, str] | None = None, *, data: bool = False
) -> Response:
    """``data: null`` only where an execution was begun or might have been; a rejected request has none."""
    shown: dict[str, object] = {"errors": [each.formatted for each in errors]}
    return JSONResponse(shown | ({"data": None} if data else {}), status, headers)
