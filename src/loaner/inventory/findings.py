"""What was found, and where it could not be looked."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loaner.errors import HostUnusable
from loaner.inventory.belongs import host_of
from loaner.inventory.kinds import Key, keys_in, without_keys
from loaner.inventory.places import MOST_FOLDERS, Place, places
from loaner.mcp_hosts import file_text, json_text, toml_text
from loaner.mcp_hosts.splice import NotReadable

Names = tuple[str, ...]
_LONGEST = 16 << 20
_BASIC = re.compile(r"(?:basic\s+|\"auth\"\s*:\s*\")(?P<coded>[A-Za-z0-9+/=]{24,})", re.IGNORECASE)
_NAME = re.compile(r"(?:export\s+|set\s+-\S+\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_.-]{0,63})[\"']?\s*[:=]?\s*\S*$")


@dataclass(frozen=True)
class Finding:
    key: Key
    where: str
    """The file, or the environment."""
    sort: str
    line: int | None
    name: str
    """The variable, or the path of keys in a host's file."""
    entry: str | None = None
    """``HOST/SERVER``, where an MCP host's entry can be replaced."""
    belongs_to: str = ""
    """The host that it is for, where the text says so."""

    def facts(self) -> dict[str, Any]:
        """All that is told of it."""
        return {
            "kind": "key",
            "provider": self.key.kind.provider,
            "what": self.key.kind.title,
            "lives": self.key.kind.lives,
            "where": self.where,
            "sort": self.sort,
            "line": self.line,
            "name": self.name,
            "entry": self.entry,
            "host": self.belongs_to or None,
            "ends_with": self.key.ends_with,
            "fingerprint": self.key.fingerprint,
        }


@dataclass(frozen=True)
class NotLookedAt:
    where: str
    why: str

    def facts(self) -> dict[str, Any]:
        return {"kind": "not looked at", "where": self.where, "why": self.why}


def look(folders: Iterable[Path], environment: Mapping[str, str] = os.environ) -> Iterator[Finding | NotLookedAt]:
    """Everything that is found on this computer and in ``folders``. Nothing is sent anywhere."""
    left_out: list[Path] = []
    for place in places(folders, left_out):
        yield from _in(place)
    for folder in left_out:
        yield NotLookedAt(str(folder), f"it has more than {MOST_FOLDERS} folders; name one of them")
    for name, value in sorted(environment.items()):
        for key in keys_in(f"{name}={value}"):
            host = host_of(f"{name}={value}\nGH_HOST={environment.get('GH_HOST', '')}", key, "environment")
            yield Finding(key, "the environment of this shell", "environment", None, _shown(name), belongs_to=host)


def _in(place: Place) -> Iterator[Finding | NotLookedAt]:
    try:
        if place.file.stat().st_size > _LONGEST:
            yield NotLookedAt(str(place.file), f"longer than {_LONGEST >> 20} MiB")
            return
        text = file_text.read(place.file).text
    except (HostUnusable, OSError) as failure:
        told = failure.cause if isinstance(failure, HostUnusable) else str(failure.strerror)
        yield NotLookedAt(str(place.file), told)
        return
    named = _named(place, text)
    for key in sorted((*keys_in(text), *_coded(text)), key=lambda key: key.at):
        path = next((path for path, one in named if one.fingerprint == key.fingerprint), ())
        named = [one for one in named if (one[0], one[1].fingerprint) != (path, key.fingerprint)]
        before = text[text.rfind("\n", 0, key.at) + 1 : key.at]
        line, host = text.count("\n", 0, key.at) + 1, host_of(text, key, place.sort)
        yield _finding(place, key, path or (_before(before),), line, host)
    for path, key in named:  # written with escapes
        yield _finding(place, key, path, None, host_of(text, key, place.sort))


def _finding(place: Place, key: Key, path: Names, line: int | None, host: str) -> Finding:
    in_entry = place.host is not None and len(path) > 1 and path[0] == place.table
    entry = f"{place.host.name}/{path[1]}" if place.host and in_entry else None
    name = _shown(".".join(path))
    return Finding(key, without_keys(str(place.file)), place.sort, line, name, _shown(entry) if entry else None, host)


def _coded(text: str) -> Iterator[Key]:
    """Keys in a ``Authorization: Basic`` header, as CI leaves one in ``.git/config``."""
    for one in _BASIC.finditer(text):
        try:
            plain = base64.b64decode(one["coded"], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
        for key in keys_in(plain):
            yield Key(key.kind, key.secret, one.start("coded"), len(one["coded"]), key.ends_with)


def _named(place: Place, text: str) -> list[tuple[Names, Key]]:
    """The keys of a structured file with the names that lead to them; none where it cannot be read as such."""
    if place.form is None:
        return []
    try:
        said = toml_text.parsed(text) if place.form == "toml" else json_text.parsed(text, comments=True)
    except NotReadable:
        return []
    return [(path, key) for path, value in _values(said, ()) for key in (*keys_in(value), *_coded(value))]


def _values(said: Any, path: Names) -> Iterator[tuple[Names, str]]:
    if isinstance(said, str):
        # Beside its name, so that a key from before there were prefixes is known by that.
        yield path, f"{path[-1]}={said}" if path else said
    elif isinstance(said, dict):
        for name, value in said.items():
            yield from _values(value, (*path, name))
    elif isinstance(said, list):
        for index, value in enumerate(said):
            yield from _values(value, (*path, str(index)))


def _before(written: str) -> str:
    """The name in front of a value, as far as there is one."""
    found = _NAME.search(written.strip())
    return found["name"] if found else ""


def _shown(name: str) -> str:
    """A name that is itself a key would show it."""
    return without_keys(name)[:200]
