"""Providers that are hosted elsewhere: in place of the public one, or beside it under a name of their own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from loaner.catalog.provider import Provider
from loaner.errors import SettingsInvalid

_TEXTS = frozenset({"summary", "phrase", "phrase_any", "check", "find", "about", "means", "private"})
"""What people and models read. Requests, headers, patterns and sources stay as the provider publishes them."""
_TAKEN = frozenset({"loaner", "default", "all", "read", "write", "destructive"})
"""Names of our own tools, of toolsets, and of what rules call several tools by."""


@dataclass(frozen=True)
class Likeness:
    """A further instance of a provider that is defined: its files, under another name and on other hosts."""

    like: str
    hosts: Mapping[str, str]
    title: str

    def of_operation(self, data: Mapping[str, Any], name: str, original: str) -> dict[str, Any]:
        """What an operation's file says, about tools called ``name_…``; ``original`` is the title that gives way."""

        def renamed(value: Any, key: str) -> Any:
            if isinstance(value, dict):
                return {inner: renamed(one, inner) for inner, one in value.items()}
            if isinstance(value, list):
                return [renamed(one, key) for one in value]
            if not isinstance(value, str) or key not in _TEXTS:
                return value
            tools = re.sub(rf"\b{re.escape(self.like)}_(?=[a-z])", f"{name}_", value)
            return re.sub(rf"\b{re.escape(original)}\b", lambda _: self.title, tools)

        return {key: renamed(value, key) for key, value in data.items()}


def added(name: str, likeness: Likeness, known: Mapping[str, Provider]) -> tuple[Provider, Provider]:
    """The provider that it is like, and the new one. Raises :class:`SettingsInvalid`."""
    if name in known or name in _TAKEN:
        raise SettingsInvalid(f"providers.{name}: the name {name!r} is taken.", do="Choose another name.")
    if likeness.like not in known:
        raise SettingsInvalid(
            f"providers.{name}.like: no provider is called {likeness.like!r}.", do=f"Known: {', '.join(sorted(known))}."
        )
    if any(likeness.title == provider.title for provider in known.values()):
        raise SettingsInvalid(
            f"providers.{name}.title: another provider is called {likeness.title!r}.",
            do="People could not tell them apart: choose another title.",
        )
    original = known[likeness.like]
    renamed = original.model_copy(update={"name": name, "title": likeness.title})
    return original, elsewhere(renamed, likeness.hosts, setting=f"providers.{name}.host")


def elsewhere(provider: Provider, hosts: Mapping[str, str], *, setting: str) -> Provider:
    """The provider on the hosts that a setting names. Raises :class:`SettingsInvalid`."""
    try:
        return provider.at(hosts)
    except ValueError as error:  # pydantic's ValidationError is one
        detail = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        table = ", ".join(f'{key} = "https://…"' for key in provider.hosts)
        raise SettingsInvalid(
            f"{setting}: {detail.removeprefix('Value error, ')}.", do=f"Write all of them: {setting} = {{ {table} }}"
        ) from None


def each_at_its_own(replaced: Iterable[str], providers: Mapping[str, Provider]) -> None:
    """One place under two names would pass each rule that names the other. Raises :class:`SettingsInvalid`."""
    for name in replaced:
        for other in providers.values():
            if other.name != name and (shared := _places(providers[name]) & _places(other)):
                raise SettingsInvalid(
                    f"{name} and {other.name} are both at {min(shared)}: rules for one would not hold for the other.",
                    do=f"Give hosts.{name} or providers.{name}.host another address, or remove it.",
                )


def _places(provider: Provider) -> set[str]:
    return {urlsplit(base).netloc for base in provider.hosts.values()}
