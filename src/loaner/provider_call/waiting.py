"""How long a provider asks us to wait, as each of them says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from loaner.catalog.rate import ProviderRate

_LONGEST = 86_400


def retry_after(headers: Mapping[str, str], rate: ProviderRate) -> int:
    """Whole seconds, at least 1 and at most a day.

    A reset is an instant on the provider's clock, so it is compared with the ``Date`` of the same answer and never
    with ours. Where nothing usable is said, the provider's documented minimum.
    """
    said = whole(headers.get(rate.retry_after or ""))
    if said is None and rate.reset:
        reset = whole(headers.get(rate.reset))
        now = _date(headers.get("date", ""))
        if reset is not None and now is not None:
            said = reset / (1000 if rate.unit == "ms" else 1) - now
    if said is None:
        return rate.at_least
    return max(1, min(int(-(-said // 1)), _LONGEST))


def is_exhausted(headers: Mapping[str, str], rate: ProviderRate) -> bool:
    """Does this refusal come from a limit, by its headers?"""
    return bool(rate.retry_after and headers.get(rate.retry_after)) or (
        rate.remaining is not None and whole(headers.get(rate.remaining)) == 0
    )


def whole(text: str | None) -> float | None:
    """A header's whole number, if that is what it is."""
    return float(text) if text and re.fullmatch("[0-9]{1,15}", text) else None


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).replace(tzinfo=UTC).timestamp()
    except (TypeError, ValueError):
        return None
