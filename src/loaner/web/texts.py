"""What the pages say, as words: who asks, how wide the yes really is, what to do afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from loaner.catalog.provider import Provider
from loaner.consent import Approval, ConsentRequest
from loaner.consent.approvals import ANY_AGENT
from loaner.consent.new_approval import phrase_of
from loaner.identity.caller import VERIFIED
from loaner.web import reading

_NAMES = {
    "claude-code": "Claude Code",
    "claude-ai": "Claude",
    "codex-mcp-client": "Codex",
    "cursor-vscode": "Cursor",
    "gemini-cli-mcp-client": "Gemini CLI",
}
_BACK = {
    "claude-code": "press “I'm done, continue”, or tell it to go on",
    "inspector-client": "run the tool again",
}
_LONGEST_NAME = 64


@dataclass(frozen=True)
class LimitLine:
    """One line of the table: what it says, and who sees to it."""

    label: str
    text: str
    by: str = ""
    code: str = ""


def agent_name(asked: ConsentRequest) -> str:
    """The name to read in a sentence."""
    name = asked.asked_by.name
    short = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 21]}…{name[-20:]}"
    return _NAMES.get(name, short or "An unnamed agent")


def whose(key: str) -> str:
    """An agent's key in words: ``ci-triage (client of https://issuer.example)``."""
    if key == ANY_AGENT:
        return "Every program of yours"
    kind, _, rest = key.partition(" ")
    issuer, _, name = rest.partition(" ")
    return f"{rest} ({kind})" if kind not in VERIFIED else f"{name} ({kind} of {issuer})"


def title(asked: ConsentRequest) -> str:
    """The question that the yes answers: where it connects an account, it says so."""
    name, phrase, at = agent_name(asked), asked.shown["phrase"], asked.shown.get("at", "")
    if "connect" in asked.shown:
        return f"Connect {at}?"
    if "reads" in asked.shown:
        return f"Connect {at}: what may {name} read there?" if asked.wants_grant else f"What may {name} read at {at}?"
    if asked.wants_grant and at:
        more = "and let" if asked.wants_approval else "so that"
        return f"Connect {at}, {more} {name}{'' if asked.wants_approval else ' can'} {phrase}?"
    return f"Let {name} {phrase}?"


def wider(asked: ConsentRequest) -> str:
    """What a yes for an hour allows, as the choice on the page says it."""
    phrase = phrase_of(asked, exact=False)
    return phrase[:1].upper() + phrase[1:]


def allowed(approval: Approval, now: datetime) -> str:
    """How far an approval goes: what, how often, how long."""
    lasting = lasts(approval.expires_at, now)
    if approval.uses_left is None:
        return f"{approval.phrase}, {reading.until(approval.expires_at, lasting)}"
    uses = "once" if approval.uses_left == 1 else f"{approval.uses_left} times"
    what = "exactly what you saw" if approval.digest else ""
    return ", ".join(part for part in (approval.phrase, what, uses, f"{lasting} left") if part)


def lasts(until: datetime, now: datetime) -> str:
    """How long it is until then, in the largest unit that says it well."""
    minutes = max(1, round((until - now).total_seconds() / 60))
    if minutes < 120:  # noqa: PLR2004 - two hours
        return f"{minutes} min"
    hours = round(minutes / 60)
    return f"{hours} hours" if hours < 48 else f"{round(hours / 24)} days"  # noqa: PLR2004 - two days


def afterwards(asked: ConsentRequest) -> str:
    """What to do back in the client, in its own words."""
    return _BACK.get(asked.asked_by.name, "tell it to go on: it repeats the same call, which now works")


def limits(asked: ConsentRequest, provider: Provider) -> list[LimitLine]:
    """How wide the provider's permission is and what is narrower, each with whoever enforces it. Nothing is claimed
    for the provider that it does not do."""
    lines = []
    if known := asked.shown.get("known"):
        told = f"with the id {known['id']}; an approval is for that one, whatever has the name later"
        lines.append(LimitLine("Which is", told, by=f"as {provider.title} says now", code=known["name"]))
    for limit in asked.shown["limits"]:
        label = {"permissions": "Provider scope", "resource": "Narrowed to", "call": "For"}.get(limit["what"], "Limit")
        lines.append(LimitLine(label, _text(limit, asked, provider), by=_by(limit["by"], provider), code=_code(limit)))
    return lines


def ago(moment: datetime, now: datetime) -> str:
    seconds = max(0, int((now - moment).total_seconds()))
    return f"{seconds} s ago" if seconds < 120 else f"{seconds // 60} min ago"  # noqa: PLR2004 - two minutes


def left(until: datetime, now: datetime) -> str:
    minutes = max(1, round((until - now).total_seconds() / 60))
    return f"{until:%H:%M} UTC (in {minutes} min)"


def _code(limit: dict[str, Any]) -> str:
    return str(limit["value"]) if limit["what"] == "permissions" else ""


def _instead(asked: ConsentRequest) -> str:
    """Which other permissions the key may have: none is made that is not named here."""
    others = " or ".join(", ".join(one) for one in asked.shown.get("alternatives", ()))
    return f"or {others}, if the app has only that; " if others else ""


def _text(limit: dict[str, Any], asked: ConsentRequest, provider: Provider) -> str:
    if limit["what"] == "permissions":
        if limit["by"] == "grant":
            return f"{_instead(asked)}with it, {provider.title} itself would allow the same anywhere you can"
        return f"{_instead(asked)}nothing more is in the key that is made for the call"
    if limit["what"] == "call":
        if not asked.wants_approval:
            return "one key per call; the agent never sees it"
        return (
            "exactly this, once, unless you choose otherwise below"
            if asked.shown["may_remember"]
            else ("exactly this, once")
        )
    return str(limit["value"])


def _by(enforcer: str, provider: Provider) -> str:
    return "enforced by loaner" if enforcer == "loaner" else f"enforced by {provider.title}"
