"""The end of a question: a yes becomes grant and approval in one transaction; every other end has its words."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from loaner.blocks import blocks
from loaner.blocks.blocks import Party
from loaner.catalog.provider import Provider
from loaner.clock import Now
from loaner.consent import approvals, events, new_approval, pauses, requests
from loaner.consent.bell import Bell
from loaner.consent.events import NoteEvent
from loaner.consent.misfit import misfit
from loaner.consent.pauses import About
from loaner.consent.reading import Choice
from loaner.consent.requests import ConsentRequest, Remember, State
from loaner.consent.tasks import stored
from loaner.consent.tasks.scope import TaskScope
from loaner.consent.texts import all_opened
from loaner.errors import GrantBroken, StoreUnusable
from loaner.failpoints import reached
from loaner.grants import exchange, owners, pending_pairs, unconfirmed
from loaner.grants.device_flow import Body
from loaner.grants.exchange import ExchangeFailed
from loaner.grants.grants import Grant, Granted, Grants
from loaner.grants.owners import DifferentAccount, SomebodyElses
from loaner.grants.token_endpoint import NoTokens, token_set
from loaner.grants.unsaved import EndUnused, UnsavedTokens
from loaner.identity.caller import Caller
from loaner.provider_call import ProviderTransport
from loaner.settings import Connector
from loaner.store import Store, clock_seen


class TooLate(Exception):
    """The question was answered or ran out while this answer was under way."""


class Resolver:
    """Ends questions; the only place that turns one into ``approved``."""

    def __init__(
        self,
        store: Store,
        grants: Grants,
        transport: ProviderTransport,
        now: Now,
        bell: Bell,
        note: NoteEvent,
        end_unused: EndUnused,
    ) -> None:
        self.store = store
        self.grants = grants
        self.transport = transport
        self.now = now
        self.bell = bell
        self.note = note
        self.end_unused = end_unused
        self.unwritten = UnsavedTokens(store)
        self.clock = clock_seen.Watched()

    async def tokens(self, asked: ConsentRequest, provider: Provider, connector: Connector, answer: Body) -> None:
        """Keep what the provider granted, if it is what was asked and from the right account; else say why not."""
        reached("consent.answered")
        try:
            tokens = token_set(answer, provider, asked.permissions)
        except NoTokens:
            await self.no_pair(asked.handle)
            await self.fail(asked.handle, f"{provider.title} gave no access. Nothing was connected.")
            return
        granted = Granted(asked.subject, connector, provider, asked.environment, tokens, None)
        try:
            granted = replace(granted, account=await exchange.account(self.transport, provider, tokens.access))
            problem = await misfit(self.grants, asked, granted)
            if problem is None:
                await self._keep(asked, granted)
        except ExchangeFailed:
            problem = f"{provider.title} did not say whose account this is, so nothing was connected."
        except DifferentAccount as failure:
            problem = await self._refused_account(asked, failure)
        except TooLate as failure:
            problem = str(failure)
        except StoreUnusable:
            await self._set_aside(asked, granted, "loaner could not store it")
            raise
        if problem:
            await self._set_aside(asked, granted, "what was granted was not connected")
            await self.fail(asked.handle, problem)

    async def confirm(self, asked: ConsentRequest, provider: Provider, connector: Connector) -> None:
        """The person says that the account is theirs. What is in the way ends the question, and what was granted."""

        def work(connection: Connection) -> bool:
            at = self.now()
            if not requests.move(connection, asked.handle, to="approved", of="account", at=at):
                return False
            grant = unconfirmed.confirm(connection, self.grants, asked.handle, at)
            owners.refuse_others(connection, grant, connector, provider)
            self._linked(connection, asked, grant, at)
            return True

        try:
            await self._rung(work)
        except DifferentAccount as failure:
            await self.disown(asked, await self._refused_account(asked, failure))
        except GrantBroken as failure:
            await self.disown(asked, f"{failure.cause[0].upper()}{failure.cause[1:]}")

    async def disown(self, asked: ConsentRequest, words: str) -> bool:
        """Nothing is connected, and what was granted is ended at the provider; whether the question was open."""
        at = self.now()
        gone = await self._rung(
            lambda c: requests.move(c, asked.handle, to="failed", of="account", at=at, failure=words)
        )
        if unwanted := await self.store.write(lambda c: unconfirmed.disown(c, asked.handle)):
            await self.end_unused(unwanted)
        return gone

    async def _refused_account(self, asked: ConsentRequest, failure: DifferentAccount) -> str:
        """In words for the page."""
        if isinstance(failure, SomebodyElses):
            await self._told_to_both(asked, failure)
        return f"{failure.cause[0].upper()}{failure.cause[1:]} {failure.do}"

    async def _told_to_both(self, asked: ConsentRequest, failure: SomebodyElses) -> None:
        """In the records of whoever tried, and of whoever has the account: they may have typed a code that was sent."""

        def work(connection: Connection) -> None:
            at, proof = self.now(), asked.proven_by or "none"
            for subject in (asked.subject, failure.owner):
                whose = replace(asked, subject=subject)
                self._note(connection, "account_refused", whose, at, proof, code=failure.code, outcome="denied")

        await self.store.write(work)

    async def _set_aside(self, asked: ConsentRequest, granted: Granted, reason: str) -> None:
        """Nobody will use it: list it with its tokens, and end it. Raises :class:`StoreUnusable` when that is later."""
        at = self.now()

        def work(connection: Connection) -> Grant:
            pending_pairs.close(
                connection, pending_pairs.id_of(asked.handle), state="returned", how="to be ended unused", at=at
            )
            return self.grants.set_aside(connection, granted, at, reason=reason)

        await self.end_unused(await self.unwritten.write(f"{asked.handle} {secrets.token_hex(4)}", work))

    async def no_pair(self, handle: str, *, how: str = "nothing was issued") -> None:
        """What the provider was asked for does not exist, or not any more."""
        at = self.now()
        await self.store.write(
            lambda c: pending_pairs.close(c, pending_pairs.id_of(handle), state="failed", how=how, at=at)
        )

    async def approve(
        self, asked: ConsentRequest, *, remember: Remember, proven_by: str, reading: Choice | None = None
    ) -> bool:
        """A yes that needs no provider; whether the question was still open."""

        def work(connection: Connection) -> bool:
            at = self.now()
            # First the state: of two simultaneous answers the second must not leave an approval behind.
            answer: dict[str, Any] = {
                "remember": remember,
                "reading": reading.stored() if reading else None,
                "proven_by": proven_by,
            }
            if not requests.move(connection, asked.handle, to="approved", at=at, **answer):
                return False
            pauses.end(connection, About.asked(asked))
            if approval_id := new_approval.store(connection, asked, remember, reading, proven_by, at):
                self._note(connection, "approval_given", asked, at, proven_by, approval_id=approval_id)
            return True

        return await self._rung(work)

    async def agree(self, asked: ConsentRequest, task_scope: TaskScope, *, proven_by: str) -> bool:
        """A yes to a task as the person left it; whether the question was still open."""

        def work(connection: Connection) -> bool:
            at = self.now()
            if not requests.move(connection, asked.handle, to="approved", at=at, proven_by=proven_by):
                return False
            pauses.end(connection, About.asked(asked))
            task_id = asked.shown.get("task_id") or secrets.token_hex(16)
            ends = asked.shown.get("ends")
            stored.make(
                connection,
                task_id,
                stored.Holder(asked.subject, asked.asked_by.key, asked.environment, asked.policy_version),
                task_scope,
                source=asked.shown["source"],
                proven_by=proven_by,
                need=asked.need,
                at=at,
                no_later=datetime.fromisoformat(ends) if ends else None,
            )
            self._note(connection, "approval_given", asked, at, proven_by, task=task_id)
            return True

        return await self._rung(work)

    def agreed_by_issuer(
        self,
        connection: Connection,
        caller: Caller,
        holder: stored.Holder,
        task_scope: TaskScope,
        task_id: str,
        at: datetime,
    ) -> None:
        """A task whose issuer speaks for the person. Inside the caller's transaction; :class:`PolicyDenied` behind a
        block."""
        assert caller.task is not None  # noqa: S101 - what its host signed is what is stored here
        blocks.refuse(connection, Party(caller.subject.key, caller.agent.key, caller.environment, ""))
        proof = f"signed by {caller.task.issuer}"
        stored.make(
            connection,
            task_id,
            holder,
            task_scope,
            source="issuer",
            proven_by=proof,
            need=caller.task.id,
            at=at,
            no_later=caller.task.ends,
        )
        self.note(
            connection,
            "approval_given",
            subject=caller.subject.key,
            at=at,
            **caller.agent.recorded(),
            environment=caller.environment,
            origin=caller.origin,
            reason="a task came with a call",
            policy_version=holder.policy_version,
            proven_by=proof,
            outcome="ok",
            task=task_id,
        )

    async def deny(self, asked: ConsentRequest, *, proven_by: str | None = None, words: str | None = None) -> bool:
        """A no, which is recorded with how long it took, and pauses what was asked; whether the question was open.

        To "is that you?" it is one to the account, and not to what the agent asks for.
        """
        if asked.state == "account":
            return await self.disown(asked, "You said that this account is not yours. Nothing was connected.")

        def work(connection: Connection) -> bool:
            at = self.now()
            if not requests.move(connection, asked.handle, to="denied", at=at, proven_by=proven_by, failure=words):
                return False
            if "connect" not in asked.shown:  # what a person began on their own page, nobody keeps asking for
                pauses.begin(connection, asked, at)
            after = f"asked for {asked.tool}, refused after {(at - asked.created_at).total_seconds():.1f} s"
            self._note(connection, "denied", asked, at, proven_by or "none", reason=after, outcome="denied")
            return True

        return await self._rung(work)

    async def fail(self, handle: str, words: str) -> bool:
        at = self.now()
        return await self._rung(lambda c: requests.move(c, handle, to="failed", at=at, failure=words))

    async def expire(self, handle: str, words: str) -> bool:
        at = self.now()
        return await self._rung(lambda c: requests.move(c, handle, to="expired", at=at, failure=words))

    async def _keep(self, asked: ConsentRequest, granted: Granted) -> None:
        """As the grant; or, where this person has not connected that account here, until they say that it is theirs."""

        def work(connection: Connection) -> bool:
            at = self.now()
            known = owners.has(connection, granted)
            to: State = "approved" if known else "account"
            if not requests.move(connection, asked.handle, to=to, of="linking", at=at):
                raise TooLate("This question was answered or ran out in the meantime. Nothing was connected.")
            if known:
                grant = self.grants.keep(connection, granted, at)
            else:
                grant = unconfirmed.keep(connection, self.grants, asked.handle, granted, at=at, until=asked.expires_at)
            owners.refuse_others(connection, grant, granted.connector, granted.provider)
            pending_pairs.close(
                connection, pending_pairs.id_of(asked.handle), state="returned", how="kept as the grant", at=at
            )
            if known:
                self._linked(connection, asked, grant, at)
            reached("consent.kept")
            return True

        await self._rung(work)
        reached("consent.settled")

    def _linked(self, connection: Connection, asked: ConsentRequest, grant: Grant, at: datetime) -> None:
        """Record the grant, and store what the same answer approved."""
        proof, given = asked.proven_by or "none", sorted(grant.permissions)
        self._note(connection, "grant_linked", asked, at, proof, grant_id=grant.id, granted_permissions=given)
        reading = Choice.read(asked.reading) if asked.reading else None
        if approval_id := new_approval.store(connection, asked, asked.remember or "once", reading, proof, at):
            self._note(connection, "approval_given", asked, at, proof, approval_id=approval_id, grant_id=grant.id)

    def _note(
        self, connection: Connection, kind: str, asked: ConsentRequest, at: datetime, proven_by: str, **said: Any
    ) -> None:
        """What the person said yes to, recorded with the yes."""
        whole = all_opened(connection, asked) if kind == "approval_given" else None
        said = {"proven_by": proven_by, "outcome": "ok", "whole_text_opened": whole} | events.of(asked) | said
        self.note(connection, kind, subject=asked.subject, at=at, **said)

    def note_ended(self, connection: Connection, subject: str, at: datetime, why: str, **of: str) -> None:
        """The end of an approval or a task, recorded with it, so that a row which is put back can be told."""
        self.note(connection, "approval_ended", subject=subject, at=at, reason=why, outcome="ok", **of)

    async def end_approval(self, approval_id: str, subject: str) -> bool:
        """End an approval of this person, recorded with it; whether there was one to end."""
        at = self.now()

        def work(connection: Connection) -> bool:
            ended = approvals.end(connection, approval_id, subject, at)
            if ended:
                self.note_ended(connection, subject, at, "by its person", approval_id=approval_id)
            return ended

        return await self.store.write(work)

    async def _rung(self, work: Callable[[Connection], bool]) -> bool:
        changed = await self.store.write(work)
        if changed:
            self.bell.ring()
        return changed
