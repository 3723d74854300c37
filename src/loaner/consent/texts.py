"""The texts of a question: what its own page shows of a long one, and whether the whole was opened first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, select

from loaner.catalog.mentions import NOTIFIES
from loaner.consent.requests import ConsentRequest
from loaner.store.tables import openings

LONGEST = 20_000
"""Characters of one text that stand on the question's page; a page that never ends cannot be read either. The whole is
one button away, and both its beginning and its end stand here: what does harm is put where nobody looks."""


@dataclass(frozen=True)
class Text:
    """One value that will be sent as it is."""

    place: int
    """Names it in the address of the whole."""
    label: str
    value: str

    @property
    def begin(self) -> str:
        return self.value[: LONGEST // 2] if self.is_cut else self.value

    @property
    def end(self) -> str:
        return self.value[-(LONGEST // 2) :] if self.is_cut else ""

    @property
    def is_cut(self) -> bool:
        return len(self.value) > LONGEST

    @property
    def left_out(self) -> int:
        """Characters."""
        return len(self.value) - len(self.begin) - len(self.end)

    @property
    def lines(self) -> int:
        return self.value.count("\n") + 1

    @cached_property
    def sha256(self) -> str:
        """Of its UTF-8."""
        return hashlib.sha256(self.value.encode()).hexdigest()


def texts_of(asked: ConsentRequest) -> list[Text]:
    """All of a question's, in the order of its page."""
    pairs = _fixed(asked.shown["task"]) if "task" in asked.shown else asked.shown["payload"]
    return [Text(place, label, value) for place, (label, value) in enumerate(pairs)]


def _fixed(task: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a task fixes of each tool's arguments."""
    for place, item in enumerate(task["items"]):
        for name, value in item["fixed"].items():
            if value not in (None, "", []) and name != NOTIFIES:
                yield f"{place} {name}", _told(value)


def _told(value: Any) -> str:
    """A map with each entry on a line of its own, and what stands in quotes cannot pass for another entry."""
    if isinstance(value, dict):
        return "\n".join(f"{name}: {json.dumps(text, ensure_ascii=False)}" for name, text in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)


def opened(connection: Connection, handle: str) -> set[int]:
    """Which of its texts were opened whole, by place."""
    of_it = select(openings.c.place).where(openings.c.handle == handle)
    return {row.place for row in connection.execute(of_it)}


def note_opened(connection: Connection, handle: str, place: int, at: datetime) -> None:
    """The person has opened this one whole. It decides nothing: the record of a yes tells it."""
    if place not in opened(connection, handle):
        connection.execute(openings.insert().values(handle=handle, place=place, at=at))


def all_opened(connection: Connection, asked: ConsentRequest) -> bool | None:
    """Was each text opened whole that the page cuts? ``None`` where it cuts none."""
    cut = {text.place for text in texts_of(asked) if text.is_cut}
    return cut <= opened(connection, asked.handle) if cut else None
