"""The handlers of the REST API, a module per family."""

from __future__ import annotations

from importlib import import_module

_FAMILIES = (
    "applications",
    "installations",
    "users",
    "checks",
    "repositories",
    "contents",
    "git_data",
    "git_writing",
    "issues",
    "sub_issues",
    "alerts",
    "teams",
    "labels",
    "organizations",
    "pulls",
    "actions",
    "releases",
    "search",
)


def load() -> None:
    """Register every handler."""
    for family in _FAMILIES:
        import_module(f"{__name__}.{family}")
