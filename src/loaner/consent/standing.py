"""What a call has of its person, and all that a person has: values."""

from __future__ import annotations

from dataclasses import dataclass, field

from loaner.consent.approvals import Approval
from loaner.consent.grants import Grant
from loaner.consent.pending import Pending
from loaner.consent.tasking import Running


@dataclass(frozen=True)
class Consent:
    """Why a call may go on: the grant it draws on and, for what had to be asked, the approval that was used."""

    grant: Grant
    approval_id: str | None
    rule: str
    proven_by: str | None
    task: str | None = None
    """The task that the call was counted against."""


@dataclass(frozen=True)
class Standing:
    """What somebody has, and what waits for them."""

    connected: list[Grant]
    approved: list[Approval]
    pending: list[Pending]
    tasks: list[Running]
    denied: list[Pending] = field(default_factory=list)
    """What was refused a moment ago and answers its agent's repeats; a person's own view has it."""
