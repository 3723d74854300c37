"""What a name means, found out under the credential of the call: by a list of what is called how, or by asking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from loaner.catalog import BoundCall
from loaner.catalog.identify import Identified, Identify
from loaner.catalog.identify_resource import permissions_of
from loaner.catalog.lookup import Lookup
from loaner.catalog.request import RequestParts, build
from loaner.catalog.result import look
from loaner.catalog.step import TEAM, Step
from loaner.errors import NotFound, ProviderForbidden, ScopeNotGrantable
from loaner.provider_call.transport import Answer
from loaner.provider_call.workspace import Workspace


@dataclass(frozen=True)
class NameLookup:
    """``arguments`` are the call's, with what was found already; ``exchange`` sends, and ``judge`` raises where
    its answer is a refusal."""

    bound: BoundCall
    arguments: Mapping[str, Any]
    exchange: Callable[[RequestParts], Awaitable[Answer]]
    judge: Callable[[Step, Answer], Awaitable[None]]
    workspace: Workspace | None = None

    @property
    def team(self) -> str | None:
        return (self.workspace.team or None) if self.workspace else None

    async def identified(self, identify: Identify, kind: str, name: str) -> Identified:
        provider = self.bound.operation.provider
        answer = await self.exchange(build(identify.step, provider, self.arguments, {"wanted": name}))
        await self.judge(identify.step, answer)
        found = identify.found(answer.body, kind)
        if found is None:
            raise NotFound(f"{provider.title} does not say what “{name}” is called.", do="Check the name.")
        return found

    async def found(self, lookup: Lookup, value: str) -> tuple[str, str]:
        """The id, and the canonical name where that may be another one."""
        title, key = self.bound.operation.provider.title, self._remembered_as(lookup, value)
        if self.workspace and key and (known := self.workspace.names.of(key)):
            if await self._is_still(known, str(lookup.kind), value):
                return known, ""
            self.workspace.names.forget(key)
        for step in lookup.steps:
            found, seen, more = await self._among(step, lookup, lookup.wanted(value))
            if len(found) > 1:
                raise NotFound(f"{title} has several of the name “{value}”.", do="Give the id of one.")
            if found:
                if self.workspace and key:
                    self.workspace.names.keep(key, found[0][0])
                return found[0]
        if more:
            raise NotFound(
                f"there is no {lookup.means} (“{value}”) among the first {seen:,} that {title} lists.",
                do="Give the id: people see it at the end of the link to it.",
            )
        raise NotFound(f"{title} shows this user no {lookup.means} (“{value}”).", do=lookup.hint)

    async def _among(self, step: Step, lookup: Lookup, wanted: str) -> tuple[list[tuple[str, str]], int, bool]:
        """Those of the name in one list, how many items were looked at, and whether there are more."""
        provider, seen, mark = self.bound.operation.provider, 0, None
        for _ in range(lookup.pages):
            taken = {"wanted": wanted, "cursor": mark, TEAM: self.team}
            answer = await self.exchange(build(step, provider, self.arguments, taken))
            await self.judge(step, answer)
            body = look(answer.body, "data") if step.graphql else answer.body
            items = look(body, lookup.items)
            seen += len(items) if isinstance(items, list) else 0
            found = lookup.among(items, wanted)
            mark = look(body, lookup.next) if lookup.next else None
            if found or not mark:
                return found, seen, False
        return [], seen, True

    def _remembered_as(self, lookup: Lookup, value: str) -> tuple[str, ...]:
        """Whose name it is, and for which permissions; empty where an id found by it is not remembered."""
        if self.workspace is None or lookup.kind is None:
            return ()
        return (self.workspace.grant, lookup.kind, value, *sorted(permissions_of(self.bound, lookup)))

    async def _is_still(self, known: str, kind: str, value: str) -> bool:
        try:
            one = await self.identified(self.bound.operation.provider.identify[kind], kind, known)
        except (NotFound, ProviderForbidden, ScopeNotGrantable):
            return False
        return one.resource == f"{kind}:{value}"
