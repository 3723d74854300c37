"""Where logs go. A log that cannot be written must stop nothing."""

from __future__ import annotations

import io
import json

import pytest
import structlog

from loaner.cli import _logging


class _Full(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_log_is_one_line_of_json_when_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    _logging.to_stderr()
    structlog.get_logger().info("told", reason="why")
    told = json.loads(stream.getvalue())
    assert (told["event"], told["reason"], told["level"]) == ("told", "why", "info")


def test_a_log_on_a_full_disk_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", _Full())
    _logging.to_stderr()
    structlog.get_logger().error("nobody hears this")


def test_a_log_that_somebody_closed_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    _logging.to_stderr()
    stream.close()
    structlog.get_logger().error("nobody hears this")


def test_what_a_verb_did_to_the_logs_ended_with_its_test() -> None:
    assert not structlog.is_configured()
