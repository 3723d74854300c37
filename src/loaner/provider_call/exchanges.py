"""The requests of one call under its credential, one after another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from loaner.catalog import BoundCall
from loaner.catalog.request import RequestParts
from loaner.catalog.step import Step
from loaner.errors import ProviderRejected
from loaner.loopback import is_loopback
from loaner.provider_call.echoes import Echoes
from loaner.provider_call.failures import unanswered, unavailable
from loaner.provider_call.terms import Terms
from loaner.provider_call.transport import Answer, ProviderTransport, Unanswered
from loaner.secret import Secret

_HOST = re.compile(r"[a-z0-9.-]{1,100}")
"""A name of the provider's that is an identifier, and may be repeated."""


@dataclass(frozen=True)
class Exchanges:
    bound: BoundCall
    credential: Secret
    transport: ProviderTransport
    terms: Terms
    echoes: Echoes

    async def one(
        self,
        outgoing: RequestParts,
        *,
        changing: bool = False,
        cut: bool = False,
        to: Step | None = None,
        heard: bool = True,
    ) -> Answer:
        """``heard``: what the answer says of permissions and limits is about this operation."""
        once = partial(self._once, outgoing, changing=changing, cut=cut, to=to, heard=heard)
        answer = await once()
        while self.terms.young and outgoing.credential and await self.terms.young.to_repeat(answer):
            answer = await once()
        return answer

    async def _once(self, outgoing: RequestParts, *, changing: bool, cut: bool, to: Step | None, heard: bool) -> Answer:
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
                own = self._allow(to, outgoing.url)
                answer = await self.transport.elsewhere(
                    outgoing.method, outgoing.url, content=outgoing.content, echoes=self.echoes, own=own
                )
        except Unanswered as lost:
            raise unanswered(self.bound, lost, changing=changing) from None
        if self.terms.on_answer and heard:
            self.terms.on_answer(answer)
        self.refuse_echo(changing=changing)
        return answer

    def refuse_echo(self, *, changing: bool) -> None:
        """Where the credential is the grant's own, an answer that repeats it is not worked with at all: wherever it
        went on the way here, it is good for hours."""
        if self.echoes.found and self.bound.operation.provider.lending.style == "pass_through":
            raise unavailable(self.bound, "the answer repeated the credential", changing=changing)

    async def redirected(self, step: Step, answer: Answer) -> Answer:
        """Follow one redirect to another host. The credential stays behind."""
        target = str(answer.headers.get("location", ""))
        own = self._allow(step, target)
        try:
            return await self.transport.elsewhere("GET", target, cut=True, echoes=self.echoes, own=own)
        except Unanswered as lost:
            raise unanswered(self.bound, lost, changing=False) from None

    def _allow(self, step: Step | None, url: str) -> bool:
        """Only hosts that the operation's file names, and the provider's own, as a GitHub Enterprise Server has it;
        loopback only where the provider itself is there. Answers whether it is the provider's own.

        Raises :class:`ProviderRejected`: another host stays another one, however long one waits.
        """
        provider = self.bound.operation.provider
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            host, parts = "", urlsplit("")
        bases = [urlsplit(base) for base in provider.hosts.values()]
        own = parts.scheme == "https" and parts.netloc in {base.netloc for base in bases}
        named = parts.scheme == "https" and any(
            host == suffix.removeprefix(".") or (suffix.startswith(".") and host.endswith(suffix))
            for suffix in (step.redirect_to if step else ())
        )
        if own or named or (is_loopback(bases[0].hostname) and is_loopback(host)):
            return own
        shown = f" ({host})" if _HOST.fullmatch(host) else ""
        raise ProviderRejected(
            f"{provider.title} keeps this on another host{shown}, which is neither its own nor one that loaner knows.",
            do="Tell the user; an operator finds the host in the log.",
            dont="Don't repeat the call.",
            log=f"{self.bound.operation.tool}: an answer names the host {ascii(host)[:80]}",
        )
