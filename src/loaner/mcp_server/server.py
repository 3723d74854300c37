"""The MCP server behind both doors, made from the catalogue: what is listed, and what a call leads to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mcp.server import Server
from mcp.server.caching import CacheHint
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    Tool,
    ToolAnnotations,
)
from pydantic import ValidationError

import loaner
from loaner.audit import event
from loaner.errors import ConsentNeeded, LoanerError, UnknownTool
from loaner.journey import ToolCall
from loaner.mcp_server import replies
from loaner.mcp_server.consent_ladder import ConsentLadder, Outcome
from loaner.mcp_server.host_task import brought_task
from loaner.mcp_server.instructions import instructions
from loaner.mcp_server.own_tools import OWN, STATUS, OwnTools
from loaner.mcp_server.ports import CallerOf, Carrier, Offered, Served
from loaner.mcp_server.shares import Shares

NAME: Final = "loaner"
STATE_SECONDS: Final = 600
"""How long a sealed request state is accepted; a pending consent lives no longer."""
_LIST_TTL_MS: Final = 300_000


def build(served: Served, caller_of: CallerOf, shares: Shares | None = None) -> Server[Any]:
    """The server; ``caller_of`` is the door's own way of knowing who sent a request."""
    shares = shares or shares_of(served)
    own = OwnTools(served)
    # Without a connector nothing can be done, and nothing proposed.
    tools = [_tool(tool) for tool in ((*served.catalog.operations, *OWN) if served.catalog.operations else (STATUS,))]
    schemas: dict[str, Mapping[str, Any]] = {tool.name: tool.input_schema for tool in tools}
    ladder = ConsentLadder(
        served.consents, served.settings.consent.hold_seconds, served.shutdown, served.now, lambda: served.base_url
    )

    async def list_tools(_: ServerRequestContext[Any, Any], __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=tools)

    async def call_tool(ctx: ServerRequestContext[Any, Any], params: CallToolRequestParams) -> Outcome:
        """Every way out ends in words of ours. Cancellation is no ``Exception`` and passes through."""
        try:
            caller = caller_of(ctx)
            await shares.take_call(caller)

            async def carry() -> CallToolResult:
                call = ToolCall(params.name, params.arguments or {}, brought_task(ctx, params))
                carrier: Carrier = own if call.tool in own else served.journey
                return replies.success((await carrier.carry(call, caller)).payload)

            return await ladder.climb(carry, ctx, params, caller)
        except UnknownTool as unknown:
            # The one refusal that the protocol wants as an error of its own (MCP, tools, "Error Handling").
            raise MCPError(INVALID_PARAMS, unknown.told(), {replies.ERROR_META: unknown.facts()}) from None
        except ConsentNeeded as needed:
            return replies.failure(needed.told_with(served.way_in))
        except LoanerError as error:
            return replies.failure(error)
        except MCPError:
            raise
        except Exception as surprise:  # noqa: BLE001 - nothing of an unknown fault may be shown; see replies.unexpected
            return replies.failure(replies.unexpected(surprise))

    server: Server[Any] = Server(
        NAME,
        version=loaner.__version__,
        instructions=instructions(served.catalog.titles),
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        get_tool_input_schema=schemas.get,  # or each modern HTTP call would run tools/list first
        cache_hints={
            "tools/list": CacheHint(ttl_ms=_LIST_TTL_MS, scope="private"),
            "server/discover": CacheHint(ttl_ms=_LIST_TTL_MS, scope="private"),
        },
    )
    # Inside the SDK's tracing span, so that it too only ever sees our words.
    server.middleware.append(_tell_no_secrets)
    security = RequestStateSecurity(
        keys=served.store.sealed.derived("mcp request state"),
        ttl=STATE_SECONDS,
        bind_principal=lambda ctx: caller_of(ctx).key,  # stdio has a caller too, so it is bound there as well
    )
    server.middleware.append(RequestStateBoundary(security, default_audience=f"{NAME} {served.base_url}"))
    return server


def shares_of(served: Served) -> Shares:
    async def note(subject: str, count: int) -> None:
        at, reason = served.now(), f"{count} since the last such record"
        await served.store.write(
            lambda c: event.note(c, "calls_refused", subject=subject, at=at, code="rate_limited", reason=reason)
        )

    return Shares(served.settings.limits, note)


async def _tell_no_secrets(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """The SDK shows an unknown exception's text to older clients and to traces; it shall have none to show."""
    try:
        return await call_next(ctx)
    except (MCPError, ValidationError):  # the SDK already tells both in fixed words
        raise
    except Exception as surprise:  # noqa: BLE001 - same reason as in call_tool
        raise MCPError(INTERNAL_ERROR, replies.unexpected(surprise).told()) from None


def _tool(operation: Offered) -> Tool:
    return Tool(
        name=operation.tool,
        description=operation.description,
        input_schema=dict(operation.input_schema),
        output_schema=None if operation.output_schema is None else dict(operation.output_schema),
        annotations=ToolAnnotations.model_validate(dict(operation.annotations)),
    )
