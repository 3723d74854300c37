"""Where logs go. A log that cannot be written must stop nothing."""

from __future__ import annotations

import io
import json

import pytest
import structlog

from loaner.cli import _log_throttle, _logging


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


def test_what_is_left_out_of_a_log_is_counted_and_told_in_the_next_minute() -> None:
    """MUST 63: of a kind so many lines in a minute, of all together so many more, and of kinds so many at once."""
    at = [0.0]
    throttle = _log_throttle.Throttle(lambda: at[0])
    assert [throttle.left_out("refused") for _ in range(35)] == [0] * 30 + [None] * 5
    at[0] = 59.9
    assert throttle.left_out("refused") is None
    at[0] = 60.0
    assert throttle.left_out("refused") == 6
    many = [throttle.left_out(f"kind {number}") for number in range(700)]
    assert many.count(0) == 599, "with the one before"
    assert len(throttle._windows) <= 256


def test_what_a_verb_did_to_the_logs_ended_with_its_test() -> None:
    assert not structlog.is_configured()
