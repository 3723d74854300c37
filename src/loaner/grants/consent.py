"""What lets a call borrow on a grant: a value that ``Consents`` alone makes, and lending asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from loaner.grants.grants import Grant
from loaner.scope import Scope, is_about


@dataclass(frozen=True)
class Consent:
    """Why a call may go on: the grant it draws on and, for what had to be asked, the approval that was used.

    Lending makes no credential without one. Only ``Consents`` makes them; a test lists where.
    """

    grant: Grant
    approval_id: str | None
    rule: str
    proven_by: str | None
    task: str | None = None
    """The task that the call was counted against."""
    shown: tuple[frozenset[str], ...] | None = None
    """The sets of permissions that the person agreed to; ``None`` where nobody had to be asked."""
    ids: Mapping[str, str] = field(default_factory=dict)
    """What the names of the approval stand for, as far as that is known."""
    only: tuple[str, ...] = ()
    """The repositories that a search of all is limited to, since the person agreed to no more."""
    agreed: int = 0
    """How many they agreed to, of all accounts."""
    lasting: bool = False
    """The approval is not of one exact call: it may serve another one later."""
    fixed: frozenset[str] = frozenset()
    """The arguments that it fixes."""
    resources: tuple[str, ...] = ()
    """What the approval is about; empty where nobody had to be asked, or for what was limited to it."""

    def to_look_up(self) -> Consent:
        """The same, for a look of loaner's own at the provider: it counts against no task, and uses no approval up."""
        return replace(self, task=None, approval_id=None)

    def is_by_container(self, scope: Scope) -> bool:
        """Does it cover this only as a part of something: issue ENG-12 by what was agreed to of team ENG?"""
        return bool(self.resources) and not is_about(self.resources, [n for n in scope.names if n != scope.wider])

    def is_about(self, scope: Scope) -> bool:
        return is_about(self.resources, (*scope.names, f"{scope.resource_kind}:{scope.resource_id}"))

    def within(self, scope: Scope) -> Scope:
        """The scope without the alternatives that were not shown: no credential is made for one of those. A search of
        all is one of what was agreed to, and a name stands for what it was when the person agreed."""
        if (known := self.ids.get(scope.resource)) and not scope.ids:
            scope = replace(scope, ids={scope.resource: known})
        if self.only:
            scope = replace(scope.limited(self.only, "provider"), ids=self.ids)
        if self.shown is None:
            return scope
        shown = self.shown
        return replace(scope, alternatives=tuple(one for one in scope.alternatives if any(one <= s for s in shown)))
