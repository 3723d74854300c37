"""Before a person is asked about a change: what does its name mean at the provider now?

A look is a read with the least that it alone takes, under a loan and a record of its own (kind ``look_up``). The agent
learns nothing by it: what is found is shown to the person and kept with their answer. No call waits for one that asks
nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from secrets import token_hex

from loaner.audit import Audit
from loaner.catalog import BoundCall
from loaner.catalog.identify_resource import Looking, looking
from loaner.clock import Now
from loaner.consent.known import Known
from loaner.errors import LoanerError
from loaner.grants.consent import Consent
from loaner.grants.grants import Grant
from loaner.identity.caller import Caller
from loaner.lending import Borrower, Lender
from loaner.limits.key import LimitKey
from loaner.limits.limiter import Limiter
from loaner.provider_call import ProviderTransport, Terms, Young, look_up
from loaner.provider_call.workspace import FoundNames, Workspace
from loaner.scope import Scope
from loaner.settings import Connector


@dataclass(frozen=True)
class _Looked:
    """A record's view of it."""

    tool: str
    id: str = field(default_factory=lambda: token_hex(16))


@dataclass(frozen=True)
class _Found:
    status: int = 200


@dataclass(frozen=True)
class LookUps:
    audit: Audit
    lender: Lender
    limiter: Limiter
    transport: ProviderTransport
    now: Now
    names: FoundNames

    def workspace(self, bound: BoundCall, connector: Connector, grant: Grant) -> Workspace:
        """Where the names of a call are looked up."""
        team = connector.team or bound.operation.provider.team_of(grant.account_id)
        return Workspace(grant.id, team, self.names)

    async def known(
        self, caller: Caller, bound: BoundCall, scope: Scope, connector: Connector, consent: Consent
    ) -> Known | None:
        """What the resource of this call is. ``None`` where the grant may not ask, or gets no answer: then the first
        call under a yes decides what that is for."""
        look, provider = looking(bound, scope), bound.operation.provider
        if look is None or not provider.covers(consent.grant.permissions, look.scope.permissions):
            return None
        try:
            resource, known = await self._asked(caller, look, connector, consent)
        except LoanerError:
            return None
        return Known(scope.resource, resource, known) if known else None

    async def _asked(self, caller: Caller, look: Looking, connector: Connector, consent: Consent) -> tuple[str, str]:
        grant = consent.grant
        call, operation = _Looked(look.bound.operation.tool), look.bound.operation
        async with self.audit.opened(call, caller) as record:
            record.kind = "look_up"
            record.asked(operation, look.bound, connector=connector.name)
            record.needed(look.scope)
            record.grant_id = grant.id
            account = LimitKey.of(operation.provider, grant.connector, grant.account_id)
            borrower = Borrower(call.id, caller, connector, consent.to_look_up(), account)
            async with (
                self.limiter.obeying(account, look.bound),
                self.lender.lend(borrower, look.bound, look.scope, record) as loan,
            ):
                (sent := partial(record.sent, operation.request))()
                pass_through = loan.style == "pass_through"
                terms = Terms(
                    known=loan.known,
                    young=None
                    if pass_through
                    else Young(operation.provider, loan.permissions, loan.minted_at, self.now, sent),
                    workspace=self.workspace(look.bound, connector, grant),
                    on_answer=partial(self.limiter.heard, account),
                )
                found = await look_up(look, loan.credential, self.transport, terms)
                record.answered(_Found())
                return found
