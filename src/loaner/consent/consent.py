"""What a call has by an approval, and all that a person has: values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from loaner.consent.approvals import Approval
from loaner.consent.pauses import Pause
from loaner.consent.requests import ConsentRequest
from loaner.consent.tasks.tasks import RunningTask
from loaner.grants.consent import Consent
from loaner.grants.grants import Grant

_NONE: Mapping[str, str] = MappingProxyType({})


def by_approval(
    approval: Approval,
    grant: Grant,
    rule: str,
    *,
    only: tuple[str, ...] = (),
    agreed: int = 0,
    ids: Mapping[str, str] = _NONE,
) -> Consent:
    """The consent on the strength of an approval. ``ids``: what else is known of what the call names."""
    return Consent(
        grant,
        approval.id,
        rule,
        approval.proven_by,
        task=approval.task,
        shown=approval.permissions,
        ids={**approval.ids, **ids},
        only=only,
        agreed=agreed,
        lasting=approval.digest is None,
        fixed=frozenset(approval.fixed or ()),
        resources=() if only else approval.resources,
    )


@dataclass(frozen=True)
class Standing:
    """What somebody has, and what waits for them."""

    connected: list[Grant]
    approved: list[Approval]
    pending: list[ConsentRequest]
    tasks: list[RunningTask]
    denied: list[ConsentRequest] = field(default_factory=list)
    """What was refused a moment ago and can still be answered anew; a person's own view has it."""
    paused: list[Pause] = field(default_factory=list)
    """What its agent is not heard about, since it was refused; a person's own view has it."""
