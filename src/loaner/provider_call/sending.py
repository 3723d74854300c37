"""The life of one bound call on the wire: its lookups, its steps, its result."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from loaner.catalog import BoundCall, cursor
from loaner.catalog.identify import Identified
from loaner.catalog.looking import Looking
from loaner.catalog.lookup import Lookup
from loaner.catalog.request import Outgoing
from loaner.catalog.result import Admits, Shaper, look
from loaner.catalog.step import TEAM, WITHIN, Step
from loaner.errors import GrantBroken, NotFound, ProviderError, ProviderRejected, RateLimited
from loaner.provider_call.aside import Aside
from loaner.provider_call.echoes import Echoes
from loaner.provider_call.failures import fail, unanswered, unavailable
from loaner.provider_call.finding import Finding
from loaner.provider_call.meeting import Meeting
from loaner.provider_call.replication import Young
from loaner.provider_call.transport import LOOPBACK, Answer, ProviderTransport, Unanswered
from loaner.provider_call.verdict import judge
from loaner.provider_call.workspace import Workspace
from loaner.scope import derive
from loaner.secret import Secret

_ELSEWHERE_FOR_NOW = {HTTPStatus.FOUND, HTTPStatus.SEE_OTHER, HTTPStatus.TEMPORARY_REDIRECT}
_NEXT = re.compile(r'<([^<>]+)>\s*;[^,<]*\brel="?next"?')


@dataclass(frozen=True)
class Reply:
    """What the agent gets: lean, and fitting the tool's output schema."""

    payload: dict[str, Any]
    status: int
    """Of the last answer."""
    truncated: bool = False
    reached: str = ""
    """The provider's id of what the call reached, where the answer says it."""

    def of_account(self, within: tuple[str, ...], left_out: tuple[tuple[str, str], ...]) -> Reply:
        """With the account that a call about no one repository was about, and those that it was not about, and why."""
        accounts = [{"account": name, "why": why} for name, why in left_out]
        said: dict[str, Any] = {"account": within[0].partition("/")[0]}
        if accounts:
            said |= {"accounts_left_out": accounts, "advice": "To read on another account, name it as account."}
        return replace(self, payload=said | self.payload)

    def of_agreed(self, agreed: int) -> Reply:
        """With how many of the repositories that the person agreed to a limited search was not about."""
        missing = agreed - len(self.payload.get("limited_to", ()))
        if not agreed or missing <= 0:
            return self
        told = f"{self.payload['advice']} not_searched: so many repositories that they agreed to are not in this."
        return replace(self, payload=self.payload | {"not_searched": missing, "advice": told})


async def send(
    bound: BoundCall,
    credential: Secret,
    transport: ProviderTransport,
    *,
    within: tuple[str, ...] = (),
    known: Sequence[Secret | None] = (),
    admits: Admits | None = None,
    on_answer: Callable[[Answer], None] | None = None,
    young: Young | None = None,
    meeting: Meeting | None = None,
    workspace: Workspace | None = None,
) -> Reply:
    """Carry out one call under one credential, its requests one after another; nothing is retried here.

    ``within`` is what the credential was narrowed to: a search neither asks nor answers beyond it. ``known``: other
    secrets that stood behind the call, none of which may leave in the reply. ``admits`` says of
    each result whether the rules let this caller see it. ``young`` says when a refusal only means that the credential
    is not known everywhere yet. ``meeting`` is told what the call is about before anything but look-ups is sent.
    ``workspace`` is where names are looked up.

    Raises the errors of :class:`loaner.errors.ProviderError` and :class:`loaner.errors.ScopeNotGrantable` or
    :class:`loaner.errors.GrantBroken` where the provider says so.
    """
    echoes = Echoes([credential, *known])
    sending = _Sending(bound, credential, transport, within, admits, on_answer, young, meeting, echoes, workspace)
    try:
        return await sending.run()
    except (GrantBroken, RateLimited) as refused:
        refused.undone = not sending.changed
        raise
    except ProviderError as refused:
        refused.undone = refused.undone and not sending.changed
        raise


async def look_up(
    looking: Looking,
    credential: Secret,
    transport: ProviderTransport,
    *,
    known: Sequence[Secret | None] = (),
    on_answer: Callable[[Answer], None] | None = None,
    young: Young | None = None,
    workspace: Workspace | None = None,
) -> tuple[str, str]:
    """The resource by its canonical name, and its id. Nothing else is sent. Raises as :func:`send` does."""
    echoes = Echoes([credential, *known])
    sending = _Sending(looking.bound, credential, transport, (), None, on_answer, young, None, echoes, workspace)
    scope, identify = looking.scope, looking.identify
    if identify is None:
        found, called = await sending.finding.found(looking.lookup, scope.resource_name) if looking.lookup else ("", "")
        return f"{scope.resource_kind}:{called}" if called else scope.resource, found
    one = await sending.finding.identified(identify, scope.resource_kind, scope.resource_name)
    return scope.resource if identify.lasting else one.resource, one.id


@dataclass
class _Sending:
    bound: BoundCall
    credential: Secret
    transport: ProviderTransport
    within: tuple[str, ...]
    admits: Admits | None
    on_answer: Callable[[Answer], None] | None
    young: Young | None
    meeting: Meeting | None
    echoes: Echoes
    workspace: Workspace | None = None
    changed: bool = False
    """A step that changes something was carried out."""
    resolved: dict[str, Any] = field(default_factory=dict)
    called: dict[str, str] = field(default_factory=dict)
    """What was looked up by another name than its canonical one."""
    taken: dict[str, Any] = field(default_factory=dict)
    document: Any = None
    named: dict[str, Any] = field(default_factory=dict)
    mark: str | int | None = None
    already: bool = False
    note: str = ""

    async def run(self) -> Reply:
        operation = self.bound.operation
        self.taken |= {WITHIN: self.within, TEAM: self.finding.team}
        for name, param in operation.params.items():
            lookup = operation.provider.lookups[param.lookup] if param.lookup else None
            if lookup and lookup.needed(self.bound.arguments.get(name)):
                self.resolved[name], called = await self.finding.found(lookup, self.bound.arguments[name])
                if called and param.role == "resource":
                    self.called[self.bound.arguments[name]] = called
        if self.meeting:
            await self._meet(self.meeting)
        status = 200
        for step in operation.steps:
            asked = step.when is None or step.when.holds(self.bound.arguments)
            if asked and (step.after is None or step.after.holds(self.document)):
                status = (await self._step(step)).status
        return self._shaped(status)

    @property
    def finding(self) -> Finding:
        known = dict(self.bound.sent) | self.resolved
        return Finding(self.bound, known, self._exchange, partial(self._judge, changing=False), self.workspace)

    async def _meet(self, meeting: Meeting) -> None:
        """Tell which resource it is that the call means; from here on, the request names it by its id."""
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
        answer = await self._exchange(
            self.bound.requests(step, self.taken, self.resolved), changing=changing, cut=step.answer == "text", to=step
        )
        if step.redirect_to and answer.status in _ELSEWHERE_FOR_NOW:
            answer = await self._redirected(step, answer)
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES or step.answer != "text":
            await self._judge(step, answer, changing=changing)
        self.changed = self.changed or changing
        if self.note:
            return answer
        if step.answer == "text":
            self._keep(step, {"text": answer.body if isinstance(answer.body, str) else ""})
            return answer
        body = answer.body if step.answer == "json" and answer.status != HTTPStatus.NO_CONTENT else {}
        if not isinstance(body, dict | list):
            raise unavailable(self.bound, f"unreadable answer, status {answer.status}", changing=changing)
        if step.graphql and not step.changes and _is_nothing(look(body, "data")):
            raise NotFound(f"{self.bound.operation.provider.title} shows this user nothing of that name.")
        self._keep(step, look(body, "data") if step.graphql else body)
        self._page(step, answer)
        for name, path in step.take.items():
            self.taken[name] = look(body, path)
            if not isinstance(self.taken[name], str | int):
                raise unavailable(self.bound, f"the answer lacks {path}", changing=changing)
        return answer

    async def _judge(self, step: Step, answer: Answer, *, changing: bool) -> None:
        provider = self.bound.operation.provider
        verdict = None
        if not step.upload_to or answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            verdict = judge(answer, provider)
        if verdict and verdict.word and verdict.word in self.bound.operation.result.already:
            self.already = True
        elif verdict and verdict.word in self.bound.operation.result.nothing:
            self.note = self.bound.operation.result.nothing[verdict.word]
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
        return Aside(self.bound, partial(self._exchange, heard=False), self.admits)

    def _target(self) -> str:
        """The account that the call is about."""
        return next(iter(self.within), derive(self.bound).target).partition("/")[0]

    async def _exchange(
        self,
        outgoing: Outgoing,
        *,
        changing: bool = False,
        cut: bool = False,
        to: Step | None = None,
        heard: bool = True,
    ) -> Answer:
        """``heard``: what the answer says of permissions and limits is about this operation."""
        once = partial(self._once, outgoing, changing=changing, cut=cut, to=to, heard=heard)
        answer = await once()
        while self.young and outgoing.credential and await self.young.to_repeat(answer):
            answer = await once()
        return answer

    async def _once(self, outgoing: Outgoing, *, changing: bool, cut: bool, to: Step | None, heard: bool) -> Answer:
        provider = self.bound.operation.provider
        try:
            if outgoing.credential:
                answer = await self.transport.exchange(
                    outgoing.method,
                    outgoing.url,
                    headers=provider.headers | ({"Accept": to.accept} if to and to.accept else {}),
                    query=outgoing.query,
                    form=outgoing.form,
                    json=outgoing.json,
                    bearer=self.credential,
                    cut=cut,
                    echoes=self.echoes,
                )
            else:
                self._allow(to, outgoing.url)
                answer = await self.transport.elsewhere(
                    outgoing.method, outgoing.url, content=outgoing.content, echoes=self.echoes
                )
        except Unanswered as lost:
            raise unanswered(self.bound, lost, changing=changing) from None
        if self.on_answer and heard:
            self.on_answer(answer)
        self._refuse_echo(changing=changing)
        return answer

    def _refuse_echo(self, *, changing: bool) -> None:
        """Where the credential is the grant's own, an answer that repeats it is not worked with at all: wherever it
        went on the way here, it is good for hours."""
        if self.echoes.found and self.bound.operation.provider.lending.style == "held":
            raise unavailable(self.bound, "the answer repeated the credential", changing=changing)

    async def _redirected(self, step: Step, answer: Answer) -> Answer:
        """Follow one redirect to another host. The credential stays behind."""
        target = str(answer.headers.get("location", ""))
        self._allow(step, target)
        try:
            return await self.transport.elsewhere("GET", target, cut=True, echoes=self.echoes)
        except Unanswered as lost:
            raise unanswered(self.bound, lost, changing=False) from None

    def _allow(self, step: Step | None, url: str) -> None:
        """Only hosts that the operation's file names; loopback only where the provider itself is there."""
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            host, parts = "", urlsplit("")
        base = urlsplit(next(iter(self.bound.operation.provider.hosts.values()))).hostname
        named = parts.scheme == "https" and any(
            host == suffix.removeprefix(".") or (suffix.startswith(".") and host.endswith(suffix))
            for suffix in (step.redirect_to if step else ())
        )
        if not (named or (base in LOOPBACK and host in LOOPBACK)):
            raise unavailable(self.bound, f"an answer names the host {ascii(host)[:80]}", changing=False)

    def _keep(self, step: Step, body: Any) -> None:
        if step.name:
            self.named[step.name] = body
        elif step.answer != "none" or self.document is None:
            self.document = body

    def _page(self, step: Step, answer: Answer) -> None:
        page = self.bound.operation.page
        if page is None or not any(value.param == "cursor" for value in step.placed()):
            return
        if page.next == "link":
            link = _NEXT.search(str(answer.headers.get("link", "")))
            number = parse_qs(urlsplit(link[1]).query).get("page", [""])[0] if link else ""
            self.mark = int(number) if number.isascii() and number.isdigit() else None
            return
        body = look(answer.body, "data") if step.graphql else answer.body
        if page.more is None or look(body, page.more) is True:
            self.mark = look(body, page.next)

    def _limited(self) -> list[str]:
        """The repositories that a search of all was limited to, because the person agreed to no more."""
        scope = self.bound.operation.scope.of(self.bound)
        return [one for one in self.within if "/" in one] if scope.resource_kind != "repository" else []

    def _shaped(self, status: int) -> Reply:
        operation, result = self.bound.operation, self.bound.operation.result
        whole = bool(result.whole and self.bound.arguments.get(result.whole) == "full")
        start = self.bound.arguments.get("from_character", 0)
        complete = not self.mark and "cursor" not in self.bound.arguments
        shaper = Shaper(whole=whole, start=start, within=self.within, admits=self.admits, complete=complete)
        document = self.document
        if self.named:
            document = (document if isinstance(document, dict) else {}) | self.named
        payload = shaper.fields(document, result.keep) | dict(result.say)
        if self.note:
            payload["note"] = self.note
        if self.already:
            payload["already"] = True
        if isinstance(self.mark, str | int) and self.mark:
            payload["next_cursor"] = cursor.encode(operation.tool, self.mark)
        if shaper.truncated:
            payload["truncated"] = True
        if shaper.continue_from is not None:
            payload["continue_from"] = shaper.continue_from
        if limited := self._limited():
            payload["limited_to"] = limited
            payload["advice"] = "The user has not agreed to more. To read elsewhere, name that place: they are asked."
        if shaper.left_out:
            payload["left_out"] = shaper.left_out
        payload = self.echoes.removed(payload)  # what was decoded meanwhile may hold one too
        self._refuse_echo(changing=operation.effect != "read")
        reached = look(document, result.reached) if result.reached else ""
        return Reply(payload, status, shaper.truncated, reached if isinstance(reached, str) else "")


def _is_nothing(data: Any) -> bool:
    """Is each thing that was asked for null?"""
    return isinstance(data, dict) and all(found is None for found in data.values())
