"""Putting loaner in the place of a server that is started with a long-lived key.

What stood there has the key in it. It is kept for ``--undo``, sealed under loaner's own key.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from loaner.errors import HostUnusable, UsageError
from loaner.keys import key_holder
from loaner.mcp_hosts import McpHost, host_named
from loaner.mcp_hosts.changes import Changes, Done, EntryPlace
from loaner.secret import Secret
from loaner.settings import Settings
from loaner.settings.home import made
from loaner.store.sealing import Sealed, Unsealable

_WHAT = "host entry"


@dataclass(frozen=True)
class _Kept:
    sealed: Sealed

    def seal(self, text: str, about: str) -> str:
        return base64.b64encode(self.sealed.seal(Secret(text), _WHAT, about)).decode()

    def open(self, sealed: str, about: str) -> str:
        try:
            return self.sealed.open(base64.b64decode(sealed), _WHAT, about).reveal()
        except (Unsealable, ValueError):
            raise HostUnusable(
                "what stood there cannot be opened: it was sealed under another key.",
                do="Put the entry back by hand.",
            ) from None


def put(entry: str, command: tuple[str, list[str], Mapping[str, str]], settings: Settings) -> None:
    """Let the entry ``HOST/SERVER`` start loaner. Raises :class:`HostUnusable`."""
    host, place = _place(entry)
    _changes(settings).replace(place, host.entry(*command))


def undo(entry: str, settings: Settings) -> Done:
    """Put back what stood there. Raises :class:`HostUnusable`."""
    _, place = _place(entry)
    return _changes(settings).undo(place)


def _place(entry: str) -> tuple[McpHost, EntryPlace]:
    name, slash, server = entry.partition("/")
    if not slash:
        raise UsageError("an entry is HOST/SERVER.", do="loaner inventory names those that can be replaced.")
    host = host_named(name)
    return host, EntryPlace(host.file, host.form, host.table, server)


def _changes(settings: Settings) -> Changes:
    home = made(settings.home)
    return Changes(home, lambda: _Kept(Sealed(key_holder(settings))))
