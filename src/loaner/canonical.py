"""What a call means at the provider: ruled on and agreed to again once that is known, before anything else is sent.

A name can change hands, an id has a name, and an issue keeps its old identifiers. So between the look-ups of a call and
its first other request, under the same credential, the resource is ruled on by its canonical name and id, and compared
with the id that the approval stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from loaner.audit import Draft
from loaner.catalog import BoundCall
from loaner.catalog.identify import Identified
from loaner.catalog.identify_resource import permissions_of
from loaner.consent import Consent, Consents
from loaner.consent.known import Look
from loaner.errors import LoanerError, NotFound, PolicyDenied, ProviderForbidden, ProviderUnavailable, ScopeNotGrantable
from loaner.identity.caller import Caller
from loaner.policy import Ask, Refused, Ruling
from loaner.provider_call.meeting import Meeting
from loaner.scope import Beside, Scope
from loaner.settings import Connector

Rule = Callable[[BoundCall, Scope], Ruling]
_OUT_OF_REACH = (NotFound, ProviderForbidden, ScopeNotGrantable)


def with_permissions(bound: BoundCall, scope: Scope, *, by_id: bool) -> Scope:
    """The scope of a call whose canonical name, or id, has to be asked for, with what that takes."""
    provider, check = bound.operation.provider, bound.operation.check_of_resource
    identify = provider.identifies(scope.resource)
    lookup = provider.lookups[identify.lookup] if identify and identify.lookup else None
    if by_id and check and check.needed(scope.resource_name):
        lookup = check
    return scope.instead(scope.permissions | permissions_of(bound, lookup)) if lookup else scope


@dataclass
class CanonicalCall:
    """One call on its way, and the consent that it goes out under."""

    consents: Consents
    rule: Rule
    caller: Caller
    bound: BoundCall
    scope: Scope
    ruling: Ruling
    connector: Connector
    task: str | None
    record: Draft
    consent: Consent
    look: Look
    as_ruled: BoundCall = field(init=False)
    """With what it names by its canonical name."""

    def __post_init__(self) -> None:
        self.as_ruled = self.bound

    def meeting(self, *, named: bool, by_id: bool) -> Meeting:
        """What the sender does after its look-ups. ``named``: rules tell resources apart, so the name is asked for;
        ``by_id``: and so is the id."""
        provider = self.bound.operation.provider
        grant, identify = self.consent.grant, provider.identifies(self.scope.resource)
        agreed = self.consent.ids.get(self.scope.resource, "")
        beside = self._beside if self.scope.beside and (named or by_id or self.consent.lasting) else None
        wants_id = by_id and self.scope.resource_kind in provider.ids and not provider.id_in(self.scope.resource)
        if identify and identify.lasting:  # where the id is known, the credential itself is for that
            named = wants_id or (self.consent.lasting and self.bound.operation.effect != "read" and not agreed)
        elif identify and agreed not in {"", self.scope.resource_name}:
            named = True
        elif self.consent.is_by_container(self.scope) or (beside and self.consent.lasting):
            named = True  # the name says what it is in, and may be one from before it moved
        return Meeting(
            self.scope.resource,
            identify if named else None,
            self._known,
            agreed,
            wants_id,
            beside,
            lambda permissions: provider.covers(grant.permissions, permissions),
        )

    async def reached(self, known: str) -> None:
        """What a name turned out to mean: the approval stands for that from now on."""
        if known and not self.scope.ids:
            await self._stands_for({self.scope.resource: known})

    async def refused(self, why: LoanerError) -> LoanerError:
        """What to answer where the provider refused a credential that was for the agreed thing alone.

        If the name is another's now, that is why. The yes for the old one ends, and the person is asked about the new.
        """
        agreed = self.consent.ids.get(self.scope.resource)
        identify = self.bound.operation.provider.identifies(self.scope.resource)
        if not (agreed and identify and identify.lasting and isinstance(why, _OUT_OF_REACH)):
            return why
        known = await self.look(self.consent)
        if known is None or known.id == agreed:
            return why
        if self.consent.approval_id and not self.consent.task:
            await self.consents.end_approval(self.consent.approval_id, self.caller.subject)
        try:
            await self._again(replace(self.scope, ids=known.ids), self.ruling)
        except LoanerError as asks:
            return asks
        again = ProviderUnavailable(
            f"“{self.scope.resource_name}” is another {self.scope.resource_kind} now than before. Nothing was done.",
            do="Repeat the call now.",
        )
        again.undone = True  # so the use is given back where the call ends, and once
        return again

    async def _beside(self, found: tuple[Beside, ...]) -> None:
        """Raises as :meth:`_known`."""
        self.scope = replace(self.scope, beside=found)
        params = self.bound.operation.rule.beside_for(self.bound.arguments)
        names = {param: one.resource.partition(":")[2] for param, one in zip(params, found, strict=True)}
        self.as_ruled = replace(self.bound, arguments=MappingProxyType({**self.bound.arguments, **names}))
        ruling = self.rule(self.as_ruled, self.scope)
        wider = self.consent.lasting and self.scope.leads_out - self.consent.fixed
        if self._asks(ruling) or wider or isinstance(ruling, Refused):
            await self._again(self.scope, ruling)

    def _asks(self, ruling: Ruling) -> bool:
        """Does it want a yes that this call does not go out under: any at all, or one to this very call?"""
        return isinstance(ruling, Ask) and (not isinstance(self.ruling, Ask) or (ruling.exact and self.consent.lasting))

    async def _known(self, one: Identified) -> None:
        """Raises what :meth:`loaner.consent.Consents.obtain` raises; then nothing but look-ups was sent."""
        if not one.id:
            denied = PolicyDenied("its id cannot be found out, and rules go by ids.", rule="unknown-id")
            denied.undone = True
            raise denied
        inside = self.bound.operation.provider.wider_than(one.resource)
        ids = {one.resource: one.id, self.scope.resource: one.id}
        scope = replace(self.scope, resource=one.resource, wider=inside, around=one.around, ids=ids)
        contained = not self.consent.is_by_container(self.scope) or self.consent.is_about(scope)
        self.record.needed(scope)
        ruling = self.rule(self.as_ruled.called(self.scope.resource_name, scope.resource_name), scope)
        wider = self.consent.lasting and scope.leads_out - self.consent.fixed
        agreed = contained and not self._asks(ruling) and not wider and not isinstance(ruling, Refused)
        if agreed and await self._stands_for(ids):
            return
        await self._again(scope, ruling)

    async def _stands_for(self, ids: dict[str, str]) -> bool:
        """Is the approval one of this very thing? One that was given before the id was known is, from now on."""
        if any(self.consent.ids.get(name, known) != known for name, known in ids.items()):
            return False
        approval = self.consent.approval_id
        return approval is None or await self.consents.pin(approval, ids)

    async def _again(self, scope: Scope, ruling: Ruling) -> None:
        try:
            consent = await self.consents.obtain(self.caller, self.bound, scope, ruling, self.connector, task=self.task)
        except LoanerError as refused:
            refused.undone = True
            raise
        if self.consent.approval_id:
            await self.consents.give_back_use(self.consent.approval_id)
        self.consent = consent
        self.record.consented(consent)
