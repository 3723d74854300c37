"""Records as OCSF events of class *API Activity* (6003), for whatever collects security events.

Source: https://schema.ocsf.io/1.5.0/classes/api_activity. What the class has no place for stands in ``unmapped``,
under our own names, with the hashes by which the record is found in the chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from loaner import __version__
from loaner.audit.chain import Record, canonical
from loaner.clock import from_iso

SCHEMA = "1.5.0"
_CLASS = 6003
_ACTIVITY = {"read": (2, "Read"), "destructive": (4, "Delete"), "write": (99, "Write")}  # a write creates or updates
_UNKNOWN, _SUCCESS, _FAILURE = (0, "Unknown"), (1, "Success"), (2, "Failure")
_STATUS = {"ok": _SUCCESS, "unknown": _UNKNOWN}
_SEVERITY = {"ok": (1, "Informational"), "consent_needed": (1, "Informational"), "unknown": (3, "Medium")}
_LOW = (2, "Low")
_MAPPED = frozenset(
    {"id", "kind", "at", "asked_at", "issuer", "sub", "agent", "origin", "tool", "provider", "resource"}
)


def ocsf(records: Iterable[Record]) -> Iterator[str]:
    """One event for each record, as a line of JSON."""
    return (canonical(event(record)) + "\n" for record in records)


def event(record: Record) -> dict[str, Any]:
    """One record as an OCSF event."""
    body = record.body
    activity_id, activity = _ACTIVITY.get(body.get("effect", ""), _UNKNOWN)
    outcome = body.get("outcome", "unknown")
    status_id, status = _STATUS.get(outcome, _FAILURE)
    severity_id, severity = _SEVERITY.get(outcome, _LOW)
    kind, _, name = body.get("resource", "").partition(":")
    return {
        "activity_id": activity_id,
        "activity_name": activity,
        "category_uid": 6,
        "category_name": "Application Activity",
        "class_uid": _CLASS,
        "class_name": "API Activity",
        "type_uid": _CLASS * 100 + activity_id,
        "type_name": f"API Activity: {activity if activity_id != 99 else 'Other'}",  # noqa: PLR2004 - OCSF's "other"
        "time": _milliseconds(body.get("asked_at", body["at"])),
        "severity_id": severity_id,
        "severity": severity,
        "status_id": status_id,
        "status": status,
        "status_code": body.get("code", outcome),
        "status_detail": outcome,
        "metadata": {
            "version": SCHEMA,
            "product": {"name": "loaner", "vendor_name": "loaner", "version": __version__},
            "uid": body["id"],
            "event_code": body["kind"],
            "sequence": record.seq,
            "logged_time": _milliseconds(body["at"]),
        },
        "actor": {
            "user": {"uid": body["sub"], "domain": body["issuer"], "type_id": 1, "type": "User"},
            "app_name": body.get("agent", ""),
        },
        "api": {
            "operation": body.get("tool", body["kind"]),
            "service": {"name": body.get("provider", "loaner")},
            "request": {"uid": body["id"]},
            **({"response": {"code": body["status"]}} if "status" in body else {}),
        },
        "src_endpoint": {"name": body.get("origin", "loaner")},
        **({"resources": [{"name": name or kind, "type": kind}]} if kind else {}),
        "unmapped": {key: value for key, value in body.items() if key not in _MAPPED}
        | {"hash": record.hash, "prev_hash": record.prev_hash},
    }


def _milliseconds(moment: str) -> int:
    return round(from_iso(moment).timestamp() * 1000)
