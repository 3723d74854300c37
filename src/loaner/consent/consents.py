"""Consents: does a person's yes cover this call? If not, a question is put, and the call ends here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from loaner.blocks.calls_in_flight import CallsInFlight
from loaner.catalog import BoundCall, Catalog
from loaner.clock import Now
from loaner.connectors import Connectors
from loaner.consent import approvals, ask, codes, pauses, reopen, requests, single_use, texts
from loaner.consent.alias import NamedCall
from loaner.consent.approvals import ApprovableCall
from loaner.consent.bell import Bell
from loaner.consent.call import call_for, call_of, exactly
from loaner.consent.connecting import Connecting
from loaner.consent.consent import Standing, by_approval
from loaner.consent.events import NoteEvent
from loaner.consent.known import Look, once
from loaner.consent.linking import Linking
from loaner.consent.other_names import OtherNames
from loaner.consent.polling import Polling
from loaner.consent.reading import Choice, Offer
from loaner.consent.requests import ConsentRequest, Remember, State
from loaner.consent.resolve import Resolver
from loaner.consent.tasks.proposal import Proposal
from loaner.consent.tasks.tasks import Tasks
from loaner.errors import LoanerError, PolicyDenied
from loaner.grants import unconfirmed
from loaner.grants.consent import Consent
from loaner.grants.grants import Grant, Grants
from loaner.grants.unsaved import EndUnused
from loaner.identity.caller import Caller, Subject
from loaner.policy import Allowed, Ask, Ruling
from loaner.provider_call import ProviderTransport
from loaner.scope import Scope
from loaner.settings import Connector, Settings
from loaner.store import Store

Put = Callable[..., LoanerError | None]


class Consents:
    def __init__(
        self,
        *,
        store: Store,
        grants: Grants,
        transport: ProviderTransport,
        catalog: Catalog,
        connectors: Connectors,
        settings: Settings,
        now: Now,
        base_url: Callable[[], str],
        policy_version: str,
        note: NoteEvent,
        end_unused: EndUnused,
        running: CallsInFlight,
        host_task: Proposal | None = None,
    ) -> None:
        self.store = store
        self.grants = grants
        self.settings = settings.consent
        self.now = now
        self.base_url = base_url
        self.policy_version = policy_version
        self._bell = Bell()
        self._by_other = OtherNames(store, now)
        self._resolver = Resolver(store, grants, transport, now, self._bell, note, end_unused)
        self.unwritten = self._resolver.unwritten
        held = connectors, settings.consent, now, base_url, policy_version
        self.tasks = Tasks(store, catalog, *held, self._resolver, running, host_task)
        self.connecting = Connecting(store, grants, catalog, connectors, settings, now, base_url, policy_version)
        claims = settings.identity.account_claims if settings.identity else {}
        self._linking = Linking(store, transport, catalog.providers, connectors, now, base_url, self._resolver, claims)
        self._polling = Polling(store, self._linking, connectors, settings.environment, now)

    # What a call asks.

    async def obtain(
        self,
        caller: Caller,
        bound: BoundCall,
        scope: Scope,
        ruling: Ruling,
        connector: Connector,
        *,
        task: str | None = None,
        look: Look | None = None,
    ) -> Consent:
        """The consent that covers this call; one use of its approval is taken. ``task``: the one that the rules saw.

        ``look`` tells what the call is about where a new question about a change is put: it is shown, and kept.

        Raises, of ``loaner.errors``, ``PolicyDenied``, ``ConsentNeeded``, ``ConsentDenied``, ``ConsentExpired``,
        ``GrantBroken`` (linking failed), ``RateLimited`` (too many questions) and ``SettingsInvalid`` (a wrong clock).
        """
        self._resolver.clock.refuse()
        if not isinstance(ruling, Allowed | Ask):
            raise PolicyDenied(ruling.reason, rule=ruling.rule, do=ruling.do)
        running = await self.tasks.binding(caller)
        if caller.task is not None and not running:
            raise PolicyDenied("the task that came with this call is over.", rule="task-ended")
        if task is not None and task not in {one.id for one in running}:
            # It was ruled as a part of that task, and would go out as a call of none.
            raise PolicyDenied(
                "the task that this call was a part of has just ended.", rule="task-ended", do="Call it again."
            )
        call = call_for(
            caller,
            bound,
            scope,
            connector=connector.name,
            policy_version=self.policy_version,
            exact=exactly(bound, ruling),
            task=running[0].id if caller.task else None,
            in_task=bool(running),
        )
        # While a task runs, reads are counted too: what was agreed beforehand is all that tells a call apart.
        asks = isinstance(ruling, Ask) or bool(running)
        since = self.now()
        grant = await self.covering(caller, bound, scope, connector)
        if grant is None and await self._polling.moved_on(caller.subject, scope.provider, connector.name):
            grant = await self.covering(caller, bound, scope, connector)
        reads = self.settings.reads == "each" and call.effect == "read" and not asks
        if grant and not asks and not reads:
            return Consent(grant, None, ruling.rule, None)
        at = self.now()
        approved = await self.store.read(lambda c: approvals.matching(c, call, at)) if asks or reads else None
        if grant and approved and approved.uses_left is not None:  # else there is nothing to take, or to write
            approved = await self.store.write(lambda c: approvals.consume(c, call, self.now()))
        if grant and approved:
            return by_approval(approved, grant, ruling.rule)
        named, look = NamedCall(bound, scope, call), look and once(look)
        if grant and (other := await self._by_other.consent(named, grant, ruling, running, look)):
            return other
        outside = await self.tasks.outside(running, call) if asks and (grant or not approved) else ""
        if outside and self.tasks.refuses_outside(running):
            raise PolicyDenied(
                f"it is {outside}.", rule="outside-task", do="Tell the user; only another task allows it."
            )
        question = ask.CallQuestion(
            caller=caller,
            bound=bound,
            scope=scope,
            connector=connector,
            wants_grant=grant is None,
            # With a grant, the use of whatever approval there was has just been refused.
            wants_approval=asks and (grant is not None or approved is None),
            exact=call.exact,
            outside=outside,
            offer=Offer.of(bound, scope) if reads and (grant is not None or approved is None) else None,
        )
        asking = ask.Asking(self.store.sealed, self.settings, self.base_url(), self.policy_version, self.now(), since)
        put = partial(ask.put, asking=asking)
        return await self._asked(put, question, call, grant if asks and not scope.ids else None, ruling, look)

    async def _asked(
        self,
        put: Put,
        question: ask.CallQuestion,
        call: ApprovableCall,
        grant: Grant | None,
        ruling: Ruling,
        look: Look | None,
    ) -> Consent:
        """Before a new question is put: what does the name mean now? A yes by another name of the same counts."""
        if look and grant and call.effect != "read":
            if waiting := await self.store.write(partial(put, question=question, new=False)):
                raise waiting
            if known := await look(Consent(grant, None, ruling.rule, None)):
                named = NamedCall(question.bound, question.scope, call).canonical(known)
                if approved := await self.store.write(lambda c: approvals.consume(c, named.call, self.now())):
                    return by_approval(approved, grant, ruling.rule, ids=known.ids)
                question = replace(question, bound=named.bound, scope=named.scope, known=known)
        answer = await self.store.write(partial(put, question=question))
        assert answer is not None  # noqa: S101 - only where no new question is wanted is there no answer
        raise answer

    async def pin(self, approval_id: str, ids: Mapping[str, str]) -> bool:
        """Does an approval stand for the things of these ids? It does from now on, where it was of a name alone."""
        return await self.store.write(lambda c: approvals.pin(c, approval_id, ids))

    async def give_back_use(self, approval_id: str) -> None:
        """For a call that provably never reached the provider: the person's yes is not used up by it."""
        await self.store.write(lambda c: approvals.give_back_use(c, approval_id))

    async def wait_for_decision(self, handle: str, seconds: float) -> State | None:
        """The state of a question once it is answered, or what it is when the time is over; ``None`` if unknown."""

        async def decided() -> State | None:
            state = await self._polling.advanced(handle)
            return None if state in requests.OPEN else state

        return await self._bell.until(decided, seconds) or await self.state(handle)

    async def spend_turn(self, turn: str) -> bool:
        """Whether what a client brought back is used for the first time, whichever process it comes to."""
        return await self.store.write(lambda c: single_use.spend(c, turn, self.now()))

    async def state(self, handle: str) -> State | None:
        return await self._polling.state(handle)

    async def status(self, caller: Caller) -> Standing:
        """What is connected, approved and pending for this caller."""
        mine, here = await self.standing(caller.subject), caller.environment
        agents = {caller.agent.key, approvals.ANY_AGENT}
        return Standing(
            [one for one in mine.connected if one.environment == here],
            [one for one in mine.approved if one.agent in agents and one.environment == here],
            [one for one in mine.pending if one.caller == caller.key],
            await self.tasks.of(caller),
        )

    # What a person's browser asks. Every method names the person, and another's question is as unknown as none.

    async def question(self, handle: str, subject: Subject) -> ConsentRequest | None:
        """One question of this person, in whatever state; a device flow that is due is moved on first."""
        if await self.store.read(lambda c: requests.of(c, handle, subject)) is None:
            return None
        await self._polling.advanced(handle)
        return await self.store.read(lambda c: requests.get(c, handle))

    async def opened(self, asked: ConsentRequest) -> set[int]:
        """Which of its texts this person has opened whole."""
        return await self.store.read(lambda c: texts.opened(c, asked.handle))

    async def note_opened(self, asked: ConsentRequest, place: int) -> None:
        await self.store.write(lambda c: texts.note_opened(c, asked.handle, place, self.now()))

    def code_of(self, asked: ConsentRequest) -> str:
        """The code to compare, as the agent shows it."""
        return codes.shown_code(self.store.sealed, asked.code_shown, asked.handle)

    def provider_code_of(self, asked: ConsentRequest) -> str | None:
        """The code to type at the provider, where its flow has one."""
        stored = (asked.flow or {}).get("user_code")
        if not stored:
            return None
        return codes.shown_code(self.store.sealed, bytes.fromhex(stored), asked.handle, "provider code")

    async def is_used(self, asked: ConsentRequest) -> bool:
        """Is nothing left of what this answer approved?"""
        if not asked.wants_approval or "task" in asked.shown:  # a task's page says what is left of it
            return False
        at, call = self.now(), call_of(asked, asked.remember or "once")
        return await self.store.read(lambda c: approvals.matching(c, call, at)) is None

    async def deny(self, asked: ConsentRequest, *, proven_by: str) -> None:
        await self._resolver.deny(asked, proven_by=proven_by)

    async def account_of(self, asked: ConsentRequest) -> Grant:
        """What waits for the person to say whether its account is theirs. Raises :class:`GrantBroken` where its end
        has begun."""
        return await self.store.read(lambda c: unconfirmed.of(c, self.grants, asked.handle, self.now()))

    async def ask_again(self, asked: ConsentRequest) -> bool:
        """The person takes a "no" back, and will answer anew. Raises :class:`PolicyDenied` when blocked."""
        return await self.store.write(lambda c: reopen.ask_again(c, asked, self.now()))

    async def lift_pause(self, pause_id: str, subject: Subject) -> bool:
        """The person wants to be asked again about what they refused; whether that was paused."""
        return await self.store.write(lambda c: reopen.lift_pause(c, pause_id, subject, self.now()))

    async def reaches_person(self, caller: Caller) -> bool:
        """Did this person ever answer this agent on a page? Else nothing says that its dialogs are seen by anybody.

        An answer is a form that was sent. That a page was opened says nothing: a bot opens links, and GET changes
        nothing.
        """
        who = caller.subject.key, caller.agent.key
        return await self.store.read(lambda c: requests.was_answered(c, caller.key) or approvals.any_of(c, *who))

    async def approve(
        self,
        asked: ConsentRequest,
        *,
        remember: Remember,
        proven_by: str,
        session: str,
        reading: Choice | None = None,
        accounts: Mapping[str, str] | None = None,
    ) -> str | None:
        """A yes. Returns the provider's page to go on to, where there is one. Submitting twice is harmless.

        ``session`` is the hash of the browser's session. ``reading`` is what was chosen of what a read offers; without
        it nothing is agreed to but the connection. ``accounts`` are what the sign-in says. Where it raises
        (:class:`ProviderUnavailable`, :class:`PolicyDenied`, :class:`SettingsInvalid`), the question is still open.
        """
        self._resolver.clock.refuse()
        if asked.state == "account":
            await self._linking.confirm(asked)
            return None
        style = self._linking.providers[asked.provider].consent.style
        if not asked.wants_grant or await self._linking.granted_meanwhile(asked):
            await self._resolver.approve(asked, remember=remember, proven_by=proven_by, reading=reading)
            return None
        said = {"remember": remember, "reading": reading.stored() if reading else None, "proven_by": proven_by}
        said["shown"] = self._linking.expecting(asked, accounts or {})
        at, again = self.now(), style == "code"
        if not await self.store.write(lambda c: requests.claim_linking(c, asked.handle, at=at, again=again, **said)):
            return None
        if style == "code":
            return await self._linking.start_redirect(asked, session)
        await self._linking.start_device(asked)
        return None

    async def returned(self, provider: str, answer: Mapping[str, str], *, session: str, subject: Subject) -> str | None:
        """A browser comes back from a provider. The handle of its question, or ``None`` when there is none for it."""
        return await self._linking.finish_redirect(provider, answer, session, subject.key)

    async def standing(self, subject: Subject) -> Standing:
        """Everything of one person: grants, approvals that still count, questions that wait."""
        at = self.now()
        grants = await self.grants.all_of(subject.key)
        approved = await self.store.read(lambda c: approvals.all_of(c, subject.key, at))
        waiting = await self.store.read(lambda c: requests.open_of(c, subject, at))
        denied = await self.store.read(lambda c: requests.denied_of(c, subject, at))
        paused = await self.store.read(lambda c: pauses.of_person(c, subject, at))
        return Standing(grants, approved, waiting, await self.tasks.of_person(subject), denied, paused)

    async def end_approval(self, approval_id: str, subject: Subject) -> bool:
        return await self._resolver.end_approval(approval_id, subject.key)

    # What runs beside the calls.

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Poll and sweep until cancelled."""
        await self._polling.run(task_status=task_status)

    async def poll_due(self) -> None:
        await self._polling.poll_due()

    async def sweep(self) -> int:
        """Close what nobody answered, drop what is long over; how many were closed."""
        return await self._polling.sweep()

    async def covering(self, caller: Caller, bound: BoundCall, scope: Scope, connector: Connector) -> Grant | None:
        """The grant that a credential for this call can come from."""
        for permissions in (scope.permissions, *scope.alternatives):
            if grant := await self.grants.covering(caller, connector, bound.operation.provider, permissions):
                return grant
        return None
