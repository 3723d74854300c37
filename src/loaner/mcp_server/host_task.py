"""The task that a host puts with a request: in ``_meta`` over either transport, or in a header over HTTP."""

from __future__ import annotations

from typing import Any, Final

from mcp.server.context import ServerRequestContext
from mcp_types import CallToolRequestParams

from loaner.identity.caller import UnverifiedToken
from loaner.identity.host_tasks import HEADER, META

_NONE_TO_BELIEVE: Final = UnverifiedToken("")
"""What is no token, or two that differ, is refused like a bad one and never taken for no task."""


def brought_task(ctx: ServerRequestContext[Any, Any], params: CallToolRequestParams) -> UnverifiedToken | None:
    given: list[object] = list(ctx.request.headers.getlist(HEADER)) if ctx.request is not None else []
    meta = dict(params.meta or {})
    if META in meta:
        given.append(meta[META])
    if not given:
        return None
    first = given[0]
    return UnverifiedToken(first) if isinstance(first, str) and given.count(first) == len(given) else _NONE_TO_BELIEVE
