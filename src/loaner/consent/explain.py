"""What the consent to a read would come to, for who explains a call. Nobody is asked."""

from __future__ import annotations

from loaner.catalog import BoundCall
from loaner.consent import approvals
from loaner.consent.call import call_for
from loaner.consent.consents import Consents
from loaner.identity.caller import Caller
from loaner.policy import Ask, Ruling
from loaner.scope import Scope
from loaner.settings import Connector


async def in_task(consents: Consents, caller: Caller, bound: BoundCall, scope: Scope) -> str:
    """Where the call stands to the tasks that run; empty where none does, and none has to be agreed to first."""
    tasks = consents.tasks
    running = await tasks.binding(caller)
    if not running:
        return "its task has to be agreed to first" if tasks.host is not None else ""
    if inside := await tasks.fitting(caller, bound, scope):
        return f"inside the task “{next(one.purpose for one in running if one.id == inside)}”"
    call = call_for(caller, bound, scope, policy_version=consents.policy_version, in_task=True)
    answer = "refused" if tasks.refuses_outside(running) else "the person is asked"
    return f"{await tasks.outside(running, call)}: {answer}"


async def reading(
    consents: Consents, caller: Caller, bound: BoundCall, scope: Scope, connector: Connector, ruling: Ruling
) -> str:
    """Whether the person is asked what may be read, beside what the rules say of the call; empty if not."""
    if bound.operation.effect != "read" or consents.settings.reads != "each" or isinstance(ruling, Ask):
        return ""
    if await consents.tasks.binding(caller):
        return ""  # a task counts reads too, and nothing else is asked about them
    call = call_for(caller, bound, scope, connector=connector.name, policy_version=consents.policy_version, exact=False)
    at = consents.now()
    if agreed := await consents.store.read(lambda c: approvals.matching(c, call, at)):
        return f"agreed to: {agreed.phrase}"
    return "the person is asked first what may be read there (consent.reads is each)"
