"""``loaner explain``: what would happen to a call. Sends nothing, mints nothing."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loaner.cli._json import OBJECT
from loaner.cli._say import say
from loaner.errors import UsageError

if TYPE_CHECKING:
    from loaner.assembly import Loaner
    from loaner.catalog import Operation


def explain(
    tool: Annotated[str, typer.Argument(help="A tool, e.g. github_issue_create.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="Its arguments, as key=value.")] = None,
    agent: Annotated[str, typer.Option(help="The agent that would ask.")] = "loaner explain",
    as_json: Annotated[bool, typer.Option("--json", help=OBJECT)] = False,
) -> None:
    """Show what a call would need and send.

    The scope, the ruling, who enforces what, and the exact request. Nothing is sent.

    \b
    Examples:
      loaner explain github_issue_read owner=acme repo=web issue_number=1
    """
    import anyio

    told = anyio.run(_explain, tool, _pairs(arguments or []), agent)
    if as_json:
        print(json.dumps(told))
        return
    say(f"{told['phrase']}")
    if told["not_shown"]:
        say(f"not shown {told['not_shown']}")
    say(f"scope       {', '.join(told['permissions']) or 'none'} on {told['resource']}")
    say(f"policy      {told['ruling']}   rule “{told['rule']}”: {told['reason']}")
    if told["task"]:
        say(f"task        {told['task']}")
    if told["reading"]:
        say(f"reading     {told['reading']}")
    for limit in told["limits"]:
        say(f"enforced    {limit['what']} ({limit['value']}) by {limit['enforced_by']}")
    connected = "connected" if told["connected"] else "not connected yet: the person would be asked"
    through = f"through connector {told['connector']} ({connected})" if told["connector"] else "no connector configured"
    say(f"credential  {told['lending']}, {through}")
    for request in told["requests"]:
        body = f"  {json.dumps(request['body'])}" if request["body"] else ""
        say(f"would send  {request['method']} {request['url']}{_query(request['query'])}{body}")
    say("nothing was sent")


def _query(query: dict[str, str]) -> str:
    from urllib.parse import urlencode

    return f"?{urlencode(query)}" if query else ""


def _pairs(arguments: list[str]) -> dict[str, str]:
    pairs = dict(argument.partition("=")[::2] for argument in arguments)
    if bare := [argument for argument in arguments if "=" not in argument]:
        raise UsageError(f"{bare[0]!r} is not key=value.", do="For example: owner=acme repo=web")
    return pairs


async def _explain(tool: str, pairs: dict[str, str], agent: str) -> dict[str, Any]:
    from loaner.assembly import whole_catalog
    from loaner.cli import _opened
    from loaner.identity.caller import Agent
    from loaner.policy import Allowed, Refused

    async with _opened.loaner_to_look_at(store_needed=False) as (loaner, _):
        operation = whole_catalog(loaner.settings)[tool]
        caller = _opened.local_caller(loaner, Agent(agent))
        told = await loaner.journey.explain(operation.bind(operation.from_text(pairs)), caller)
        ruling = told.ruling
        return {
            "tool": told.bound.operation.tool,
            "not_shown": _not_shown(loaner, operation),
            "phrase": told.bound.operation.phrase(told.bound),
            "permissions": sorted(told.scope.permissions),
            "resource": told.scope.resource,
            "limits": [asdict(limit) for limit in told.scope.limits],
            "ruling": "allowed" if isinstance(ruling, Allowed) else "refused" if isinstance(ruling, Refused) else "ask",
            "rule": ruling.rule,
            "reason": ruling.reason,
            "task": told.task,
            "reading": told.reading,
            "connector": told.connector,
            "connected": told.connected,
            "lending": told.bound.operation.provider.lending.style,
            "requests": [asdict(request) for request in told.requests],
            "digest": told.bound.digest,
        }


def _not_shown(loaner: Loaner, operation: Operation) -> str:
    """Why agents are not shown this tool here; empty where they are."""
    tools = loaner.settings.tools
    if operation.tool in loaner.catalog:
        return ""
    if tools.read_only and operation.effect != "read":
        return "here: tools.read_only"
    if {operation.tool, *operation.aliases} & set(tools.exclude):
        return "here: tools.exclude"
    if operation.provider.name not in loaner.connectors.serving(loaner.settings.environment):
        return f"here: no connector for {operation.provider.name}"
    return f"here: toolset {operation.toolset}"
