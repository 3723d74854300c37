"""From an HTTP request to a handler: who asks, may they, and what the answer carries.

The order is GitHub's: user agent, credential, rate limit, then whether the thing exists for this token (404), and
only then whether the token may do this to it (403). Every request with a known token is written in the ledger,
refused ones too.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from loaner.sandbox.faults import REFUSED
from loaner.sandbox.github import appauth
from loaner.sandbox.github.call import Answer, Call
from loaner.sandbox.github.errors import ApiError, bad_credentials, moved, not_accessible, not_found, refused
from loaner.sandbox.github.hub import Hub
from loaner.sandbox.github.limits import ANONYMOUS, CORE
from loaner.sandbox.github.permissions import Need, Permissions, need, touches_workflows

Auth = Literal["token", "app", "client", "open"]
Handler = Callable[[Call], object]

API_VERSIONS = ("2022-11-28", "2026-03-10")
_PREFIX = "/github/api"
_DELETE_REPOSITORY = "DELETE /repos/{owner}/{repo}"
# Path parameters that may hold slashes.
_DEEP = ("path", "ref", "tree_sha", "basehead", "tag", "name")


@dataclass(frozen=True)
class Operation:
    """One REST operation, named as GitHub names it: ``METHOD /path/{template}``."""

    name: str
    handler: Handler
    status: int
    auth: Auth
    bucket: str
    need: Need
    array: str = ""
    """The field of the body that may come as a bare array, in place of the object."""

    @property
    def method(self) -> str:
        return self.name.split(" ", 1)[0]

    @property
    def route(self) -> str:
        path = self.name.split(" ", 1)[1]
        for name in _DEEP:
            path = path.replace(f"{{{name}}}", f"{{{name}:path}}")
        return path


OPERATIONS: dict[str, Operation] = {}
"""All that is emulated, by name; the modules of ``operations`` fill it."""


def operation(
    name: str,
    *,
    status: int = 200,
    auth: Auth = "token",
    bucket: str = CORE,
    installation: bool = True,
    array: str = "",
) -> Callable[[Handler], Handler]:
    """Register a handler. ``installation=False``: GitHub's map has no row, and only a person's token may call it."""

    def register(handler: Handler) -> Handler:
        least = need(name, installation=installation)
        OPERATIONS[name] = Operation(name, handler, status, auth, bucket, least, array)
        return handler

    return register


def routes(hub: Hub) -> list[Route]:
    """The whole REST API; whatever is not emulated is a 404 of GitHub's shape."""
    known = [_Endpoint(hub, each).route() for each in OPERATIONS.values()]
    # "If you omit the path parameter, you will receive the contents of the repository's root directory."
    whole = (each for each in OPERATIONS.values() if each.method == "GET" and each.name.endswith("/{path}"))
    known += [_Endpoint(hub, replace(each, name=each.name.removesuffix("/{path}"))).route() for each in whole]
    unknown = [_Endpoint(hub, replace(_UNKNOWN, name=f"{method} /{{path}}")).route() for method in _METHODS]
    return known + unknown


def _nothing(_: Call) -> object:
    raise not_found()


_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_UNKNOWN = Operation("GET /{path}", _nothing, 404, "token", CORE, Need(()))


class _Endpoint:
    def __init__(self, hub: Hub, operation: Operation) -> None:
        self.hub = hub
        self.operation = operation

    def route(self) -> Route:
        return Route(self.operation.route, self.answer, methods=[self.operation.method])

    async def answer(self, request: Request) -> Response:
        headers = {
            "x-accepted-github-permissions": self.operation.need.header(),
            "x-github-media-type": "github.v3; format=json",
            "x-github-request-id": secrets.token_hex(8).upper(),
            "x-github-api-version-selected": request.headers.get("x-github-api-version", API_VERSIONS[0]),
        }
        if not request.headers.get("user-agent"):
            return PlainTextResponse("Request forbidden by administrative rules.", status_code=403, headers=headers)
        token = _bearer(request) if self.operation.auth in ("token", "open") else None
        path = request.url.path.removeprefix(_PREFIX)
        entry = self.hub.sandbox.ledger.find(token) if token else None
        try:
            call = Call(self.hub, path, request.path_params, dict(request.query_params), request.headers, {})
            self._identify(request, call, token)
            if fault := self.hub.sandbox.faults.take("github", path, kinds=REFUSED):
                raise refused(fault.kind.partition(":")[2])
            headers |= self.hub.limits.spend(self._subject(call), self.operation.bucket)
            self._admit(call)
            call.body = _body(await request.body(), self.operation.array)
            response = self._respond(call, self.operation.handler(call))
        except ApiError as refusal:
            response = refusal.response()
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        if entry is not None and entry.provider == "github":
            self.hub.sandbox.ledger.used(entry, method=request.method, path=path, status=response.status_code)
        return response

    def _identify(self, request: Request, call: Call, token: str | None) -> None:
        version = request.headers.get("x-github-api-version", API_VERSIONS[0])
        if version not in API_VERSIONS:
            raise ApiError(400, f'"{version}" is not a supported version.')
        if self.operation.auth == "app":
            appauth.check_app(self.hub, request.headers.get("authorization", ""))
        elif self.operation.auth == "client":
            appauth.check_client(self.hub, request.headers.get("authorization", ""), call.params.get("client_id", ""))
        elif token:
            call.entry = self.hub.tokens.find(token)
            if call.entry is None:
                raise bad_credentials()
            if call.entry.kind == "scoped" and not call.entry.uses:
                self._may_be_unknown()
        elif request.headers.get("authorization"):
            raise bad_credentials()

    def _may_be_unknown(self) -> None:
        """The first use of a token, before every server knows it."""
        match self.hub.sandbox.switches.github_first_use_status:
            case 401:
                raise bad_credentials()
            case 403:
                raise not_accessible()

    def _subject(self, call: Call) -> str:
        """Whose limit this counts against: all tokens of one person share one, and so does the app as itself."""
        if self.operation.auth in ("app", "client"):
            return f"app:{self.hub.app.app_id}"
        return call.entry.subject if call.entry else ANONYMOUS

    def _admit(self, call: Call) -> None:
        """404 for what this token cannot see; 403 for what it may not do."""
        if "owner" in call.params:
            name = f"{call.params['owner']}/{call.params['repo']}"
            found = self.hub.world.find(name)
            if found is None and (found := self.hub.world.formerly(name)) and call.entry and found in call.reached():
                raise moved(f"{self.hub.api}/repositories/{found.id}{call.path.removeprefix(f'/repos/{name}')}")
            if found is None or call.entry is None or found not in call.reached():
                raise not_found()
            call.repository = found
            if found.archived and self.operation.method != "GET" and self.operation.name != _DELETE_REPOSITORY:
                raise refused("archived")
        if self.operation.auth != "token":
            return
        if call.entry is None:
            raise ApiError(401, "Requires authentication")
        if call.entry.kind == "installation" and not self.operation.need.installation:
            raise not_accessible()
        if not replace(self.operation.need, alternatives=self._alternatives(call)).is_met_by(
            self.hub.tokens.permissions(call.entry)
        ):
            raise not_accessible()

    def _alternatives(self, call: Call) -> tuple[Permissions, ...]:
        """Which of the published alternatives count for this very path."""
        every = self.operation.need.alternatives
        if any("workflows" in each for each in every):
            wanted = touches_workflows([call.params.get("path", "")])
            return tuple(each for each in every if ("workflows" in each) == wanted)
        if call.repository and "issue_number" in call.params:
            issue = call.repository.issues.get(call.number("issue_number"))
            if issue is not None and issue.pull is None:  # ``pull_requests`` says nothing about a plain issue
                return tuple(each for each in every if "pull_requests" not in each)
        return every

    def _respond(self, call: Call, result: object) -> Response:
        answer = result if isinstance(result, Answer) else Answer(result, self.operation.status)
        headers = answer.headers | ({"link": call.link} if call.link else {})
        if "location" in headers and answer.status in (301, 302):
            return RedirectResponse(headers["location"], status_code=answer.status)
        if isinstance(answer.body, bytes):
            return Response(answer.body, status_code=answer.status, headers=headers)
        if answer.status == 204:  # noqa: PLR2004 - No Content
            return Response(status_code=204, headers=headers)
        return JSONResponse(answer.body, status_code=answer.status, headers=headers)


def _bearer(request: Request) -> str | None:
    """GitHub takes ``Bearer`` and, of old, ``token``."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() in ("bearer", "token") else None


def _body(raw: bytes, array: str) -> dict[str, object]:
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        raise ApiError(400, "Problems parsing JSON") from None
    if array and isinstance(body, list):
        return {array: body}
    if not isinstance(body, dict):
        raise ApiError(400, "Body should be a JSON object")
    return body
