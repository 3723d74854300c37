"""The life of one call. Read this first.

Each room hands on a value that the next one needs, so no step can be skipped without a type error:
``Caller → Operation → BoundCall → Scope → Ruling → Consent → Loan → Reply → Record``.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loaner.audit import Audit, Draft
from loaner.caller import Caller
from loaner.catalog import BoundCall, Catalog, PlannedRequest
from loaner.connectors import Connectors
from loaner.consent import Consent, Consents
from loaner.cursors import Cursors
from loaner.errors import PolicyDenied
from loaner.lending import Lender, Need
from loaner.policy import Policy, Ruling
from loaner.provider_call import ProviderTransport, Reply, send
from loaner.scope import Scope, derive


@dataclass(frozen=True)
class ToolCall:
    """What an agent asks for. ``id`` is ours, so that no client can name another call's record."""

    tool: str
    arguments: Mapping[str, Any]
    id: str = field(default_factory=lambda: secrets.token_hex(16))


@dataclass(frozen=True)
class Explanation:
    """What would happen to a call. Nothing was sent, nothing was minted, nobody was asked."""

    bound: BoundCall
    scope: Scope
    ruling: Ruling
    connector: str | None
    """Which registered app would serve it; ``None`` where none is configured for this caller."""
    connected: bool
    requests: list[PlannedRequest]


@dataclass(frozen=True)
class Journey:
    audit: Audit
    catalog: Catalog
    policy: Policy
    connectors: Connectors
    consents: Consents
    lender: Lender
    transport: ProviderTransport
    cursors: Cursors

    async def carry(self, call: ToolCall, caller: Caller) -> Reply:
        """Carry one call from the asking to the key given back. Raises a :class:`loaner.errors.LoanerError`."""
        async with self.audit.opened(call, caller) as record:  # closed on every way out
            operation = self.catalog[call.tool]  # what is asked
            record.asked(operation)
            arguments = self.cursors.opened(operation.tool, call.arguments, caller)
            bound = operation.bind(arguments)  # checked; one exact request
            record.asked(operation, bound)
            scope = derive(bound)  # the least that will do
            record.needed(scope)
            ruling = self.policy.rule(caller, bound, scope)  # Allowed | Ask | Refused(reason)
            record.ruled(ruling, version=self.policy.version)
            connector = self.connectors.choose(operation.provider.name, caller)
            record.asked(operation, bound, connector=connector.name)
            consent = await self.consents.obtain(caller, bound, scope, ruling, connector)  # or ConsentNeeded
            record.consented(consent)
            need = Need(call.id, caller, connector, consent.grant.id)
            try:
                async with self.lender.lend(need, bound, scope, record) as loan:  # one key, journalled before minting
                    record.sent(operation.request)
                    reply = await send(bound, loan.credential, self.transport)  # one use; returned on leaving
                    record.answered(reply)
                    return self.cursors.signed(operation.tool, reply, caller)
            finally:
                await self._unspend(consent, record)

    async def _unspend(self, consent: Consent, record: Draft) -> None:
        """A yes is used up by a call that left for the provider, and by no other."""
        if consent.approval_id and not record.used:
            await self.consents.give_back_use(consent.approval_id)

    async def explain(self, call: ToolCall, caller: Caller) -> Explanation:
        """Say what :meth:`carry` would do, from the same steps."""
        bound = self.catalog[call.tool].bind(call.arguments)
        scope = derive(bound)
        provider = bound.operation.provider
        ruling = self.policy.rule(caller, bound, scope)
        try:
            connector = self.connectors.choose(provider.name, caller)
        except PolicyDenied:
            return Explanation(bound, scope, ruling, None, connected=False, requests=bound.plan())
        grant = await self.consents.grants.covering(caller, connector, provider, scope.permissions)
        return Explanation(bound, scope, ruling, connector.name, connected=grant is not None, requests=bound.plan())
