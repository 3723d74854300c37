"""What the pages are given by whoever puts a loaner together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from loaner.audit import Record
from loaner.catalog.provider import Provider
from loaner.clock import Now
from loaner.consent import ConsentRequest, Consents
from loaner.store import Store
from loaner.web.sessions import Session, SignedIn

if TYPE_CHECKING:
    from loaner.web.guard import Visit
    from loaner.web.passkeys import Passkeys


class Identity(Protocol):
    """How a browser shows whose it is."""

    def admits(self, request: Request) -> bool:
        """May whoever sends this request see anything here? Asked of every request, whatever cookie it has."""

    def vouches(self, session: Session) -> bool:
        """Was this session proven in a way that counts here, by the settings of today? A store may be
        shared by several loaners."""

    def first_visit(self, request: Request) -> SignedIn | None:
        """The person of a browser without a session; ``None`` where they have to sign in first."""

    async def sign_in_url(self, browser: str, state: str) -> str:
        """The issuer's page for a browser whose cookie is ``browser``. Raises :class:`SignInFailed`."""

    async def signed_in(self, answer: dict[str, str], browser: str, state: str) -> SignedIn:
        """The person that the issuer vouches for. Raises :class:`SignInFailed`."""


@dataclass(frozen=True)
class PresenceProof:
    """A person was there, and this is what they said."""

    by: str
    """How that was proven, for the record."""
    form: Mapping[str, str]
    """The answer as it was proven, which may have been given on an earlier page."""


class Presence(Protocol):
    """Proof that a person, and not an agent that shares their computer, gives this answer."""

    async def proven(
        self, visit: Visit, asked: ConsentRequest, *, form_action: str | None = None
    ) -> PresenceProof | Response:
        """The proof for one yes, or the page on which it is to be had; then nothing is approved yet.

        ``form_action`` are the targets that a form of that page may lead to (CSP), as the answer may be a redirect.
        """


class Records(Protocol):
    """The audit, as far as a person reads their own."""

    async def tail(self, count: int = ..., *, subject: str | None = None) -> list[Record]:
        """The newest records, the oldest of them first."""

    async def show(self, which: int, *, subject: str | None = None) -> Record | None:
        """One record; ``None`` where there is none, or only someone else's."""


@dataclass(frozen=True)
class Site:
    """Everything the pages use."""

    consents: Consents
    store: Store
    providers: Callable[[str], Provider]
    now: Now
    base_url: Callable[[], str]
    identity: Identity
    presence: Presence
    revoke_grant: Callable[[str], Awaitable[object]]
    """Ends a grant here and at its provider. The pages check first whose it is."""
    records: Records
    allowed_hosts: frozenset[str]
    """``host:port`` that a browser may ask for besides that of ``base_url``."""
    sandbox: str | None
    version: str
    sign_ins_per_minute: int = 120
    """That one peer may begin."""
    passkeys: Passkeys | None = None
    """Where people keep passkeys, if a yes takes one."""

    def hosts(self) -> frozenset[str]:
        return self.allowed_hosts | {urlsplit(self.base_url()).netloc}

    def origins(self) -> frozenset[str]:
        scheme = urlsplit(self.base_url()).scheme
        return frozenset(f"{scheme}://{host}" for host in self.hosts())
