"""One table of a TOML file, changed in place: all the rest stays as it is."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from loaner.mcp_hosts.splice import NotEditable, NotReadable, Splice, line_end

_HEADER = re.compile(r"[ \t]*\[+(?P<name>[^\]\r\n]+)\]+[ \t]*(?:#[^\r\n]*)?\r?\n?")


def parsed(text: str) -> dict[str, Any]:
    """Raises :class:`NotReadable`."""
    try:
        return tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as wrong:
        raise NotReadable(f"it is not TOML: {wrong}") from None
    except RecursionError:
        raise NotReadable("it is nested too deeply") from None


def added(text: str, table: str, name: str, entry: Mapping[str, Any]) -> Splice:
    """The splice that puts one table at the end of the file."""
    end = line_end(text)
    before = "" if not text else end if text.endswith("\n") else end * 2
    return Splice(len(text), "", before + block(table, name, entry).replace("\n", end))


def replaced(text: str, table: str, name: str, entry: Mapping[str, Any]) -> Splice:
    """The splice that puts other lines in the place of a table's."""
    gone = without(text, table, name)
    return Splice(gone.at, gone.removed, block(table, name, entry).replace("\n", line_end(text)))


def without(text: str, table: str, name: str) -> Splice:
    """The splice that takes a table out, and the tables in it. Raises :class:`NotEditable`."""
    spans = [(start, end) for path, start, end in _tables(text) if path[:2] == [table, name]]
    if not spans or any(end != start for (_, end), (start, _) in pairwise(spans)):
        raise NotEditable(f"its {table}.{name} is not written as one table")
    at = spans[0][0]
    lines = text[at : spans[-1][1]].splitlines(keepends=True)
    while not lines[-1].strip() or lines[-1].lstrip().startswith("#"):
        del lines[-1]  # what stands before the next table belongs to that
    return Splice(at, "".join(lines), "")


def block(table: str, name: str, entry: Mapping[str, Any]) -> str:
    """One table, and one below it for each table in it."""
    plain = {key: value for key, value in entry.items() if not isinstance(value, Mapping)}
    name = _key(name)
    lines = [f"[{table}.{name}]", *(f"{key} = {_value(value)}" for key, value in plain.items())]
    for key, value in entry.items():
        if isinstance(value, Mapping):
            lines += [
                "",
                f"[{table}.{name}.{key}]",
                *(f"{_key(inner)} = {_value(one)}" for inner, one in value.items()),
            ]
    return "\n".join(lines) + "\n"


def _tables(text: str) -> Iterator[tuple[list[str], int, int]]:
    """Each header's path, with where its lines begin and end."""
    found: list[tuple[list[str], int]] = []
    at = 0
    for line in text.splitlines(keepends=True):
        header = _HEADER.fullmatch(line)
        if header:
            found.append((_path(header["name"]), at))
        at += len(line)
    ends = [start for _, start in found[1:]] + [len(text)]
    for (path, start), end in zip(found, ends, strict=True):
        yield path, start, end


def _path(name: str) -> list[str]:
    return [re.sub(r"""^(["'])(.*)\1$""", r"\2", part.strip()) for part in name.split(".")]


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _value(value: object) -> str:
    # JSON's strings, lists of them, numbers and truth values are TOML's too (TOML 1.0, basic strings).
    return json.dumps(value, ensure_ascii=False)
