"""Shaping one answer: what its definition keeps, of what may be told, cut where it is long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loaner.catalog.file_text import FileText
from loaner.catalog.result import MAX_START, WHOLE, Admits, Fields, KeptField, Kind, Of, cuts, look

BUDGET = 60_000
"""Characters of all texts of one answer together: hosts cut what is longer, and less carefully."""
_TOO_LONG = "what comes after this: the file is larger than what is read of one"
_LEAST = 200
"""Characters of each of many texts."""
_PYTHON_TYPE: dict[Kind, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "text": str,
}
_MISSING = object()


class Shaper:
    """Shapes one answer and remembers whether anything was cut.

    Each text begins at character ``start`` of it; one that is kept from its end, that many before its end.
    """

    def __init__(
        self,
        *,
        whole: bool = False,
        start: int = 0,
        within: tuple[str, ...] = (),
        admits: Admits | None = None,
        complete: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """``complete``: there is neither a page before the answer nor one after it. ``arguments``: the call's."""
        self._arguments = arguments or {}
        self._whole = whole
        self._admits = admits
        self._complete = complete
        self._seen: dict[tuple[str, str, tuple[str, ...]], bool] = {}
        self._start = start
        self._within = [one.casefold().split("/") for one in within]
        self._left = self._share = BUDGET
        self.truncated = False
        self.continue_from: int | None = None
        """Where to begin next time, so that of no text anything is missed."""
        self.left_out = 0

    def fields(self, document: Any, keep: Fields) -> dict[str, Any]:
        shaped: dict[str, Any] = {
            name: self._field(_found(document, name, keep), kept) if self._may_tell(document, kept) else _MISSING
            for name, kept in keep.items()
        }
        for name, kept in keep.items():
            if kept.counts:
                whole = self._complete and not self.truncated and _counts_all(document, name, keep)
                if self.left_out or (self._admits and not whole):
                    # A count of what may not be seen tells whether it is there, one well-chosen word after another.
                    shaped[name] = len(shaped[kept.counts]) if whole else _MISSING
            if kept.file:
                shaped |= self._file(name, kept.file, kept, document)
        return {name: value for name, value in shaped.items() if value is not _MISSING}

    def _file(self, name: str, file: FileText, kept: KeptField, document: Any) -> dict[str, Any]:
        """The text of a file, or what there is to say instead."""
        content = look(document, kept.at or name)
        if not isinstance(content, str):
            return {name: _MISSING}
        encoding, size, raw = (look(document, path) for path in (file.encoding, file.size, file.raw))
        found = file.found(content, encoding=encoding, size=size, raw=raw)
        if found.text is None:
            return {name: _MISSING, f"{name}_left_out": found.left_out or _MISSING, "binary": found.binary or _MISSING}
        text = self._cut(found.text, kept)
        self.truncated = self.truncated or found.begins_only
        at_its_end = found.begins_only and self.continue_from is None
        return {name: text, f"{name}_left_out": _TOO_LONG if at_its_end else _MISSING}

    def _field(self, found: Any, kept: KeptField) -> Any:
        if kept.each is None:
            return self._scalar(found, kept.type, kept)
        if not isinstance(found, list):
            return _MISSING if kept.optional else []
        if kept.of and (self._within or self._admits):
            inside = [item for item in found if self._is_inside(item, kept.of) and self._is_admitted(item, kept.of)]
            self.left_out += len(found) - len(inside)
            found = inside
        if kept.holding:  # after that, or one name after another would tell by a count what is there and not shown
            found = [item for item in found if kept.holding.keeps(item, self._arguments)]
        self.truncated = self.truncated or len(found) > kept.most
        if cuts({"": kept}):  # shared out evenly, so that reading on finds something of every text each time
            self._share = max(_LEAST, self._left // max(1, min(len(found), kept.most)))
        if isinstance(kept.each, dict):
            return [self.fields(item, kept.each) for item in found[: kept.most] if isinstance(item, dict)]
        scalars = [self._scalar(look(item, kept.pick), kept.each, kept) for item in found[: kept.most]]
        return [scalar for scalar in scalars if scalar is not _MISSING]

    def _may_tell(self, document: Any, kept: KeptField) -> bool:
        """Of one thing that the document names besides itself, such as an issue's parent."""
        if kept.each is not None or not kept.of or not any(one.named(document) for one in kept.of):
            return True
        told = self._is_inside(document, kept.of) and self._is_admitted(document, kept.of)
        self.left_out += not told
        return told

    def _is_inside(self, item: Any, of: tuple[Of, ...]) -> bool:
        if not self._within:
            return True
        named = [name.partition(":")[2].casefold().split("/") for one in of for name, _ in one.named(item)]
        return bool(named) and all(any(parts[: len(one)] == one for one in self._within) for parts in named)

    def _is_admitted(self, item: Any, of: tuple[Of, ...]) -> bool:
        """What does not say of which resource it is may be of a forbidden one."""
        if self._admits is None:
            return True
        named = [(name, known, source.parts_of(item)) for source in of for name, known in source.named(item)]
        return bool(named) and all(self._is_seen(one) for one in named)

    def _is_seen(self, one: tuple[str, str, tuple[str, ...]]) -> bool:
        if self._admits and one not in self._seen:
            self._seen[one] = self._admits(*one)
        return self._seen[one]

    def _scalar(self, found: Any, kind: Kind, kept: KeptField) -> Any:
        if kind == "present":
            return found is not None
        # A boolean is an integer to Python and not to JSON.
        if not isinstance(found, _PYTHON_TYPE[kind]) or (isinstance(found, bool) and kind != "boolean"):
            return _MISSING
        if kind == "text":
            return self._cut(str(found), kept) if found and not kept.file else _MISSING
        return found

    def _cut(self, text: str, kept: KeptField) -> Any:
        if self._start >= max(1, len(text)):
            return _MISSING  # it was read to its end before
        text = text[: len(text) - self._start] if kept.tail else text[self._start :]
        longest = min(WHOLE if self._whole else kept.cut, self._share)
        if len(text) > longest:
            self.truncated = True
            self.continue_from = min(self.continue_from or MAX_START, self._start + longest)
            text = text[len(text) - longest :] if kept.tail else text[:longest]
        self._left -= len(text)
        return text


def _found(document: Any, name: str, keep: Fields) -> Any:
    """What a field is made of."""
    kept = keep[name]
    if kept.rest_of:
        whole = keep[kept.rest_of]
        own = look(document, whole.at or kept.rest_of)
        return whole.pieces.rest(document, own) if whole.pieces else None
    found = [look(document, path) for path in (kept.at or name, *kept.or_at)]
    own = next((one for one in found if one not in (None, "")), found[0])
    return kept.pieces.text(document, own) if kept.pieces else own


def _counts_all(document: Any, name: str, keep: Fields) -> bool:
    """Is there no more of what a field counts than stands in the answer?"""
    items = _found(document, str(keep[name].counts), keep)
    return isinstance(items, list) and _found(document, name, keep) == len(items)
