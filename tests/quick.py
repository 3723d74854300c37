"""What the tests would do over and over and always with the same result is done once. A plugin for the whole suite.

Measured for one client, one loaner, one reading of the connectors and one key of the emulated issuer: 50, 85, 70 and
50 ms of processor time, each of them hundreds of times.
"""

from __future__ import annotations

import functools
import importlib
import weakref
from pathlib import Path
from typing import Any

import httpx2._transports.default
import pytest


def pytest_configure(config: pytest.Config) -> None:
    # Every client reads the whole bundle of authorities, and hardly one here speaks TLS.
    clients = httpx2._transports.default
    clients.create_ssl_context = functools.cache(clients.create_ssl_context)
    _check_once(importlib.import_module("loaner.catalog.load"))  # by its name, which a function of the package has too
    _parse_once(importlib.import_module("loaner.policy.loading"))
    _reuse(importlib.import_module("loaner.sandbox.idp.keys"))


def _check_once(loading: Any) -> None:
    """The connectors that are shipped do not change while the tests run; others may."""
    shipped, read = loading.shipped(), loading.read
    kept = functools.cache(read)
    sound = dict[tuple[Any, ...], Any]()

    def once(check: Any) -> Any:
        def checked(path: Path, data: Any, lines: Any, *provider: Any) -> Any:
            if shipped not in path.parents:
                return check(path, data, lines, *provider)
            # A further instance of a provider renames what its files say.
            said = (check, path, repr(data), *(one and one.name for one in provider))
            if said not in sound:
                sound[said] = check(path, data, lines, *provider)
            return sound[said]

        return checked

    loading.read = lambda path: (kept if shipped in path.parents else read)(path)
    loading._defined, loading._written = once(loading._defined), once(loading._written)


def _parse_once(loading: Any) -> None:
    """The same rules under the same schema are the same policy."""
    read = loading.read
    kept = functools.cache(lambda texts, schema: read(dict(texts), schema))
    loading.read = lambda texts, schema: kept(tuple(texts.items()), schema)


def _reuse(keys: Any) -> None:
    """An emulated issuer that is gone leaves its key to the next; no two that live have the same, and no stranger."""
    make, begin = keys._new_key, keys.Signer.__init__
    living = weakref.WeakSet[Any]()
    made: list[Any] = []

    def begun(signer: Any) -> None:
        begin(signer)
        living.add(signer)

    def free() -> Any:
        used = [signer._key for signer in living]
        for key in made:
            if not any(key is one for one in used):
                return key
        made.append(make())
        return made[-1]

    keys.Signer.__init__, keys._new_key = begun, free
