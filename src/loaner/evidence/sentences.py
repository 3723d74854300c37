"""One record in words, for somebody who does not know loaner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from loaner.audit import Record
from loaner.evidence.controls import Group

_GROUPS: Final[dict[str, Group]] = {
    "grant_linked": "permission",
    "approval_given": "permission",
    "passkey_made": "permission",
    "grant_ended": "end",
    "approval_ended": "end",
    "passkey_removed": "end",
    "return": "end",
    "denied": "refusal",
    "account_refused": "refusal",
    "calls_refused": "refusal",
    "revoke": "stop",
    "resume": "stop",
    "block_put_back": "stop",
}
"""By the record's kind; calls are told apart by what became of them, and all else is about the records and the keys."""
_WHAT: Final = {
    "grant_linked": "connected an account",
    "approval_given": "gave an approval",
    "passkey_made": "made a passkey",
    "grant_ended": "a connected account was ended at the provider",
    "approval_ended": "an approval ended",
    "passkey_removed": "removed a passkey",
    "denied": "said no",
    "account_refused": "an account was refused",
    "calls_refused": "calls were refused unread, because there were too many",
    "revoke": "stopped",
    "resume": "let go on",
    "block_put_back": "a stop was put back that had vanished from the store",
    "prune": "records were taken out of the store after their export",
    "restore": "the store was restored from a backup",
    "clock_accepted": "the clock of the computer was accepted",
    "grants_resealed": "what is sealed in the store was sealed anew",
}


@dataclass
class Approvals:
    """Who allowed what, as far as the range itself has records of it."""

    _known: dict[str, str] = field(default_factory=dict)

    def learn(self, record: Record, said: Mapping[str, Any]) -> None:
        if said["kind"] in {"approval_given", "grant_linked"}:
            for name in ("approval_id", "task", "grant_id"):
                if name in said:
                    self._known.setdefault(f"{name} {said[name]}", f"#{record.seq} of {said['sub']}")

    def told(self, said: Mapping[str, Any]) -> str:
        """By whose approval: the record that gave it, or that it is older than the range."""
        found = []
        for name, what in (("approval_id", "approval"), ("task", "task"), ("grant_id", "connected account")):
            if name in said:
                where = self._known.get(f"{name} {said[name]}", f"of {said['sub']}, given before this range")
                found.append(f"{what} {str(said[name])[:12]} ({where})")
        return ", ".join(found)


def group(said: Mapping[str, Any]) -> Group:
    if said["kind"] in {"call", "look_up"}:
        return "use" if said.get("loan_id") else "refusal"
    return _GROUPS.get(said["kind"], "log")


def sentence(said: Mapping[str, Any], approvals: Approvals) -> str:
    """Who, what, why and by whose approval, with what, and how it ended."""
    if said["kind"] in {"call", "look_up"}:
        parts = [_asked(said), _why(said, approvals), *_credential(said), f"Outcome: {_outcome(said)}"]
    elif said["kind"] == "return":
        parts = [f"The credential of the call {str(said.get('of', ''))[:12]} ended: {_ending(said)}"]
    else:
        parts = [_event(said), *([f"By {said['proven_by']}"] if said.get("proven_by") else [])]
        parts += [f"Reason: {said['reason']}"] if said.get("reason") else []
    return ". ".join(part for part in parts if part) + "."


def _asked(said: Mapping[str, Any]) -> str:
    for_it = "loaner looked something up for a call of" if said["kind"] == "look_up" else "called"
    agent = f"{said.get('agent', '')} ({'verified' if said.get('agent_verified') else 'reported, not verified'})"
    on = f" on {said['resource']}" if said.get("resource") else ""
    where = f", in {said['environment']}, from {said['origin']}" if "environment" in said else ""
    return f"{_who(said)}, through the agent {agent}: {for_it} {said.get('tool', '')}{on}{where}"


def _why(said: Mapping[str, Any], approvals: Approvals) -> str:
    decided = {"ask": "a person had to approve", "allowed": "allowed", "refused": "refused"}.get(
        said.get("decision", "")
    )
    ruling = f"{decided} by the rule {said['rule']} ({said['reason']})" if decided else ""
    allowed = approvals.told(said)
    proven = f", proven by {said['proven_by']}" if said.get("proven_by") else ""
    by = f"by {allowed}{proven}" if allowed else ""
    why = "; ".join(part for part in (ruling, by) if part)
    return f"Why: {why}" if why else ""


def _credential(said: Mapping[str, Any]) -> list[str]:
    if not said.get("loan_id"):
        return ["No credential was lent, and nothing was sent"]
    may = ", ".join(said.get("granted_permissions") or ()) or "no permission"
    needed = ", ".join(said.get("needed_permissions") or ()) or "none"
    limits = "; ".join(
        f"{one['what']} {one['value']} enforced by {one['enforced_by']}" for one in said.get("limits") or ()
    )
    sent = f"{said.get('used', 0)} requests" + (f", {said['request']}" if said.get("request") else "")
    return [
        f"Credential: {said.get('loan_style', '')}, sha256 {str(said.get('fingerprint', 'not known'))[:16]}, "
        f"could {may}, needed {needed}" + (f" ({limits})" if limits else ""),
        f"Used for {sent}; {_ending(said)}",
    ]


def _ending(said: Mapping[str, Any]) -> str:
    if not said.get("returned_how"):
        return "its end is in a later record"
    confirmed = "confirmed" if said.get("returned_confirmed") else "not confirmed"
    lived = f" after {said['lived_ms']} ms" if "lived_ms" in said else ""
    return f"{said['returned_how']}{lived}, {confirmed}"


def _outcome(said: Mapping[str, Any]) -> str:
    return " ".join(str(said[name]) for name in ("outcome", "code") if said.get(name))


def _event(said: Mapping[str, Any]) -> str:
    what = _WHAT.get(said["kind"], str(said["kind"]).replace("_", " "))
    named = {"grant_id": "account", "approval_id": "approval", "task": "task"}
    ids = [f"{word} {str(said[name])[:12]}" for name, word in named.items() if name in said]
    about = [str(said[name]) for name in ("tool", "connector", "resource") if said.get(name)]
    may = [", ".join(said["granted_permissions"])] if said.get("granted_permissions") else []
    for_agent = [f"for the agent {said['agent']}"] if said.get("agent") else []
    return f"{_who(said)}: {what}" + "".join(f"; {one}" for one in (*ids, *about, *may, *for_agent))


def _who(said: Mapping[str, Any]) -> str:
    return f"{said['sub']} ({said['issuer']})"
