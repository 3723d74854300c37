"""Which permissions are allowed and not used: those that people granted an app, and those of tools that are shown."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import Any


async def rows(days: int) -> list[dict[str, Any]]:
    """One for each connector and permission that no call needed for so many days."""
    from loaner.audit.read import every
    from loaner.audit.usage import last_used
    from loaner.cli import _opened
    from loaner.clock import iso

    async with _opened.loaner_to_look_at() as (loaner, _):
        since = loaner.now() - timedelta(days=days)
        seen = await loaner.store.read(lambda connection: last_used(every(connection)))
        tools: dict[tuple[str, str], list[str]] = defaultdict(list)
        people: dict[tuple[str, str], set[str]] = defaultdict(set)
        for connector in loaner.connectors:
            for operation in loaner.catalog.operations:
                if operation.provider.name == connector.provider:
                    for permission in operation.scope.rule.every_permission:
                        tools[connector.name, permission].append(operation.tool)
        for grant in await loaner.grants.everybodys():
            for permission in grant.permissions:
                people[grant.connector, permission].add(grant.subject)
        return [
            {
                "connector": connector,
                "permission": permission,
                "last_used": iso(seen.get((connector, permission))),
                "tools": ", ".join(sorted(tools.get((connector, permission), ()))),
                "people": len(people.get((connector, permission), ())),
            }
            for connector, permission in sorted({*tools, *people})
            if (connector, permission) not in seen or seen[connector, permission] < since
        ]
