"""The life of one bound call on the wire: its lookups, its steps, its result."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import Any

from loaner.catalog import BoundCall
from loaner.catalog.identify import Identified
from loaner.catalog.identify_resource import Looking
from loaner.catalog.lookup import Lookup
from loaner.catalog.result import look
from loaner.catalog.shape import Shaper
from loaner.catalog.step import TEAM, WITHIN, Step
from loaner.errors import GrantBroken, NotFound, ProviderError, ProviderRejected, RateLimited
from loaner.provider_call.aside import Aside
from loaner.provider_call.echoes import Echoes
from loaner.provider_call.exchanges import Exchanges
from loaner.provider_call.failures import fail, not_as_expected, unavailable
from loaner.provider_call.finding import NameLookup
from loaner.provider_call.meeting import Meeting
from loaner.provider_call.reply import Received, Reply
from loaner.provider_call.terms import Terms
from loaner.provider_call.transport import Answer, ProviderTransport
from loaner.provider_call.verdict import judge
from loaner.scope import Beside
from loaner.secret import Secret

_ELSEWHERE_FOR_NOW = {HTTPStatus.FOUND, HTTPStatus.SEE_OTHER, HTTPStatus.TEMPORARY_REDIRECT}


async def send(bound: BoundCall, credential: Secret, transport: ProviderTransport, terms: Terms | None = None) -> Reply:
    """Carry out one call under one credential, its requests one after another; nothing is retried here.

    Raises the errors of :class:`loaner.errors.ProviderError` and :class:`loaner.errors.ScopeNotGrantable` or
    :class:`loaner.errors.GrantBroken` where the provider says so.
    """
    sending = _Sending.of(bound, credential, transport, terms or Terms())
    try:
        return await sending.run()
    except (GrantBroken, RateLimited) as refused:
        refused.undone = not sending.changed
        raise
    except ProviderError as refused:
        refused.undone = refused.undone and not sending.changed
        raise


async def look_up(
    looking: Looking, credential: Secret, transport: ProviderTransport, terms: Terms | None = None
) -> tuple[str, str]:
    """The resource by its canonical name, and its id. Nothing else is sent. Raises as :func:`send` does."""
    finding = _Sending.of(looking.bound, credential, transport, terms or Terms()).finding
    scope, identify = looking.scope, looking.identify
    if identify is None:
        found, called = await finding.found(looking.lookup, scope.resource_name) if looking.lookup else ("", "")
        return f"{scope.resource_kind}:{called}" if called else scope.resource, found
    one = await finding.identified(identify, scope.resource_kind, scope.resource_name)
    return scope.resource if identify.lasting else one.resource, one.id


@dataclass
class _Sending:
    bound: BoundCall
    terms: Terms
    exchanges: Exchanges
    received: Received
    changed: bool = False
    """A step that changes something was carried out."""
    resolved: dict[str, Any] = field(default_factory=dict)
    called: dict[str, str] = field(default_factory=dict)
    """What was looked up by another name than its canonical one."""
    named: dict[str, str] = field(default_factory=dict)
    """The canonical name of whatever was looked up, by parameter."""
    taken: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, bound: BoundCall, credential: Secret, transport: ProviderTransport, terms: Terms) -> _Sending:
        exchanges = Exchanges(bound, credential, transport, terms, Echoes([credential, *terms.known]))
        return cls(bound, terms, exchanges, Received(bound))

    async def run(self) -> Reply:
        operation = self.bound.operation
        self.taken |= {WITHIN: self.terms.within, TEAM: self.finding.team}
        for name, param in operation.params.items():
            lookup = operation.provider.lookups[param.lookup] if param.lookup else None
            if lookup and lookup.needed(self.bound.arguments.get(name)):
                self.resolved[name], called = await self.finding.found(lookup, self.bound.arguments[name])
                self.named[name] = called or self.bound.arguments[name]
                if called and param.role == "resource":
                    self.called[self.bound.arguments[name]] = called
        if self.terms.meeting:
            await self._meet(self.terms.meeting)
        status = 200
        for step in operation.steps:
            asked = step.when is None or step.when.holds(self.bound.arguments)
            if asked and (step.after is None or step.after.holds(self.received.document)):
                status = (await self._step(step)).status
        return self._shaped(status)

    @property
    def finding(self) -> NameLookup:
        known = dict(self.bound.sent) | self.resolved
        return NameLookup(
            self.bound, known, self.exchanges.one, partial(self._judge, changing=False), self.terms.workspace
        )

    async def _meet(self, meeting: Meeting) -> None:
        """Tell which resource it is that the call means; from here on, the request names it by its id."""
        if meeting.beside:
            await meeting.beside(await self._beside())
        operation, arguments = self.bound.operation, self.bound.arguments
        names = [name for name, param in operation.params.items() if param.role == "resource"]
        resource, known, around = Identified(
            meeting.resource, next((self.resolved[name] for name in names if name in self.resolved), "")
        )
        if meeting.identify:
            found, known, around = await self.finding.identified(meeting.identify, meeting.kind, meeting.name)
            resource = resource if meeting.identify.lasting else found
        elif not known and meeting.agreed:
            known = await self._still(meeting)
        if not known and meeting.wants_id and (lookup := self._check(meeting)):
            known, _ = await self.finding.found(lookup, meeting.name)
        if meeting.name in self.called:
            resource = f"{meeting.kind}:{self.called[meeting.name]}"
        if known or meeting.wants_id:
            await meeting.known(Identified(resource, known, around))
        if known:
            self.resolved |= {name: known for name in names if arguments.get(name) == meeting.name}

    async def _beside(self) -> tuple[Beside, ...]:
        """What the call reaches into besides its resource; from here on, the request names each by its id."""
        operation, found = self.bound.operation, []
        for name, resource in operation.rule.beside_for(self.bound.arguments).items():
            kind, _, called = resource.partition(":")
            called = self.named.get(name, called)
            one = Identified(f"{kind}:{called}", self.resolved.get(name, ""))
            if identify := operation.provider.identifies(one.resource):
                one = await self.finding.identified(identify, kind, called)
                self.resolved[name] = one.id
            wider = operation.provider.wider_than(one.resource)
            found.append(Beside(name, one.resource, wider, one.around, one.id, known=True))
        return tuple(found)

    async def _still(self, meeting: Meeting) -> str:
        """What a name means that the provider takes as it is: what was agreed to, unless that is called otherwise now.

        Where the grant may not ask for names, the call goes to what was agreed to, whatever that is called.
        """
        lookup, identify = self._check(meeting), self.bound.operation.provider.identify.get(meeting.kind)
        if lookup is None or identify is None:
            return ""
        if not meeting.may(lookup.usual):
            return meeting.agreed
        one = await self.finding.identified(identify, meeting.kind, meeting.agreed)
        return (
            meeting.agreed if one.resource == meeting.resource else (await self.finding.found(lookup, meeting.name))[0]
        )

    def _check(self, meeting: Meeting) -> Lookup | None:
        """How to find out what a name means that the provider takes as it is."""
        lookup = self.bound.operation.check_of_resource
        return lookup if lookup and lookup.needed(meeting.name) else None

    async def _step(self, step: Step) -> Answer:
        changing = self.bound.operation.effect != "read" and step.changes
        answer = await self.exchanges.one(
            self.bound.requests(step, self.taken, self.resolved), changing=changing, cut=step.answer == "text", to=step
        )
        if step.redirect_to and answer.status in _ELSEWHERE_FOR_NOW:
            answer = await self.exchanges.redirected(step, answer)
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES or step.answer != "text":
            await self._judge(step, answer, changing=changing)
        self.changed = self.changed or changing
        header = self.bound.operation.provider.answers.partial
        if header and answer.headers.get(header, "").startswith("partial-results"):
            self.received.partial = True
        if self.received.note:
            return answer
        if step.answer == "text":
            self.received.keep(step, {"text": answer.body if isinstance(answer.body, str) else ""})
            return answer
        body = answer.body if step.answer == "json" and answer.status != HTTPStatus.NO_CONTENT else {}
        if not isinstance(body, dict | list):
            raise unavailable(self.bound, f"unreadable answer, status {answer.status}", changing=changing)
        if step.graphql and not step.changes and _is_nothing(look(body, "data")):
            raise NotFound(f"{self.bound.operation.provider.title} shows this user nothing of that name.")
        self.received.keep(step, look(body, "data") if step.graphql else body)
        self.received.page(step, answer)
        self._take(step, body, changing=changing)
        return answer

    def _take(self, step: Step, body: Any, *, changing: bool) -> None:
        """What later steps need of this answer."""
        for expected in step.expect:
            if not expected.holds(body, self.bound.arguments, self.taken):
                raise not_as_expected(expected.otherwise)
        for name, path in step.take.items():
            self.taken[name] = look(body, path)
            if step.graphql and not step.changes and self.taken[name] is None:
                raise NotFound(f"{self.bound.operation.provider.title} shows this user nothing of that id there.")
            if not isinstance(self.taken[name], str | int):
                raise unavailable(self.bound, f"the answer lacks {path}", changing=changing)

    async def _judge(self, step: Step, answer: Answer, *, changing: bool) -> None:
        provider = self.bound.operation.provider
        verdict = None
        if not step.upload_to or answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            verdict = judge(answer, provider)
        if verdict and verdict.word and verdict.word in self.bound.operation.result.already:
            self.received.already = True
        elif verdict and verdict.word in self.bound.operation.result.nothing:
            self.received.note = self.bound.operation.result.nothing[verdict.word]
        elif verdict:
            if changing and verdict.code == "forbidden" and verdict.reason is None:
                verdict = replace(verdict, reason=await self._aside().unchangeable())
            fail(verdict, answer, self.bound, changing=changing, target=self._target())
        elif step.ok and look(look(answer.body, "data"), step.ok) is not True:
            raise ProviderRejected(f"{provider.title} says that it did not do it.")
        elif HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
            # Moved or renamed: the new place is for the caller to name, so that it is what scope and consent cover.
            name = await self._aside().called_now(answer)
            raise NotFound(
                f"it is called “{name}” there now." if name else "it has moved to another address there.",
                do="Repeat the call with that name." if name else "Look up its current name.",
                dont="Don't repeat it unchanged.",
            )

    def _aside(self) -> Aside:
        return Aside(self.bound, partial(self.exchanges.one, heard=False), self.terms.admits)

    def _target(self) -> str:
        """The account that the call is about."""
        return next(iter(self.terms.within), self.bound.scope.target).partition("/")[0]

    def _limited(self) -> list[str]:
        """The repositories that a search of all was limited to, because the person agreed to no more."""
        scope = self.bound.operation.scope.of(self.bound)
        return [one for one in self.terms.within if "/" in one] if scope.resource_kind != "repository" else []

    def _shaped(self, status: int) -> Reply:
        operation, arguments, received = self.bound.operation, self.bound.arguments, self.received
        shaper = Shaper(
            whole=bool(operation.result.whole and arguments.get(operation.result.whole) == "full"),
            start=arguments.get("from_character", 0),
            within=self.terms.within,
            admits=self.terms.admits,
            complete=received.complete,
            arguments=arguments,
        )
        payload = received.payload(shaper, self._limited())
        payload = self.exchanges.echoes.removed(payload)  # what was decoded meanwhile may hold one too
        self.exchanges.refuse_echo(changing=operation.effect != "read")
        reached = look(received.whole, operation.result.reached) if operation.result.reached else ""
        return Reply(payload, status, shaper.truncated, reached if isinstance(reached, str) else "")


def _is_nothing(data: Any) -> bool:
    """Is each thing that was asked for null?"""
    return isinstance(data, dict) and all(found is None for found in data.values())
