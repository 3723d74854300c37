"""Where the names of a call are looked up: in which workspace, and what they meant lately.

A remembered id saves pages of lists in a large workspace. It is a guess: before it is used, the provider is asked
whether it is still called so, under the credential of the call, and so it tells nobody more than they may see.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from loaner.clock import Now

KEPT = timedelta(minutes=10)
MOST = 10_000
Key = tuple[str, ...]


@dataclass
class FoundNames:
    """Ids that were found by name, for some minutes, in memory only."""

    now: Now
    _ids: OrderedDict[Key, tuple[str, datetime]] = field(default_factory=OrderedDict)

    def of(self, key: Key) -> str | None:
        found, at = self._ids.get(key, ("", None))
        return found if at and self.now() - at < KEPT else None

    def keep(self, key: Key, found: str) -> None:
        self._ids[key] = (found, self.now())
        self._ids.move_to_end(key)
        while len(self._ids) > MOST:
            self._ids.popitem(last=False)

    def forget(self, key: Key) -> None:
        self._ids.pop(key, None)


@dataclass(frozen=True)
class Workspace:
    """What a grant adds to a call. ``team`` is empty where nothing says it; no other grant sees its ``names``."""

    grant: str
    team: str
    names: FoundNames
