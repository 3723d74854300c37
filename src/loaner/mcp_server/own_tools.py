"""loaner's own tools: what stands, and a task to be agreed to beforehand or ended. None of them reaches a provider.

They leave records like any other call, and a task is asked for up the same ladder.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

from loaner.catalog.mentions import NOBODY, NOTIFIES
from loaner.characters import marked
from loaner.clock import iso
from loaner.consent import Proposal, RunningTask
from loaner.errors import InvalidArguments
from loaner.identity.caller import Caller
from loaner.journey import ToolCall
from loaner.mcp_server.ports import Payload, Served

_NAME: Final = {"type": "string", "minLength": 1, "maxLength": 200}
_NAMES: Final = {"type": "array", "maxItems": 20, "items": _NAME}


@dataclass(frozen=True)
class OwnTool:
    tool: str
    description: str
    input_schema: Mapping[str, Any]
    annotations: Mapping[str, Any]
    output_schema: Mapping[str, Any]


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _hints(title: str, *, reads: bool, repeatable: bool) -> dict[str, Any]:
    return {
        "title": title,
        "readOnlyHint": reads,
        "destructiveHint": False,
        "idempotentHint": repeatable,
        "openWorldHint": False,
    }


def _list(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_TEXT: Final = {"type": "string"}
_LEFT: Final = {"type": "integer"}
_TASK: Final = _object(
    ["task", "purpose", "until", "operations", "resources"],
    task=_TEXT,
    purpose=_TEXT,
    until=_TEXT,
    operations=_list(
        _object(
            ["tool", "calls_left"],
            tool=_TEXT,
            calls_left=_LEFT,
            arguments={"type": "object"},
            resources=_list(_TEXT),
            notifies=_TEXT,
        )
    ),
    resources=_list(_TEXT),
)

STATUS: Final = OwnTool(
    "loaner_status",
    "What is connected, approved and pending for you. Changes nothing.",
    _object([]),
    _hints("What stands", reads=True, repeatable=True),
    _object(
        ["connected", "tasks", "approved", "pending"],
        connected=_list(
            _object(["provider", "account", "permissions"], provider=_TEXT, account=_TEXT, permissions=_list(_TEXT))
        ),
        tasks=_list(_TASK),
        approved=_list(_object(["what", "until"], what=_TEXT, calls_left=_LEFT, until=_TEXT)),
        pending=_list(
            _object(["what", "url", "user_code", "until"], what=_TEXT, url=_TEXT, user_code=_TEXT, until=_TEXT)
        ),
    ),
)
PROPOSE: Final = OwnTool(
    "loaner_propose_task",
    "Ask the user once for several calls, before reading anything others wrote: the tools you will need, how often, on "
    "which resources, for how long. They may trim it; the answer says what was agreed. While it runs, every call is "
    "counted against it and anything else is asked for. Destructive tools can't be part of it.",
    _object(
        ["purpose", "operations", "resources"],
        purpose={**_NAME, "minLength": 3, "description": "What for, in one plain sentence."},
        operations={
            "type": "array",
            "minItems": 1,
            "maxItems": 20,
            "items": _object(
                ["tool"],
                tool=_NAME,
                count={"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
                arguments={"type": "object", "description": "What you know already: it shall be exactly this."},
                open={
                    **_NAMES,
                    "description": "Names of arguments you have yet to fill in. What a write could say besides these "
                    "and arguments then stays unsaid.",
                },
                resources={**_NAMES, "description": "Which of the task's this tool is for; all if not said."},
                notifies={"const": NOBODY, "description": "No text of it may mention anybody."},
            ),
        },
        resources={
            **_NAMES,
            "minItems": 1,
            "description": "As narrow as you know: acme/web#12, acme/web/README.md, acme/web, #releases, ENG-7, ENG "
            "(its issues too); workspace, repositories, user where there is none; * for all.",
        },
        minutes={"type": "integer", "minimum": 1, "maximum": 480, "default": 60},
    ),
    _hints("Propose a task", reads=False, repeatable=True),
    _TASK,
)
END: Final = OwnTool(
    "loaner_end_task",
    "End the task that runs, as soon as it is done. What is left of it is given up; until its time is over, "
    "anything else is asked for.",
    _object([], task={**_NAME, "description": "Its id; all of yours if not said."}),
    _hints("End a task", reads=False, repeatable=False),
    _object(["task", "ended"], task=_TEXT, ended=_list(_TEXT)),
)
OWN: Final = (STATUS, PROPOSE, END)


class OwnTools:
    """Carries the calls of these tools, as the journey carries those of providers."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._carriers: dict[str, Callable[[Mapping[str, Any], Caller], Awaitable[dict[str, Any]]]] = {
            STATUS.tool: self._status,
            PROPOSE.tool: self._propose,
            END.tool: self._end,
        }

    def __contains__(self, tool: str) -> bool:
        return tool in self._carriers

    async def carry(self, call: ToolCall, caller: Caller) -> Payload:
        async with self._served.audit.opened(call, caller) as record:
            caller = await self._served.task_tokens.bound(call.task, caller)  # refused here too where it is not valid
            payload = await self._carriers[call.tool](call.arguments, caller)
            record.task = payload.get("task")
            return SimpleNamespace(payload=payload)

    async def _status(self, arguments: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        _refuse_unknown(arguments)
        consents, base_url = self._served.consents, self._served.base_url
        standing = await consents.status(caller)
        return {
            "connected": [
                {"provider": one.provider, "account": marked(one.account_name), "permissions": sorted(one.permissions)}
                for one in standing.connected
            ],
            "tasks": [_told(one) for one in standing.tasks],
            "approved": [
                {"what": marked(one.phrase), "until": iso(one.expires_at)}
                | ({} if one.uses_left is None else {"calls_left": one.uses_left})
                for one in standing.approved
            ],
            "pending": [
                {
                    "what": marked(one.shown["phrase"]),
                    "url": f"{base_url}/consent/{one.handle}",
                    "user_code": consents.code_of(one),
                    "until": iso(one.expires_at),
                }
                for one in standing.pending
            ],
        }

    async def _propose(self, arguments: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        return _told(await self._served.consents.tasks.propose(caller, Proposal.of(dict(arguments))))

    async def _end(self, arguments: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        _refuse_unknown(arguments, "task")
        task = arguments.get("task")
        if task is not None and not isinstance(task, str):
            raise InvalidArguments("task must be a string.")
        ended = await self._served.consents.tasks.end(caller, task)
        return {"task": ended[0].id, "ended": [one.id for one in ended]}


def _told(running: RunningTask) -> dict[str, Any]:
    """A task as it was agreed, so that the agent plans with that and not with what it proposed."""
    resources = list(dict.fromkeys(one for part in running.left for one in part.resources))
    return {
        "task": running.task.id,
        "purpose": marked(running.task.purpose),
        "until": iso(running.task.expires_at),
        "operations": [
            {"tool": part.operations[0], "calls_left": part.uses_left}
            | ({"arguments": named} if (named := _named(part.fixed)) else {})
            | ({"notifies": NOBODY} if NOTIFIES in (part.fixed or {}) else {})
            | ({"resources": list(part.resources)} if set(part.resources) != set(resources) else {})
            for part in running.left
        ],
        "resources": resources,
    }


def _named(fixed: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (fixed or {}).items() if value is not None and name != NOTIFIES}


def _refuse_unknown(arguments: Mapping[str, Any], *known: str) -> None:
    if unknown := [name for name in arguments if name not in known]:
        raise InvalidArguments(f"{unknown[0][:40]!r} is none of its parameters.")
