"""A credential that is milliseconds old may not be known everywhere at its provider yet.

A refusal then says nothing of the credential, and nothing of the grant behind it. So the same request is repeated with
the same credential: a write too, since what was refused was not done. Reported for GitHub, and confirmed by its staff:
https://github.com/octokit/auth-app.js/issues/65
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

import anyio

from loaner.catalog.provider import Provider
from loaner.catalog.result import look
from loaner.clock import Now
from loaner.provider_call.named import named
from loaner.provider_call.transport import Answer

sleep = anyio.sleep


@dataclass
class Young:
    """A minted credential in its first seconds."""

    provider: Provider
    permissions: frozenset[str]
    """What it was minted for."""
    minted_at: datetime
    now: Now
    on_repeat: Callable[[], object] = lambda: None
    _repeats: int = 0

    async def to_repeat(self, answer: Answer) -> bool:
        """Wait until the request may be repeated; ``False`` where the refusal counts."""
        rule = self.provider.lending.replication
        if (
            self._repeats >= len(rule.waits)
            or (self.now() - self.minted_at).total_seconds() > rule.within
            or not self._unknown(answer)
        ):
            return False
        await sleep(rule.waits[self._repeats])
        self._repeats += 1
        self.on_repeat()
        return True

    def _unknown(self, answer: Answer) -> bool:
        """Not known at all; or known, and its permissions not yet."""
        if answer.status == HTTPStatus.UNAUTHORIZED:
            return True
        pattern, message = self.provider.lending.replication.forbidden, look(answer.body, "message")
        if answer.status != HTTPStatus.FORBIDDEN or pattern is None or message != pattern:
            return False
        taken = named(answer, self.provider)  # which permissions it would have taken, where it names them
        return taken is None or any(self.provider.covers(self.permissions, way) for way in taken.ways)
