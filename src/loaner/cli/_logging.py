"""Logs go to stderr, as JSON when nobody is watching, and never with the locals of a traceback."""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from pathlib import PurePath
from typing import TextIO, cast

import structlog

from loaner.cli import _log_throttle

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


class _Short(logging.Formatter):
    """What went wrong and where, in one line: neither a traceback nor an exception's own text, which may quote what
    came in."""

    def format(self, record: logging.LogRecord) -> str:
        plain = {"exc_info": None, "exc_text": None, "stack_info": None}
        text = super().format(logging.makeLogRecord({**record.__dict__, **plain})).partition("\n")[0]
        kind, error, _ = record.exc_info or (None, None, None)
        if kind is None:
            return text
        place = traceback.extract_tb(error.__traceback__) if error else []
        at = f" at {PurePath(place[-1].filename).name}:{place[-1].lineno}" if place else ""
        return f"{text} ({kind.__qualname__}{at})"


def to_stderr() -> None:
    """stdout belongs to the protocol; tracebacks show no values, since one may be a secret."""
    watched, throttle = sys.stderr.isatty(), _log_throttle.Throttle()
    exceptions = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    rendering: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if watched
        else [structlog.processors.ExceptionRenderer(exceptions), structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            _log_throttle.processor(throttle),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *rendering,
        ],
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Lossy(sys.stderr))),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    # Libraries log requests and, some of them, tokens: only what is wrong, and nothing of what was sent.
    handler = logging.StreamHandler(cast("TextIO", _Lossy(sys.stderr)))
    handler.setFormatter(_Short("%(name)s: %(message)s"))
    handler.addFilter(_log_throttle.Filter(throttle))
    logging.basicConfig(handlers=[handler], level=logging.ERROR, force=True)
    for chatty in ("httpx2", "httpcore2", "authlib", "sqlalchemy", "mcp"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # what an app raises is logged where it is answered
