"""The life of one call. Read this first.

Each room hands on a value that the next one needs, so no step can be skipped without a type error:
``Caller → Operation → BoundCall → Scope → Ruling → Consent → Loan → Reply → Record``. A test leaves out each in turn.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from loaner.audit import Audit, Draft
from loaner.audit.drift import Drifts
from loaner.blocks.calls_in_flight import CallsInFlight
from loaner.canonical import CanonicalCall, with_permissions
from loaner.catalog import BoundCall, Catalog, PlannedRequest
from loaner.catalog.result import Admits
from loaner.clock import Now
from loaner.connectors import Connectors
from loaner.consent import Consent, Consents, explain
from loaner.cursors import Cursors
from loaner.errors import ConsentNeeded, LoanerError, PolicyDenied, ScopeNotGrantable
from loaner.identity.caller import Caller, UnverifiedToken
from loaner.identity.host_tasks import HostTasks
from loaner.lending import Borrower, Lender
from loaner.lending.loan import Loan
from loaner.limits.costs import costs
from loaner.limits.key import LimitKey
from loaner.limits.limiter import Limiter
from loaner.look_ups import LookUps
from loaner.policy import Policy, Ruling
from loaner.provider_call import Answer, ProviderTransport, Reply, Terms, Young, send_patiently
from loaner.scope import Scope
from loaner.settings import Connector


@dataclass(frozen=True)
class ToolCall:
    """What an agent asks for. ``id`` is ours, so that no client can name another call's record."""

    tool: str
    arguments: Mapping[str, Any]
    task: UnverifiedToken | None = field(default=None, repr=False)
    """What its host says that it is for, as it came in."""
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
    reading: str
    """Of a read that no rule asks about: what the person is asked, or agreed to. Empty where nothing is."""
    task: str
    """Where it stands to the tasks that run for this caller; empty where none does."""
    requests: list[PlannedRequest]


@dataclass(frozen=True)
class Journey:
    audit: Audit
    catalog: Catalog
    policy: Policy
    connectors: Connectors
    consents: Consents
    lender: Lender
    looks: LookUps
    transport: ProviderTransport
    cursors: Cursors
    limiter: Limiter
    drifts: Drifts
    task_tokens: HostTasks
    running: CallsInFlight
    now: Now

    async def carry(self, call: ToolCall, sender: Caller) -> Reply:
        """Carry one call from the asking to the key given back. Raises a :class:`loaner.errors.LoanerError`."""
        async with self.audit.opened(call, sender) as record:  # closed on every way out
            caller = await self.task_tokens.bound(call.task, sender)  # to what its host signed, if it did
            operation = self.catalog[call.tool]  # what is asked
            record.asked(operation)
            arguments = self.cursors.opened(operation.tool, call.arguments, caller)
            bound = operation.bind(arguments)  # checked; one exact request
            record.asked(operation, bound)
            scope = self._derived(bound)  # the least that will do
            record.needed(scope)
            task = await self.consents.tasks.inside(caller, bound, scope)  # what was agreed beforehand, if it was
            ruling = self.policy.rule(caller, bound, scope, self.now(), task=task)  # Allowed | Ask | Refused(reason)
            record.ruled(ruling, version=self.policy.version)
            connector = self.connectors.choose(operation.provider.name, caller)
            record.asked(operation, bound, connector=connector.name)
            look = partial(self.looks.known, caller, bound, scope, connector)
            consent = await self.consents.obtain(  # or asks, about what the name means now
                caller, bound, scope, ruling, connector, task=task, look=look
            )
            record.consented(consent)
            record.task = consent.task
            account = LimitKey.of(operation.provider, consent.grant.connector, consent.grant.account_id)
            meant = CanonicalCall(
                self.consents,
                lambda call, one: self.policy.rule(caller, call, one, self.now(), task=task),
                caller,
                bound,
                scope,
                ruling,
                connector,
                task,
                record,
                consent,
                look,
            )
            undone = False
            borrower = Borrower(call.id, caller, connector, consent, account)
            try:
                async with (
                    self.running.of_task(consent.task, changes=operation.effect != "read"),
                    self.limiter.obeying(account, bound),  # who asks us to wait is not asked again before
                    self.lender.lend(borrower, bound, consent.within(scope), record) as loan,  # journalled first
                ):
                    terms = Terms(
                        within=loan.within,
                        known=loan.known,
                        admits=self._admitting(bound, scope, caller, ruling, task),
                        young=self._young(loan, bound, attempting := partial(self._attempting, bound, account, record)),
                        meeting=meant.meeting(  # ruled on once more
                            named=self._goes_by_names(scope), by_id=scope.provider in self.policy.by_id
                        ),
                        workspace=self.looks.workspace(bound, connector, consent.grant),
                        on_attempt=attempting,
                        on_answer=self._listening(bound, scope, account, record),
                    )
                    # A write once; one key whatever happens, returned on leaving.
                    reply = await send_patiently(bound, loan.credential, self.transport, terms)
                    record.answered(reply)
                    await meant.reached(reply.reached)
                    agreed = reply.of_agreed(consent.agreed)
                    if operation.rule.account and ":" not in scope.resource:
                        agreed = agreed.of_account(loan.within, loan.left_out)
                    return self.cursors.signed(operation.tool, agreed, caller)
            except LoanerError as refused:
                answer = await meant.refused(refused)
                undone = answer.undone
                if isinstance(answer, ScopeNotGrantable):
                    answer = await self._stepping_up(answer, bound, caller, connector)
                if answer is refused:
                    raise
                raise answer from None
            finally:
                await self._unspend(meant.consent, record, undone=undone)

    def _derived(self, bound: BoundCall) -> Scope:
        """The scope; with what it takes to find out the canonical name, where the rules go by names."""
        scope = bound.scope
        if not self._goes_by_names(scope):
            return scope
        return with_permissions(bound, scope, by_id=scope.provider in self.policy.by_id)

    def _goes_by_names(self, scope: Scope) -> bool:
        """Does it matter to the rules what this provider calls a thing?"""
        return scope.provider in self.policy.protected | self.policy.by_argument

    async def _stepping_up(
        self, refused: ScopeNotGrantable, bound: BoundCall, caller: Caller, connector: Connector
    ) -> LoanerError:
        """The provider wants more than the least: where an argument leads to it, the person is asked for it now."""
        if refused.step is None:
            return refused
        name, value = refused.step
        wider = bound.operation.bind({**bound.arguments, name: value})
        scope = self._derived(wider)
        task = await self.consents.tasks.inside(caller, wider, scope)
        ruling = self.policy.rule(caller, wider, scope, self.now(), task=task)
        try:
            look = partial(self.looks.known, caller, wider, scope, connector)
            consent = await self.consents.obtain(caller, wider, scope, ruling, connector, task=task, look=look)
        except ConsentNeeded as asked:
            return asked.stepping_up(refused)
        if consent.approval_id:
            await self.consents.give_back_use(consent.approval_id)  # the repeated call will take it
        return refused

    def _admitting(
        self, bound: BoundCall, scope: Scope, caller: Caller, ruling: Ruling, task: str | None
    ) -> Admits | None:
        """Which resources an answer may speak of; none where no rule tells one from another."""
        if scope.provider not in self.policy.protected:
            return None
        at = self.now()

        def admits(resource: str, known: str, around: tuple[str, ...]) -> bool:
            name = self.catalog.names.resource(resource)
            wider = bound.operation.provider.wider_than(name)
            ids = {name: known} if known else {}
            one = replace(scope, resource=name, wider=wider, narrower="", ids=ids, around=around, beside=())
            return self.policy.admits(caller, bound, one, at, ruling, task=task)

        return admits

    def _attempting(self, bound: BoundCall, account: LimitKey, record: Draft) -> None:
        """One use of the credential. What the first costs was taken beforehand."""
        if record.used:
            self.limiter.owe(account, costs(bound, minting=False))
        record.sent(bound.operation.request)

    def _listening(self, bound: BoundCall, scope: Scope, account: LimitKey, record: Draft) -> Callable[[Answer], None]:
        """What every answer says besides its result: how the limits stand, and which permissions it names."""

        def hear(answer: Answer) -> None:
            record.heard(answer.status)
            self.limiter.heard(account, answer)
            self.drifts.look(bound, scope, account.connector, answer)

        return hear

    def _young(self, loan: Loan, bound: BoundCall, on_repeat: Callable[[], object]) -> Young | None:
        """A minted credential may be too new to be known everywhere; the grant's own is not."""
        if loan.style == "pass_through":
            return None
        return Young(bound.operation.provider, loan.permissions, loan.minted_at, self.now, on_repeat)

    async def _unspend(self, consent: Consent, record: Draft, *, undone: bool) -> None:
        """A yes is used up by a call that left for the provider, and by no other; nor by one that it refused to do."""
        if consent.approval_id and (undone or not record.used):
            await self.consents.give_back_use(consent.approval_id)

    async def explain(self, bound: BoundCall, caller: Caller) -> Explanation:
        """Say what :meth:`carry` would do, from the same steps; also of a tool that is not shown."""
        scope = self._derived(bound)
        task = await self.consents.tasks.fitting(caller, bound, scope)
        ruling = self.policy.rule(caller, bound, scope, self.now(), task=task)
        in_task = await explain.in_task(self.consents, caller, bound, scope)
        told = Explanation(bound, scope, ruling, None, connected=False, reading="", task=in_task, requests=bound.plan())
        try:
            connector = self.connectors.choose(bound.operation.provider.name, caller)
        except PolicyDenied:
            return told
        grant = await self.consents.covering(caller, bound, scope, connector)
        reading = await explain.reading(self.consents, caller, bound, scope, connector, ruling)
        return replace(told, connector=connector.name, connected=grant is not None, reading=reading)
