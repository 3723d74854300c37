"""Linear's dates: ISO 8601, shortcuts such as ``2026``, and durations counted from now such as ``-P2W1D``
(descriptions of the scalars ``DateTime`` and ``DateTimeOrDuration`` in Linear's schema)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_DURATION = re.compile(
    r"(?P<sign>[+-])?P(?=.)(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=.)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?"
)


def duration(text: str) -> timedelta | None:
    """An ISO 8601 duration, or ``None`` if it is none. A year is 365 days here and a month 30."""
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    part = {name: int(value) for name, value in found.groupdict().items() if name != "sign" and value}
    days = part.pop("years", 0) * 365 + part.pop("months", 0) * 30 + part.pop("days", 0)
    length = timedelta(days=days, **part)
    return -length if found["sign"] == "-" else length


def moment(text: str, now: datetime) -> datetime:
    """The moment meant, in UTC.

    Raises:
        ValueError: if it is neither a date nor a duration.
    """
    length = duration(text)
    if length is not None:
        return now + length
    if re.fullmatch(r"\d{4}(-\d{2})?", text):
        text += "-01" * (2 - text.count("-"))
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
