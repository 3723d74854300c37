"""The Cedar schema of a catalogue: one action per tool, with the tool's own arguments as typed context.

Generated, never written: a rule that names a tool, an argument or an attribute that does not exist is refused when
it is read and not silently passed over when it matters. Cedar schema syntax:
https://docs.cedarpolicy.com/schema/human-readable-schema.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from loaner.catalog.operation import Operation
from loaner.catalog.params import Param

EFFECTS = ("read", "write", "destructive")
_TYPES = {"string": "String", "integer": "Long", "boolean": "Bool", "list": "Set<String>", "map": "Set<String>"}
"""A map is a set of ``name=text``."""
_HEAD = """\
entity Person = { "issuer": String, "sub": String };
entity Resource in [Resource] = { "provider": String, "kind": String, "name": String, "id"?: String };
type Agent = { "name": String, "verified": Bool, "kind": String, "issuer": String };
"""
CONTEXT = """\
"agent": Agent, "environment": String, "now": datetime, "read_only": Bool, \
"approved": Bool, "approved_exactly": Bool, "task"?: String"""


def schema_of(operations: Iterable[Operation]) -> str:
    """The schema for these operations: pass every one that was loaded, shown to agents or not."""
    everything = list(operations)
    groups = sorted({*EFFECTS} | {name for one in everything for name in _groups(one)})
    declared = [f"action {json.dumps(group)};" for group in groups]
    return "\n".join([_HEAD, *declared, *(_action(one) for one in everything)])


def _action(operation: Operation) -> str:
    groups = ", ".join(f"Action::{json.dumps(group)}" for group in _groups(operation))
    arguments = ", ".join(_argument(name, param) for name, param in operation.params.items())
    return (
        f"action {json.dumps(operation.tool)} in [{groups}] appliesTo {{ principal: [Person], resource: [Resource], "
        f'context: {{ {CONTEXT}, "arguments": {{ {arguments} }} }} }};'
    )


def _groups(operation: Operation) -> tuple[str, ...]:
    """What a rule may call several tools by: ``write``, ``github``, ``github.issues``."""
    return operation.effect, operation.provider.name, operation.toolset


def _argument(name: str, param: Param) -> str:
    return f"{json.dumps(name)}{'' if param.must_be_given else '?'}: {_TYPES[param.type]}"
