"""What the pages say about reading: the choice, what connecting an account means, what is read without asking."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from loaner.catalog.provider import Provider
from loaner.consent import ConsentRequest
from loaner.consent.reading import FOREVER, Choice, Offer
from loaner.web.guard import RequestRefused

_LASTS = (("hour", "1 hour"), ("8h", "8 hours"), ("30d", "30 days"), ("ended", "until I take it back"))


def offered(asked: ConsentRequest) -> Offer | None:
    """What this question offers to read; ``None`` where it is about something else."""
    return Offer.read(asked.shown["reads"]) if "reads" in asked.shown else None


def chosen(asked: ConsentRequest, form: Mapping[str, str]) -> Choice | None:
    """The answer of the form; an earlier one stands where the person goes on to the provider. Raises
    :class:`RequestRefused` for what the page does not offer."""
    offer = offered(asked)
    if offer is None:
        return None
    if asked.reading is not None:
        return Choice.read(asked.reading)
    try:
        return Choice.of(form, offer)
    except ValueError:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "Choose what the page offers.") from None


def choice(asked: ConsentRequest, provider: Provider) -> dict[str, Any]:
    """What the page of a read shows besides what every page of a question does."""
    offer = offered(asked)
    assert offer is not None  # noqa: S101 - only such a question has this page
    return {
        "offer": offer,
        "reaches": [(reach, offer.choice(reach)) for reach in offer.reaches],
        "lasts": _LASTS,
        "narrows": provider.limits.resource == "provider",
    }


def button(asked: ConsentRequest, provider: Provider) -> str:
    """What the yes does, as its button says it."""
    if asked.wants_grant:
        more = asked.wants_approval or ("reads" in asked.shown and "connect" not in asked.shown)
        return f"Connect {provider.title} and allow" if more else f"Connect {provider.title}"
    return "Allow once" if asked.wants_approval and not asked.shown["may_remember"] else "Allow"


def connecting(asked: ConsentRequest, provider: Provider) -> str:
    """What comes next where an account is to be connected, before people see a longer list than they expect."""
    title = provider.title
    if provider.consent.scope_param:
        told = ", ".join(sorted(asked.permissions)) or "what it shows"
        return f"{title} is not connected for this yet. Next, {title} asks you for: {told}."
    return (
        f"{title} is not connected yet. Next, {title} shows a list of permissions: everything that this loaner may "
        "ever be given. Each key that a program causes is cut down from it, to what one call needs."
    )


def afterwards(provider: Provider, mode: str) -> str:
    """What programs can read once the account is connected, where the page does not ask about that."""
    if mode == "account":
        return (
            f"From then on every program of yours can read anything that you can see at {provider.title}, "
            f"{provider.reads.private}, with a key of its own for each call. Writes ask you each time."
        )
    return "Connecting lets no program read anything: each one asks you first what it may read."


def agreed(asked: ConsentRequest, agent: str, provider: Provider) -> str:
    """What was chosen, once it counts."""
    offer = offered(asked)
    if offer is None or asked.reading is None:
        return ""
    choice = Choice.read(asked.reading)
    if choice.reach == "none":
        return f"No program may read at {provider.title} without asking you first."
    who = "Every program of yours" if choice.agents == "all" else agent
    lasts = "until you take it back" if choice.lasting == "ended" else f"for {dict(_LASTS)[choice.lasting]}"
    return f"{who} may {offer.phrase(choice.reach)}, {lasts}."


def until(ends: datetime, lasts: str) -> str:
    return "until you take it back" if ends >= FOREVER else f"for {lasts}"
