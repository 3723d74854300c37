"""One change of a text: what is taken out at a place, and what is put there. It can be undone to the byte."""

from __future__ import annotations

from dataclasses import dataclass


class NotReadable(ValueError):
    """A configuration file that is not what its host would read. The reason quotes nothing of it."""


class NotEditable(ValueError):
    """It can be read, and written in a way that this cannot change without touching the rest."""


@dataclass(frozen=True)
class Splice:
    at: int
    """Characters before it."""
    removed: str
    inserted: str

    def done(self, text: str) -> str:
        return text[: self.at] + self.inserted + text[self.at + len(self.removed) :]

    def undone(self, text: str) -> str | None:
        """The text before, wherever what was put in stands by now; ``None`` where that is not to be found."""
        if text[self.at :].startswith(self.inserted):
            at = self.at
        elif self.inserted.strip() and text.count(self.inserted) == 1:
            at = text.index(self.inserted)
        else:
            return None
        return text[:at] + self.removed + text[at + len(self.inserted) :]


def line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
