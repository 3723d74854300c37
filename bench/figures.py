"""Numbers said honestly: medians with quartiles, and ratios paired within a round."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any


@dataclass(frozen=True)
class Spread:
    """A median and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Raises StatisticsError for no values."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)

    def shown(self, unit: str = "", digits: int = 1) -> str:
        return f"{self.median:.{digits}f}{unit} [{self.low:.{digits}f}–{self.high:.{digits}f}]"


@dataclass(frozen=True)
class Round:
    """One side's turn: seconds it took altogether, and each call's seconds."""

    seconds: float
    latencies: tuple[float, ...]

    @property
    def calls_per_second(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def median_ms(self) -> float:
        return statistics.median(self.latencies) * 1000


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Ours over theirs, round by round: what the machine did to a round, it did to both."""
    return Spread.of([one / other for one, other in zip(ours, theirs, strict=True)])


def surroundings() -> dict[str, Any]:
    """Where the numbers come from."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "load": os.getloadavg()[0],
        "mcp": version("mcp"),
        "loaner": version("loaner"),
    }


def plain(value: Spread | Round) -> dict[str, Any]:
    """For the JSON report."""
    return asdict(value)
