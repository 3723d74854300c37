"""How long a provider asks us to wait, as each of them says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from loaner.catalog.rate import ProviderRate
from loaner.catalog.result import look
from loaner.provider_call.transport import Answer


def retry_after(headers: Mapping[str, str], rate: ProviderRate) -> int:
    """Whole seconds, at least 1 and at most ``rate.at_most``.

    A reset is an instant on the provider's clock, so it is compared with the ``Date`` of the same answer and never
    with ours. Where nothing usable is said, the provider's documented minimum.
    """
    said = whole(headers.get(rate.retry_after or ""))
    # A reset is that of a limit that is used up; where some of it is left, another one is meant.
    if said is None and rate.reset and not (rate.remaining and whole(headers.get(rate.remaining))):
        reset = whole(headers.get(rate.reset))
        now = _date(headers.get("date", ""))
        if reset is not None and now is not None:
            said = reset / (1000 if rate.unit == "ms" else 1) - now
    if said is None:
        return rate.at_least
    return max(1, min(int(-(-said // 1)), rate.at_most))


def is_limit(answer: Answer, rate: ProviderRate) -> bool:
    """Does this refusal come from a limit? By its status, its headers, its message or the page that it points to."""
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    if answer.status != HTTPStatus.FORBIDDEN:
        return False
    page, message = look(answer.body, "documentation_url"), look(answer.body, "message")
    named = isinstance(page, str) and any(re.fullmatch(pattern, page) for pattern in rate.pages)
    named = named or bool(rate.message and isinstance(message, str) and re.fullmatch(rate.message, message, re.DOTALL))
    return named or is_used_up(answer.headers, rate) or bool(rate.retry_after and answer.headers.get(rate.retry_after))


def is_used_up(headers: Mapping[str, str], rate: ProviderRate) -> bool:
    """Do its headers say that nothing is left?"""
    return rate.remaining is not None and whole(headers.get(rate.remaining)) == 0


def whole(text: str | None) -> float | None:
    """A header's whole number, if that is what it is."""
    return float(text) if text and re.fullmatch("[0-9]{1,15}", text) else None


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).replace(tzinfo=UTC).timestamp()
    except (TypeError, ValueError):
        return None
