"""What holds for one call beside its request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loaner.catalog.result import Admits
from loaner.provider_call.meeting import Meeting
from loaner.provider_call.replication import Young
from loaner.provider_call.transport import Answer
from loaner.provider_call.workspace import Workspace
from loaner.secret import Secret


@dataclass(frozen=True)
class Terms:
    within: tuple[str, ...] = ()
    """What the credential was narrowed to: a search neither asks nor answers beyond it."""
    known: Sequence[Secret | None] = ()
    """Other secrets that stood behind the call, none of which may leave in the reply."""
    admits: Admits | None = None
    """Says of each result whether the rules let this caller see it."""
    young: Young | None = None
    """Says when a refusal only means that the credential is not known everywhere yet."""
    meeting: Meeting | None = None
    """Is told what the call is about before anything but look-ups is sent."""
    workspace: Workspace | None = None
    """Where names are looked up."""
    on_attempt: Callable[[], object] | None = None
    """Called before the call is sent, and before it is sent again."""
    on_answer: Callable[[Answer], None] | None = None
