"""Records in words, for a person at a terminal. What is printed was made plain when it was recorded,
by the rules of that day."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from loaner.audit import Record
from loaner.characters import marked

_STYLES = {"ok": "green", "consent_needed": "yellow", "unknown": "bold red"}


def line(record: Record) -> Text:
    """One record on one line: what, how it ended, with which authority, for whom, and what became of the key."""
    said = record.body
    outcome = said.get("outcome", "")
    told = Text(f"#{record.seq:<4} {said['at'][11:19]}  ")
    told.append(f"{marked(said.get('tool', said['kind'])):28} ")
    told.append(f"{said.get('code') or outcome:18} ", _STYLES.get(outcome, "red"))
    told.append(marked(_authority(said)))
    told.append(marked(f"   {said['sub']} via {_agent(said)}"))
    if said.get("returned_how"):
        told.append(f"   {_ending(said)}", "dim")
    return told


def page(record: Record) -> Iterator[tuple[str, str]]:
    """Everything that a record says, as labels and lines; a part that was not reached is left out."""
    said = record.body
    yield "record", f"#{record.seq}  {said['id']}  closed {said['at']}"
    yield "who", f"{said['sub']} ({said['issuer']})"
    if "agent" in said:
        yield "agent", f"{_agent(said)} {said.get('agent_version', '')}".rstrip()
        yield "from", f"{said['origin']}, in {said['environment']}"
        yield "asked", _asked(said)
    if "needed_permissions" in said:
        yield "needed", f"{_authority(said)}"
    if "granted_permissions" in said:
        excess = _joined(said.get("excess_permissions"))
        beyond = f", of that beyond the call: {excess}" if excess else ", nothing beyond the call"
        yield "credential", f"{_joined(said['granted_permissions']) or 'no permission'}{beyond}"
    for limit in said.get("limits", []):
        yield "limit", f"{limit['what']}: {limit['value']}, enforced by {_enforcer(limit['enforced_by'])}"
    if "decision" in said:
        yield "ruling", f"{said['decision']} by rule {said['rule']}, {said['reason']}"
    if "grant_id" in said:
        yield "consent", _consent(said)
    if "loan_id" in said:
        yield "loan", f"{said['loan_style']}, sha256 {said.get('fingerprint', 'not known')}"
        yield "", f"minted {said.get('minted_at', 'never')}, used {said.get('used', 0)}x, {_ending(said)}"
    if "request" in said:
        yield "sent", f"{said['request']}, answered {said.get('status', 'nothing')}"
    yield "outcome", " ".join(part for part in (said.get("outcome", ""), said.get("code", "")) if part)
    yield "chain", f"after {record.prev_hash}"
    yield "", f"hash  {record.hash}"


def _agent(said: dict[str, Any]) -> str:
    return f"{said.get('agent', '-')} ({_standing(said)})"


def _standing(said: dict[str, Any]) -> str:
    kind = said.get("agent_kind") or ("verified" if said.get("agent_verified") else "reported")
    return f"{kind} of {said['agent_issuer']}" if said.get("agent_issuer") else str(kind)


def _asked(said: dict[str, Any]) -> str:
    effect = f" ({said['effect']})" if "effect" in said else ""
    digest = f", arguments sha256 {said['arguments_digest']}" if "arguments_digest" in said else ""
    return f"{said.get('tool', said['kind'])}{effect}{digest}"


def _authority(said: dict[str, Any]) -> str:
    if "needed_permissions" not in said:
        return "-"
    resource = said.get("resource", "")
    return f"{_joined(said['needed_permissions']) or 'no permission'} on {resource.partition(':')[2] or resource}"


def _consent(said: dict[str, Any]) -> str:
    approval = f", approval {said['approval_id']}" if "approval_id" in said else ""
    proof = f", presence proven by {said['proven_by']}" if "proven_by" in said else ""
    return f"grant {said['grant_id']} on {said.get('connector', '-')}{approval}{proof}"


def _ending(said: dict[str, Any]) -> str:
    if "returned_how" not in said:
        return "not returned when this was closed"
    lived = f"lived {said['lived_ms']} ms, " if "lived_ms" in said else ""
    return f"{lived}{said['returned_how']}{'' if said.get('returned_confirmed') else ' (not confirmed)'}"


def _enforcer(who: str) -> str:
    return {"provider": "the provider", "grant": "the provider, by the wider grant", "loaner": "loaner alone"}.get(
        who, who
    )


def _joined(permissions: list[str] | None) -> str:
    return ", ".join(permissions or ())
