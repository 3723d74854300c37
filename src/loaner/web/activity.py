"""What happened: a person's own records, drawn by the hour, listed, and each in full."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from loaner.audit import Record
from loaner.clock import from_iso
from loaner.web import pages
from loaner.web.consent_pages import nobody, who
from loaner.web.guard import Guard, Visit
from loaner.web.site import Site

HOURS = 12
SHOWN = 50
"""Lines of the list."""
COUNTED = 1000
"""Records that the picture looks at, the newest first."""
_FINE = frozenset({"ok", "consent_needed"})
_OUTCOMES = {"ok": "done", "consent_needed": "asked you", "denied": "you said no", "unknown": "not known"}
_NOT_TOLD = frozenset({"v", "id", "issuer", "sub", "limits"})


@dataclass(frozen=True)
class Happening:
    """One line of the list."""

    number: int
    at: datetime
    agent: str
    what: str
    resource: str
    scope: str
    outcome: str
    tone: str
    """``fine``, ``stopped``, or neither."""
    key: str
    chain: str


@dataclass(frozen=True)
class Bar:
    """The calls of one hour: how many, and how many of them were stopped or failed. Heights in percent of the most."""

    at: datetime
    calls: int
    stopped: int
    height: float
    stopped_height: float


@dataclass(frozen=True)
class ActivityPages:
    site: Site

    def routes(self, guard: Guard) -> list[Route]:
        return [guard.page("/activity", self.activity), guard.page("/activity/{number}", self.one)]

    async def activity(self, visit: Visit) -> Response:
        records = await self.site.records.tail(COUNTED, subject=visit.subject.key)
        return pages.render(
            "activity.html",
            happened=[happening(record) for record in reversed(records[-SHOWN:])],
            bars=bars(records, self.site.now()),
            hours=HOURS,
            **who(self.site, visit),
        )

    async def one(self, visit: Visit) -> Response:
        number = visit.path["number"]
        known = number.isascii() and number.isdigit() and len(number) < 19  # noqa: PLR2004 - what a row's number can be
        record = await self.site.records.show(int(number), subject=visit.subject.key) if known else None
        if record is None:
            return nobody()  # another person's record is as unknown as none
        return pages.render(
            "record.html",
            record=record,
            one=happening(record),
            facts=facts(record.body),
            remedy=self._remedy(record.body),
            **who(self.site, visit),
        )

    def _remedy(self, body: dict[str, Any]) -> tuple[str, str]:
        """What the person can do about a listed refusal, and where: a page of the provider's own host, with the account
        of the resource that was checked; nothing of what the provider said. Empty where there is none."""
        try:
            provider = self.site.providers(body.get("provider", ""))
        except LookupError:  # it has gone since
            return "", ""
        reason = provider.reason(body.get("word", "")) if body.get("outcome") != "ok" else None
        target = body.get("resource", "").partition(":")[2].partition("/")[0]
        if reason is None or not reason.link or not target:
            return "", ""
        return provider.told(reason, target)[0], provider.url(reason.link, target=target)


def happening(record: Record) -> Happening:
    body = record.body
    outcome = str(body.get("outcome", ""))
    lived = f"lived {body['lived_ms']} ms, " if "lived_ms" in body else ""
    code = body.get("code") if outcome not in _FINE else None
    return Happening(
        number=record.seq,
        at=_at(record),
        agent=body.get("agent", "loaner"),
        what=body.get("tool") or body["kind"].replace("_", " "),
        resource=body.get("resource", "").partition(":")[2],
        scope=", ".join(body.get("needed_permissions") or body.get("granted_permissions") or []),
        outcome=_OUTCOMES.get(outcome, outcome) + (f": {code}" if code else ""),
        tone="fine" if outcome == "ok" else "" if outcome in _FINE else "stopped",
        key=f"{lived}{body['returned_how']}" if "returned_how" in body else "",
        chain=record.hash[:8],
    )


def bars(records: Iterable[Record], now: datetime) -> list[Bar]:
    """The calls of the last :data:`HOURS` hours, the oldest hour first."""
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    hours = [this_hour - timedelta(hours=back) for back in reversed(range(HOURS))]
    counts = {hour: [0, 0] for hour in hours}
    for record in records:
        hour, body = _at(record).replace(minute=0, second=0, microsecond=0), record.body
        if body["kind"] == "call" and hour in counts:
            counts[hour][0] += 1
            counts[hour][1] += body.get("outcome") not in _FINE
    most = max((calls for calls, _ in counts.values()), default=0) or 1
    return [
        Bar(hour, calls, stopped, 100 * calls / most, 100 * stopped / most) for hour, (calls, stopped) in counts.items()
    ]


def facts(body: dict[str, Any]) -> list[tuple[str, str]]:
    """All that a record says, to read; who it is about is at the head of the page."""
    said = [(name.replace("_", " "), _told(value)) for name, value in body.items() if name not in _NOT_TOLD]
    limits = [(f"{one['what']} enforced by", f"{one['enforced_by']}: {one['value']}") for one in body.get("limits", [])]
    return said + limits


def _told(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (", ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)


def _at(record: Record) -> datetime:
    return from_iso(record.body["at"])
