"""Logs go to stderr, as JSON when nobody is watching, and never with the locals of a traceback."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TextIO, cast

import structlog

_UNWRITABLE = (OSError, ValueError)
"""A full disk, and a stream that somebody has closed."""


class _Lossy:
    """Where logs go. One that cannot be written is lost: it must not stop the work that it would tell of."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(*_UNWRITABLE):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(*_UNWRITABLE):
            self._stream.flush()


def to_stderr() -> None:
    """stdout belongs to the protocol; tracebacks show no values, since one may be a secret."""
    watched = sys.stderr.isatty()
    exceptions = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    rendering: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if watched
        else [structlog.processors.ExceptionRenderer(exceptions), structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *rendering,
        ],
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Lossy(sys.stderr))),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    # Libraries log requests and, some of them, tokens: only what is wrong, and nothing of what was sent.
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR, format="%(name)s: %(message)s", force=True)
    logging.getLogger("loaner").setLevel(logging.WARNING)
    for chatty in ("httpx2", "httpcore2", "authlib", "sqlalchemy", "mcp", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
