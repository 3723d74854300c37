"""Putting an entry into a host's file, and taking it out again to the byte.

Before a file is changed, what undoes it is kept under ``LOANER_HOME``: the splice and the digests of the file before
and after. Where the file is still as it was left, undoing gives back exactly its bytes. Where its host has rewritten
the rest, only the entry is taken out. Where the entry itself was edited, nothing is done: its person decides.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

from loaner.errors import HostUnusable, UsageError
from loaner.mcp_hosts import file_text, json_text, toml_text
from loaner.mcp_hosts.file_text import HostFile
from loaner.mcp_hosts.known import Form, McpHost
from loaner.mcp_hosts.splice import NotEditable, NotReadable, Splice

Done = Literal["written", "already there", "undone", "taken out", "not there"]
FOLDER = "mcp_hosts"
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Sealing(Protocol):
    """Seals what is taken out of a file, which may hold somebody's key."""

    def seal(self, text: str, about: str) -> str: ...
    def open(self, sealed: str, about: str) -> str: ...


@dataclass(frozen=True)
class EntryPlace:
    """One entry of one file."""

    file: Path
    form: Form
    table: str
    name: str

    @classmethod
    def of(cls, host: McpHost, name: str) -> EntryPlace:
        if not NAME.fullmatch(name):
            raise UsageError("a server's name is of letters, digits, - and _, at most 64.", do="For example: loaner")
        return cls(host.file, host.form, host.table, name)

    def parsed(self, text: str) -> dict[str, Any]:
        """Raises :class:`HostUnusable`."""
        try:
            said = (
                toml_text.parsed(text) if self.form == "toml" else json_text.parsed(text, comments=self.form == "jsonc")
            )
        except NotReadable as wrong:
            raise HostUnusable(
                f"{self.file} cannot be read: {wrong}.", do="Mend it first; nothing was changed."
            ) from None
        if not isinstance(said.get(self.table, {}), dict):
            raise HostUnusable(f"{self.table} in {self.file} is no table.", do="Mend it first; nothing was changed.")
        return said

    def entry(self, said: Mapping[str, Any]) -> dict[str, Any] | None:
        found = said.get(self.table, {}).get(self.name)
        return found if found is None or isinstance(found, dict) else {"": found}

    def with_entry(self, said: Mapping[str, Any], entry: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the file must say afterwards, and no word else."""
        others = {name: one for name, one in said.get(self.table, {}).items() if name != self.name}
        return {**said, self.table: others if entry is None else {**others, self.name: dict(entry)}}

    def texts(self) -> Any:
        return toml_text if self.form == "toml" else json_text


@dataclass(frozen=True)
class Change:
    """What undoes one change."""

    file: str
    before: str | None
    """SHA-256 of the file before; ``None`` where there was none."""
    after: str
    at: int
    removed: str
    """Sealed, where it is not empty."""
    inserted: str
    entry: dict[str, Any]
    made_folder: bool = False


@dataclass(frozen=True)
class Changes:
    """Those of one ``LOANER_HOME``."""

    home: Path
    sealing: Callable[[], Sealing] | None = None

    def put(self, place: EntryPlace, entry: Mapping[str, Any]) -> Done:
        """Add the entry. One that this wrote before is replaced; any other of that name is left alone.

        Raises :class:`HostUnusable`.
        """
        found = file_text.read(place.file)
        said = place.parsed(found.text)
        there, kept = place.entry(said), self._kept(place)
        if there == dict(entry):
            return "already there"
        start, before = found.text, _digest(found.raw)
        if there is not None:
            if kept is None or there != kept.entry:
                raise HostUnusable(
                    f"{place.file} has another server called {place.name!r}, which loaner did not write like that.",
                    do="Remove it there, or give ours another name: --name NAME",
                )
            start = self._without(place, kept, start)
            as_left = before == kept.after
            before = None if as_left and kept.before is None else _digest(found.encoded(start))
        splice = self._checked(place, start, entry, partial(place.texts().added, start, place.table, place.name, entry))
        self._write(place, found, start, splice, entry, before)
        return "written"

    def replace(self, place: EntryPlace, entry: Mapping[str, Any]) -> None:
        """Put the entry in the place of whatever stands there. Raises :class:`HostUnusable`."""
        found = file_text.read(place.file)
        place.parsed(found.text)
        replaced = partial(place.texts().replaced, found.text, place.table, place.name, entry)
        splice = self._checked(place, found.text, entry, replaced)
        self._write(place, found, found.text, splice, entry, _digest(found.raw))

    def undo(self, place: EntryPlace) -> Done:
        """Take back what was done there. Raises :class:`HostUnusable` where the entry was edited meanwhile."""
        kept = self._kept(place)
        found = file_text.read(place.file)
        there = place.entry(place.parsed(found.text))
        if kept is None:
            if there is None:
                return "not there"
            raise HostUnusable(
                f"{place.file} has a server called {place.name!r}, and loaner keeps nothing of having written it.",
                do="Remove it there, if you want it gone.",
            )
        if there is None:
            self._file(place).unlink()
            return "not there"
        if there != kept.entry:
            raise HostUnusable(
                f"the entry {place.name!r} in {place.file} was edited since loaner wrote it. Nothing was changed.",
                do="Remove it there yourself, or make it again what it was: "
                f"{json.dumps(kept.entry, ensure_ascii=False)}",
            )
        untouched = found.raw is not None and _digest(found.raw) == kept.after
        before = self._without(place, kept, found.text)
        gone = untouched and kept.before is None
        if untouched and not gone and _digest(found.encoded(before)) != kept.before:
            raise HostUnusable(f"{self._file(place)} is damaged, so {place.file} was left as it is.")
        file_text.write(found, None if gone else found.encoded(before))
        if gone and kept.made_folder and not any(found.file.parent.iterdir()):
            found.file.parent.rmdir()
        self._file(place).unlink()
        return "undone" if untouched else "taken out"

    def is_ours(self, place: EntryPlace) -> bool:
        """Whether loaner wrote the entry that may stand there."""
        return self._kept(place) is not None

    def _without(self, place: EntryPlace, kept: Change, text: str) -> str:
        """The text before the change; where that cannot be had by itself, the text without the entry."""
        said = place.parsed(text)
        removed = self._opened(place, kept)
        before = Splice(kept.at, removed, kept.inserted).undone(text)
        if before is not None:
            try:
                left = place.parsed(before)
            except HostUnusable:
                left = {}
            if place.with_entry(left, None) == place.with_entry(said, None):
                return before
        if removed:
            raise HostUnusable(
                f"what surrounds {place.name!r} in {place.file} was edited, so what stood there cannot be put back.",
                do="Undo those edits first.",
            )
        try:
            gone: Splice = place.texts().without(text, place.table, place.name)
        except NotEditable as wrong:
            raise HostUnusable(f"{place.file}: {wrong}.", do="Remove the entry there yourself.") from None
        rest = gone.done(text)
        if place.with_entry(place.parsed(rest), None) != place.with_entry(said, None):
            raise HostUnusable(f"{place.file} is written in an unusual way.", do="Remove the entry there yourself.")
        return rest

    def _checked(self, place: EntryPlace, text: str, entry: Mapping[str, Any], make: Callable[[], Splice]) -> Splice:
        """The splice, once it is known that a host would read the entry, and all the rest as before."""
        try:
            splice = make()
            now = place.parsed(splice.done(text))
        except (NotEditable, HostUnusable):
            now = None
        if now is None or now != place.with_entry(place.parsed(text), entry):
            raise HostUnusable(
                f"{place.file} is written in a way that loaner cannot add to without touching the rest.",
                do="Add the entry yourself: loaner install --print",
            )
        return splice

    def _write(
        self,
        place: EntryPlace,
        found: HostFile,
        start: str,
        splice: Splice,
        entry: Mapping[str, Any],
        before: str | None,
    ) -> None:
        raw = found.encoded(splice.done(start))
        removed = self._sealed(place, splice.removed)
        file, earlier = self._file(place), self._kept(place)
        made = not found.file.parent.exists() or (earlier is not None and earlier.made_folder)
        change = Change(
            str(found.file), before, _digest(raw) or "", splice.at, removed, splice.inserted, dict(entry), made
        )
        _keep(file, change)
        try:
            file_text.write(found, raw)
        except BaseException:
            _keep(file, earlier) if earlier else file.unlink()
            raise

    def _sealed(self, place: EntryPlace, text: str) -> str:
        if not text:
            return ""
        if self.sealing is None:
            raise HostUnusable("nothing is taken out of a host's file without a key to seal it under.")
        return self.sealing().seal(text, str(place.file))

    def _opened(self, place: EntryPlace, kept: Change) -> str:
        if not kept.removed:
            return ""
        if self.sealing is None:
            raise HostUnusable(
                f"what stood in the place of {place.name!r} was sealed.", do="Use: loaner inventory --undo"
            )
        return self.sealing().open(kept.removed, str(place.file))

    def _kept(self, place: EntryPlace) -> Change | None:
        file = self._file(place)
        try:
            return Change(**json.loads(file.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError):
            raise HostUnusable(f"{file} is damaged.", do="Remove it, and the host's entry yourself.") from None

    def _file(self, place: EntryPlace) -> Path:
        which = hashlib.sha256(f"{place.file}\0{place.name}".encode()).hexdigest()  # a name may be anything
        return self.home / FOLDER / f"{which[:32]}.json"


def _keep(file: Path, change: Change) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        json.dump(asdict(change), opened, indent=1)
        opened.flush()
        os.fsync(descriptor)
    beside.replace(file)


def _digest(raw: bytes | None) -> str | None:
    return None if raw is None else hashlib.sha256(raw).hexdigest()
