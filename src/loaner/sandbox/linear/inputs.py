"""Checks that every mutation's input goes through."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from loaner.sandbox.linear.derived import View
from loaner.sandbox.linear.errors import invalid_input, not_emulated
from loaner.sandbox.linear.state import Entity


def only(given: Mapping[str, Any], emulated: str) -> Mapping[str, Any]:
    """The input, if the sandbox can honour all of it: a field ignored in silence would be a lie."""
    for name, value in given.items():
        if value is not None and name not in emulated.split():
            raise not_emulated(f"the input field {name}")
    return given


def text(given: Mapping[str, Any], name: str) -> str:
    """A text that must be there and not be blank."""
    value: str = given.get(name) or ""
    if not value.strip():
        raise invalid_input(f"{name} should not be empty.")
    return value


def as_uuid4(view: View, kind: type[Entity], given: str | None) -> str | None:
    """The client's own id for a new entity: a version 4 UUID, and not yet taken."""
    if given is None:
        return None
    try:
        parsed = uuid.UUID(given)
    except ValueError:
        parsed = None
    if parsed is None or parsed.version != 4:  # noqa: PLR2004 - RFC 9562 section 5.4
        raise invalid_input("id must be a UUID.")
    if view.world.get(kind, str(parsed)) is not None:
        raise invalid_input(f"A {kind.__name__} with this id already exists.", f"Entity {kind.__name__} already exists")
    return str(parsed)
