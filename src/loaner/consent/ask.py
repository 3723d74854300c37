"""Putting a question: what the person will be shown, which question a repeated call belongs to, what the agent is told.

The page's words are made here, from the operation and its scope, when the question is put. Nothing that the agent
says about itself or its purpose gets in, except its name, which is marked as reported or verified.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from loaner.catalog import BoundCall
from loaner.catalog.mentions import MOST_TOLD, mentioned
from loaner.clock import iso
from loaner.consent import codes, pauses, requests
from loaner.consent.known import Known
from loaner.consent.pauses import About
from loaner.consent.reading import Offer
from loaner.consent.requests import ConsentRequest, NewRequest
from loaner.consent.tasks.scope import TaskScope
from loaner.errors import (
    ConsentDenied,
    ConsentExpired,
    ConsentNeeded,
    GrantBroken,
    Invitation,
    LoanerError,
    RateLimited,
    SettingsInvalid,
)
from loaner.identity.caller import Caller, HostTask
from loaner.scope import Scope
from loaner.settings import Connector, ConsentSettings
from loaner.store import Sealed

TASK_TOOL = "loaner_propose_task"


def shown(bound: BoundCall, scope: Scope, *, exact: bool) -> dict[str, Any]:
    """All that the page says about the call, ready to be stored."""
    operation = bound.operation
    return {
        "phrase": operation.phrase(bound),
        "phrase_any": operation.phrase_any(bound),
        "summary": operation.summary,
        "effect": operation.effect,
        "at": operation.provider.title,
        "payload": [list(pair) for pair in bound.payload],
        "mentions": [[one.mention.who, list(one.found[:MOST_TOLD]), len(one.found)] for one in mentioned(bound)],
        "permissions": sorted(scope.permissions),
        "alternatives": [sorted(one) for one in scope.alternatives],
        "resource": scope.resource,
        "ids": dict(scope.ids),
        "limits": [{"what": one.what, "value": one.value, "by": one.enforced_by} for one in scope.limits],
        # A wider approval of something destructive, of notifying many, or of another place would be a blank cheque.
        "may_remember": operation.effect == "write"
        and not exact
        and not scope.leads_out
        and not any(one.mention.broad for one in mentioned(bound)),
        # What is destroyed is typed by the person, so that no habit presses the button.
        "target": scope.resource_name if operation.effect == "destructive" else "",
    }


def need_of(bound: BoundCall, scope: Scope, connector: Connector, *, wants_approval: bool) -> str:
    """Names what is missing, so that repeats of a call meet the question that is already waiting.

    Calls that only lack a grant share one question however they differ; approvals are of exact arguments.
    """
    # An approval of a name that means another thing now is no answer to the question about that.
    approval = [bound.operation.tool, bound.digest, *([sorted(scope.ids.items())] if scope.ids else [])]
    what = approval if wants_approval else sorted(scope.permissions)
    parts = [connector.name, scope.provider, wants_approval, what]
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


def _need_to_read(offer: Offer, connector: Connector) -> str:
    """All reads of one kind in one place share a question, and a "no" to it is one to all of them."""
    parts = ["read", connector.name, offer.resource, offer.kind if offer.place else offer.tool]
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True)
class Asking:
    """With what a question is put: the seal of its code, the settings, where it is answered, and when."""

    sealed: Sealed
    settings: ConsentSettings
    base_url: str
    policy_version: str
    at: datetime
    since: datetime | None = None
    """When a call began to look whether its person had agreed."""


@dataclass(frozen=True)
class CallQuestion:
    """What a call lacks."""

    caller: Caller
    bound: BoundCall
    scope: Scope
    connector: Connector
    wants_grant: bool
    wants_approval: bool
    exact: bool
    outside: str
    offer: Offer | None = None
    known: Known | None = None
    """What the provider says now that the resource is."""

    @property
    def need(self) -> str:
        if self.offer:
            return _need_to_read(self.offer, self.connector)
        return need_of(self.bound, self.scope, self.connector, wants_approval=self.wants_approval)

    @property
    def said(self) -> str:
        return f"{self.scope.told()}; {self.outside}" if self.outside else self.scope.told()

    @property
    def shown(self) -> dict[str, Any]:
        told = shown(self.bound, self.scope, exact=self.exact) | {"outside": self.outside}
        return told | ({"reads": self.offer.stored()} if self.offer else {}) | (self.known.shown if self.known else {})


def put(connection: Connection, asking: Asking, question: CallQuestion, *, new: bool = True) -> LoanerError | None:
    """The answer to a call that lacks consent: a new question, the one that waits, or how the last one ended.
    ``None`` instead of a new question if not ``new``.

    Inside the caller's transaction, so that a call repeated at the same moment finds the same question.
    """
    wanted = NewRequest(
        caller=question.caller,
        need=question.need,
        tool=question.bound.operation.tool,
        provider=question.scope.provider,
        connector=question.connector.name,
        wants_grant=question.wants_grant,
        wants_approval=question.wants_approval,
        digest=question.bound.digest,
        shown=question.shown,
    )
    return _put(connection, asking, wanted, question.said, new=new)


def put_task(
    connection: Connection,
    asking: Asking,
    caller: Caller,
    task_scope: TaskScope,
    *,
    source: str,
    supplied: tuple[HostTask, str] | None = None,
) -> LoanerError:
    """The same for a task that is proposed; it needs no provider yet. ``supplied``: what its host signed, its id."""
    signed = {"issuer": supplied[0].issuer, "ends": iso(supplied[0].ends), "task_id": supplied[1]} if supplied else {}
    wanted = NewRequest(
        caller=caller,
        need=supplied[0].id if supplied else task_scope.need,
        tool=TASK_TOOL,
        provider="",
        connector="",
        wants_grant=False,
        wants_approval=True,
        digest=task_scope.need,
        shown={
            "phrase": task_scope.phrase,
            "permissions": [],
            "resource": "",
            "may_remember": False,
            "task": task_scope.stored(),
            "source": source,
            **signed,
        },
    )
    answer = _put(connection, asking, wanted, task_scope.phrase)
    assert answer is not None  # noqa: S101 - a new question was wanted
    return answer


def _put(
    connection: Connection, asking: Asking, wanted: NewRequest, said: str, *, new: bool = True
) -> LoanerError | None:
    caller, at, base_url = wanted.caller, asking.at, asking.base_url
    last = requests.newest(connection, caller.key, wanted.need)
    if last and last.state_at(at) in requests.OPEN:
        return _still_pending(asking, last, wanted.tool, said)
    # Where only a grant lacks, the account is what was refused. A read that was refused is about its own place: else
    # one that a text asked for, and its person refused, would keep every other read of that account away.
    about = About.wanted(
        (caller.subject.key, caller.agent.key, caller.environment),
        wanted.tool,
        wanted.shown["resource"],
        wanted.connector,
        only_grant=wanted.wants_grant and not wanted.wants_approval,
    )
    pause = pauses.holding(connection, about, at)
    if ended := pause.refusal(at, base_url) if pause else last and _ending(last, at):
        if last:
            requests.mark_told(connection, last.handle)
        return ended
    if not new:
        return None
    if asking.since and (answered := requests.approved_between(connection, caller.key, asking.since, at)):
        # It looked before that answer came. Repeated, it goes through; a new question would be one too many.
        return _still_pending(asking, answered, wanted.tool, said)
    added = add(connection, asking, wanted)
    if isinstance(added, LoanerError):
        return added
    asked, code = added
    return ConsentNeeded(invitation(asked, code, base_url, at), tool=wanted.tool, need=said, fresh=True)


def _still_pending(asking: Asking, asked: ConsentRequest, tool: str, said: str) -> ConsentNeeded:
    """The question that was put before, with the same code: the call is repeated later."""
    code = codes.shown_code(asking.sealed, asked.code_shown, asked.handle)
    return ConsentNeeded(invitation(asked, code, asking.base_url, asking.at), tool=tool, need=said, fresh=False)


def add(connection: Connection, asking: Asking, wanted: NewRequest) -> tuple[ConsentRequest, str] | LoanerError:
    """One more question and its code, unless too many wait already. Raises :class:`PolicyDenied` when blocked.

    One agent has all places but one, so that another agent of the same person can still ask.
    """
    caller, at, most = wanted.caller, asking.at, asking.settings.pending_per_person
    waiting = requests.open_of(connection, caller.subject, at)
    mine = [one for one in waiting if one.asked_by.key == caller.agent.key]
    begun_here = "connect" in wanted.shown  # by the person, who cannot starve themselves
    if not begun_here and len(mine) >= max(1, most - 1):
        return _too_many(mine, asking.base_url, at)
    if len(waiting) >= most:
        return _too_many(waiting, asking.base_url, at)
    until = at + timedelta(seconds=asking.settings.lifetime_seconds)
    return requests.add(connection, asking.sealed, wanted, policy_version=asking.policy_version, at=at, until=until)


def invitation(asked: ConsentRequest, code: str, base_url: str, at: datetime) -> Invitation:
    return Invitation(
        handle=asked.handle,
        url=f"{base_url}/consent/{asked.handle}",
        user_code=code,
        expires_in=max(1, int((asked.expires_at - at).total_seconds())),
        sentence=asked.shown["phrase"],
    )


def _ending(last: ConsentRequest, at: datetime) -> LoanerError | None:
    """How an answered question ended, for the agent: told once, and then it may be asked anew. (A "no" is told while
    its pause lasts, and once more where nobody came for it meanwhile.)"""
    state = last.state_at(at)
    if state == "denied" and not last.told:
        return ConsentDenied(
            "the user refused this operation.",
            do="Ask them what they want instead.",
            dont="Do not retry it or reach it by another tool.",
        )
    if last.told:
        return None
    if state == "expired":
        return ConsentExpired(
            "nobody answered in time. Nothing was sent.",
            do="Tell the user, then repeat the call when they are there to answer.",
        )
    if state == "failed" and (last.flow or {}).get("settings"):
        return SettingsInvalid(
            f"the account could not be connected: {last.failure}",
            do="Tell the user and their operator.",
            dont="Don't repeat the call before that is done.",
        )
    if state == "failed":
        return GrantBroken(
            f"the account could not be connected: {last.failure}",
            do="Tell the user. Repeating the call asks them again.",
        )
    return None


def _too_many(waiting: list[ConsentRequest], base_url: str, at: datetime) -> LoanerError:
    """One more question would train the person to press yes (consent fatigue); so none is added."""
    first = min(one.expires_at for one in waiting)
    return RateLimited(
        f"{len(waiting)} questions already wait for the user's answer; no further one was put. Nothing was sent.",
        retry_after=max(1, int((first - at).total_seconds())),
        do=f"Ask them to answer those at {base_url}/ first, then repeat this call.",
        dont="Don't send other calls that need approval meanwhile.",
    )
