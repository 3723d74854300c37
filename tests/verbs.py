"""What a verb that runs in the tests' own process leaves behind ends with it. A plugin for the whole suite."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import pytest
import structlog


@contextlib.contextmanager
def logs_restored() -> Iterator[None]:
    """A server's verb sends logs to its own stderr, which is gone when it ends."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:], root.level = handlers, level
        structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _no_logs_of_an_earlier_verb() -> Iterator[None]:
    with logs_restored():
        yield
