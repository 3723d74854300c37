"""A call as an approval compares it: of the call itself, and of the question that was put about it."""

from __future__ import annotations

from loaner.catalog import BoundCall
from loaner.catalog.mentions import NOBODY, NOTIFIES, mentioned
from loaner.consent.approvals import ApprovableCall
from loaner.consent.requests import ConsentRequest, Remember
from loaner.identity.caller import Caller
from loaner.policy import Ask, Ruling
from loaner.scope import Scope


def exactly(bound: BoundCall, ruling: Ruling) -> bool:
    """Will only a yes to this very call do? A read that no rule asks about is only asked for where a task runs, and a
    task may cover it."""
    asks = isinstance(ruling, Ask) and ruling.exact
    return asks or bound.operation.effect == "destructive"


def call_for(
    caller: Caller,
    bound: BoundCall,
    scope: Scope,
    *,
    policy_version: str,
    connector: str = "",
    exact: bool = False,
    task: str | None = None,
    in_task: bool = False,
) -> ApprovableCall:
    """What a call needs now."""
    return ApprovableCall(
        subject=caller.subject.key,
        agent=caller.agent.key,
        environment=caller.environment,
        connector=connector,
        operation=bound.operation.tool,
        resource=scope.resource,
        digest=bound.digest,
        policy_version=policy_version,
        exact=exact,
        permissions=scope.permissions,
        alternatives=scope.alternatives,
        ids=scope.ids,
        effect=bound.operation.effect,
        names=scope.names,
        arguments=dict(bound.agreed) | ({} if mentioned(bound) else {NOTIFIES: NOBODY}),
        task=task,
        leads_out=scope.leads_out,
        rings=frozenset(one.param for one in mentioned(bound) if one.mention.broad),
        in_task=in_task,
    )


def call_of(asked: ConsentRequest, remember: Remember) -> ApprovableCall:
    """The call that a question is about, with all that was shown and nothing else: what an answer approves."""
    return ApprovableCall(
        subject=asked.subject,
        agent=asked.asked_by.key,
        environment=asked.environment,
        connector=asked.connector,
        operation=asked.tool,
        resource=asked.shown["resource"],
        digest=asked.digest,
        policy_version=asked.policy_version,
        # A destructive call is only ever approved with its exact arguments, whatever the form said.
        exact=remember == "once" or not asked.shown["may_remember"],
        permissions=asked.permissions,
        alternatives=tuple(frozenset(one) for one in asked.shown.get("alternatives", ())),
        ids=asked.shown.get("ids", {}),
    )
