"""Asking aside, under the credential of the call, what explains a refusal: is it archived, what is it called now?

Only a call that has failed already costs these requests, and what they answer changes nothing but the words.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from loaner.catalog import BoundCall
from loaner.catalog.identify import Identified, Identify
from loaner.catalog.reason import Reason
from loaner.catalog.request import RequestParts, build
from loaner.catalog.result import Admits, look
from loaner.errors import ProviderError
from loaner.provider_call.transport import Answer

_PLAIN = r"[A-Za-z0-9._/-]{1,140}"


@dataclass(frozen=True)
class Aside:
    bound: BoundCall
    exchange: Callable[[RequestParts], Awaitable[Answer]]
    admits: Admits | None

    async def unchangeable(self) -> Reason | None:
        """Why nothing of the resource can be changed, if it says so itself: it is archived."""
        provider, identify = self.bound.operation.provider, self._identify
        if identify is None or not identify.refuses:
            return None
        found = await self._asked(build(identify.step, provider, self.bound.sent, {}))
        names = [name for path, name in identify.refuses.items() if look(found, path) is True]
        return next((one for one in provider.reasons if one.name in names), None)

    async def called_now(self, answer: Answer) -> str:
        """The name of what was renamed, if its id leads to it and the rules let this caller see that; else empty."""
        provider, identify = self.bound.operation.provider, self._identify
        to, base = str(answer.headers.get("location", "")), provider.hosts[provider.api]
        if identify is None or identify.moved is None or identify.by_id is None or not to.startswith(base):
            return ""
        match = re.fullmatch(identify.moved, to.removeprefix(base))
        if match is None:
            return ""
        body = await self._asked(build(identify.by_id, provider, self.bound.sent, {"wanted": match[1]}))
        resource, known, _ = identify.found(body, self._kind) or Identified("", "")
        admitted = known == match[1] and (self.admits is None or self.admits(resource, known, ()))
        name = resource.partition(":")[2]
        return name if admitted and re.fullmatch(_PLAIN, name) else ""

    @property
    def _kind(self) -> str:
        return self.bound.scope.resource_kind

    @property
    def _identify(self) -> Identify | None:
        return self.bound.operation.provider.identify.get(self._kind)

    async def _asked(self, outgoing: RequestParts) -> Any:
        """``None`` where it cannot be had."""
        try:
            answer = await self.exchange(outgoing)
        except ProviderError:
            return None
        return answer.body if answer.status == HTTPStatus.OK else None
