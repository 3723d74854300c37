"""One entry of a JSON file, changed in place: comments, order, spaces and line ends of all the rest stay."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from loaner.mcp_hosts.splice import NotEditable, NotReadable, Splice, line_end

_COMMENT = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\r\n]*|/\*.*?\*/', re.DOTALL)
_COMMA_AT_END = re.compile(r'"(?:[^"\\]|\\.)*"|,(?=\s*[\]}])', re.DOTALL)
_BLANK = re.compile(r"[ \t\r\n]*")
_SCAN = json.JSONDecoder()


@dataclass(frozen=True)
class _Member:
    key: str
    key_at: int
    value_at: int
    end: int


def parsed(text: str, *, comments: bool) -> dict[str, Any]:
    """Raises :class:`NotReadable`. An empty file says nothing."""
    try:
        said = json.loads(_plain(text, comments=comments) or "{}", object_pairs_hook=_once)
    except RecursionError:
        raise NotReadable("it is nested too deeply") from None
    except json.JSONDecodeError as wrong:
        raise NotReadable(f"it is not JSON: line {wrong.lineno}, column {wrong.colno}: {wrong.msg}") from None
    if not isinstance(said, dict):
        raise NotReadable("it is JSON, but no object")
    return said


def added(text: str, table: str, name: str, entry: Mapping[str, Any]) -> Splice:
    """The splice that puts one entry at the end of a table, and the table at the end of the file if it is missing."""
    plain = _plain(text, comments=True)
    if not plain:
        end = line_end(text)
        whole = json.dumps({table: {name: entry}}, indent=2, ensure_ascii=False).replace("\n", end)
        return Splice(len(text), "", whole + end)
    top = _members(plain, plain.index("{"))
    inside = next((one for one in top if one.key == table), None)
    if inside is None:
        return _member_added(text, plain, plain.index("{"), table, {name: entry})
    if plain[inside.value_at] != "{":
        raise NotEditable(f"its {table} is no object")
    return _member_added(text, plain, inside.value_at, name, entry)


def replaced(text: str, table: str, name: str, entry: Mapping[str, Any]) -> Splice:
    """The splice that puts another value in the place of an entry."""
    plain = _plain(text, comments=True)
    one, _ = _found(plain, table, name)
    indent, _ = _indents(text, one.key_at)
    return Splice(one.value_at, text[one.value_at : one.end], _value(text, entry, indent))


def without(text: str, table: str, name: str) -> Splice:
    """The splice that takes an entry out, with one comma."""
    plain = _plain(text, comments=True)
    one, members = _found(plain, table, name)
    at = members.index(one)
    if at:
        start, end = members[at - 1].end, one.end
    else:
        start, end = one.key_at, members[1].key_at if len(members) > 1 else one.end
    return Splice(start, text[start:end], "")


def _member_added(text: str, plain: str, opened: int, key: str, value: Mapping[str, Any]) -> Splice:
    members = _members(plain, opened)
    end = line_end(text)
    outer, unit = _indents(text, opened)
    if members:
        inner = _before(text, members[-1].key_at)
        if inner is None:  # all in one line
            return Splice(members[-1].end, "", f", {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}")
        said = f"{json.dumps(key)}: {_value(text, value, inner)}"
        return Splice(members[-1].end, "", f",{end}{inner}{said}")
    inner = outer + unit
    closed = _skipped(plain, opened + 1)
    said = f"{end}{inner}{json.dumps(key)}: {_value(text, value, inner)}"
    return Splice(opened + 1, "", said if "\n" in text[opened:closed] else f"{said}{end}{outer}")


def _found(plain: str, table: str, name: str) -> tuple[_Member, list[_Member]]:
    top = _members(plain, plain.index("{"))
    inside = next(one for one in top if one.key == table)
    members = _members(plain, inside.value_at)
    return next(one for one in members if one.key == name), members


def _members(plain: str, opened: int) -> list[_Member]:
    return list(_each(plain, opened))


def _each(plain: str, opened: int) -> Iterator[_Member]:
    at = _skipped(plain, opened + 1)
    while plain[at] != "}":
        key, after = _SCAN.raw_decode(plain, at)
        value_at = _skipped(plain, _skipped(plain, after) + 1)
        _, end = _SCAN.raw_decode(plain, value_at)
        yield _Member(key, at, value_at, end)
        at = _skipped(plain, end)
        if plain[at] == ",":
            at = _skipped(plain, at + 1)


def _skipped(plain: str, at: int) -> int:
    blank = _BLANK.match(plain, at)
    return blank.end() if blank else at


def _plain(text: str, *, comments: bool) -> str:
    """The same text with blanks for comments and for commas at an end, so that each place is the same in both."""
    if comments:
        text = _COMMENT.sub(lambda one: one[0] if one[0][0] == '"' else re.sub(r"[^\r\n]", " ", one[0]), text)
        text = _COMMA_AT_END.sub(lambda one: one[0] if one[0][0] == '"' else " ", text)
    return "" if text.isspace() else text


def _indents(text: str, at: int) -> tuple[str, str]:
    """The indent of the line of ``at``, and the file's step."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    first = re.search(r"\n([ \t]+)\S", text)
    return line[: len(line) - len(line.lstrip())], first[1] if first else "  "


def _before(text: str, at: int) -> str | None:
    """The blanks before the first thing of a line; ``None`` where something else stands before it."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line if not line.strip() and "\n" in text[:at] else None


def _value(text: str, value: Mapping[str, Any], indent: str) -> str:
    unit = _indents(text, 0)[1]
    return json.dumps(value, indent=unit, ensure_ascii=False).replace("\n", f"{line_end(text)}{indent}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    said = dict(pairs)
    if len(said) != len(pairs):
        raise NotReadable("it says a key twice, so nobody can tell which counts")
    return said
