"""What a record says about one call.

A :class:`Draft` is filled in as the call goes and can be journalled half-full at any moment: until something
else is known, its outcome is *unknown, interrupted*, which is the truth if the process dies right there.

Every field declares how sensitive it is, and a test pins the whole set. There is no field for a secret, a code or
the value of an argument: arguments are there as a digest, credentials as a fingerprint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol, TypeVar, get_origin, get_type_hints

from loaner.audit.plain import plain
from loaner.catalog.operation import BoundCall, Operation
from loaner.clock import Now, from_iso, iso, utc_now
from loaner.errors import (
    ConsentDenied,
    ConsentExpired,
    ConsentNeeded,
    InvalidArguments,
    LoanerError,
    NotAuthenticated,
    OutcomeUnknown,
    PolicyDenied,
    ScopeNotGrantable,
    UnknownTool,
)
from loaner.identity.caller import Caller
from loaner.policy import Allowed, Refused, Ruling
from loaner.scope import Limit, Scope

Sensitivity = Literal["open", "personal", "digest"]
"""``open`` says nothing of a person and may become a metric; ``personal`` names a person or what they work on;
``digest`` recognises a value without giving it away."""
Kept = TypeVar("Kept")
Open = Annotated[Kept, "open"]
Personal = Annotated[Kept, "personal"]
Digest = Annotated[Kept, "digest"]
Outcome = Literal["ok", "consent_needed", "refused", "denied", "failed", "unknown"]
LIST_LONGEST = 64
"""Entries that one list of a record may have."""

_OUTCOMES: tuple[tuple[type[LoanerError], Outcome], ...] = (
    (ConsentNeeded, "consent_needed"),
    (ConsentExpired, "consent_needed"),
    (ConsentDenied, "denied"),
    (PolicyDenied, "refused"),
    (ScopeNotGrantable, "refused"),
    (InvalidArguments, "refused"),
    (UnknownTool, "refused"),
    (NotAuthenticated, "refused"),
    (OutcomeUnknown, "unknown"),
)


class RecordedCall(Protocol):
    """What the front door hands over. ``id`` is made by loaner, never by the client: a record is closed once per id."""

    @property
    def tool(self) -> str: ...
    @property
    def id(self) -> str: ...


class Covering(Protocol):
    """The grant behind a consent, as far as a record names it."""

    @property
    def id(self) -> str: ...
    @property
    def connector(self) -> str: ...


class Consented(Protocol):
    """What the consent room answered."""

    @property
    def grant(self) -> Covering: ...
    @property
    def approval_id(self) -> str | None: ...
    @property
    def proven_by(self) -> str | None: ...


class Loaned(Protocol):
    """A loan, as far as a record names it."""

    @property
    def id(self) -> str: ...
    @property
    def style(self) -> str: ...
    @property
    def fingerprint(self) -> str | None: ...
    @property
    def permissions(self) -> frozenset[str]:
        """What the credential can do."""

    @property
    def excess(self) -> frozenset[str]:
        """What of that goes beyond the call."""

    @property
    def limits(self) -> tuple[Limit, ...]: ...
    @property
    def minted_at(self) -> datetime | None: ...
    @property
    def expires_at(self) -> datetime | None: ...


class Answered(Protocol):
    """What the provider's answer became."""

    @property
    def status(self) -> int: ...


@dataclass(kw_only=True)
class Draft:
    """The record of one call, before it is closed. A field that is ``None`` does not apply, or was not reached."""

    id: Open[str]
    kind: Open[str]
    of: Open[str | None] = None
    """In a record of kind ``return``: the call whose credential was confirmed dead later than its record was closed."""
    asked_at: Open[str]
    issuer: Personal[str]
    sub: Personal[str]
    agent: Open[str]
    agent_version: Open[str | None] = None
    agent_verified: Open[bool]
    agent_kind: Open[str | None] = None
    agent_issuer: Personal[str | None] = None
    environment: Open[str]
    origin: Personal[str]
    task: Open[str | None] = None
    tool: Open[str]
    effect: Open[str | None] = None
    provider: Open[str | None] = None
    connector: Open[str | None] = None
    resource: Personal[str | None] = None
    arguments_digest: Digest[str | None] = None
    needed_permissions: Open[list[str] | None] = None
    granted_permissions: Open[list[str] | None] = None
    excess_permissions: Open[list[str] | None] = None
    limits: Personal[list[dict[str, str]] | None] = None
    decision: Open[str | None] = None
    rule: Open[str | None] = None
    reason: Open[str | None] = None
    policy_version: Open[str | None] = None
    grant_id: Open[str | None] = None
    approval_id: Open[str | None] = None
    proven_by: Open[str | None] = None
    whole_text_opened: Open[bool | None] = None
    """In a record of a yes: whether each text that its page could not show whole was opened before."""
    loan_id: Open[str | None] = None
    loan_style: Open[str | None] = None
    rung: Open[str | None] = None
    fingerprint: Digest[str | None] = None
    minted_at: Open[str | None] = None
    expires_at: Open[str | None] = None
    request: Open[str | None] = None
    used: Open[int | None] = None
    status: Open[int | None] = None
    answered_at: Open[str | None] = None
    outcome: Open[str] = "unknown"
    code: Open[str | None] = "interrupted"
    word: Open[str | None] = None
    """Why the provider refused: its own error word, a reason of our list, or the page of its documentation."""
    returned_how: Open[str | None] = None
    returned_at: Open[str | None] = None
    returned_confirmed: Open[bool | None] = None
    lived_ms: Open[int | None] = None

    handed_over: bool = False
    """The lender journals this draft and closes it together with the loan; :class:`~loaner.audit.Audit` then
    appends nothing."""
    now: Now = field(default=utc_now, repr=False, compare=False)
    cut: LoanerError | None = field(default=None, repr=False, compare=False)
    """Why loaner itself ended the call, from when it did: what is cancelled then failed for this reason."""

    @property
    def may_have_changed(self) -> bool:
        """Whether something at the provider may be different now."""
        return self.effect not in {None, "read"} and bool(self.used)

    @classmethod
    def begun(cls, call: RecordedCall, caller: Caller, now: Now) -> Draft:
        """The first lines: who asks, through what, for which tool."""
        return cls(
            id=call.id,
            kind="call",
            asked_at=iso(now()) or "",
            issuer=caller.subject.issuer,
            sub=caller.subject.sub,
            **caller.agent.recorded(),
            environment=caller.environment,
            origin=caller.origin,
            tool=call.tool,
            now=now,
        )

    def asked(self, operation: Operation, bound: BoundCall | None = None, *, connector: str | None = None) -> None:
        """What is asked; again with ``bound`` once the arguments are checked."""
        self.tool, self.effect, self.provider = operation.tool, operation.effect, operation.provider.name
        self.connector = connector or self.connector
        if bound is not None:
            self.arguments_digest = bound.digest

    def needed(self, scope: Scope) -> None:
        """The least that will do, and who enforces which limit."""
        self.resource = scope.resource
        self.needed_permissions = sorted(scope.permissions)
        self._limited(scope.limits)

    def ruled(self, ruling: Ruling, *, version: str | None = None) -> None:
        """What the policy of ``version`` said, and why."""
        allowed = "allowed" if isinstance(ruling, Allowed) else "ask"
        self.decision = "refused" if isinstance(ruling, Refused) else allowed
        self.rule, self.reason, self.policy_version = ruling.rule, ruling.reason, version

    def consented(self, consent: Consented) -> None:
        """Which yeses cover the call, and how the person's presence was proven."""
        self.grant_id, self.connector = consent.grant.id, consent.grant.connector
        self.approval_id, self.proven_by = consent.approval_id, consent.proven_by

    def lent(self, loan: Loaned, *, rung: str | None = None) -> None:
        """The one credential: what it could do, what of that goes beyond the call, and who enforces what.

        ``rung`` says why it was not a key of its own, where it was not (``shared``, ``waited``).
        """
        self.loan_id, self.loan_style, self.fingerprint, self.rung = loan.id, loan.style, loan.fingerprint, rung
        self.minted_at, self.expires_at = iso(loan.minted_at), iso(loan.expires_at)
        self.granted_permissions, self.excess_permissions = sorted(loan.permissions), sorted(loan.excess)
        self._limited(loan.limits)

    def sent(self, request: str) -> None:
        """One use of the credential. ``request`` is a method and a path *template*, as the connector has it."""
        self.request = request
        self.used = (self.used or 0) + 1

    def heard(self, status: int) -> None:
        """The provider's HTTP status, whatever it means; of the last request where there are several."""
        self.status = status

    def answered(self, reply: Answered) -> None:
        """It worked."""
        self.status = reply.status
        self.succeeded()

    def succeeded(self) -> None:
        self.outcome, self.code, self.word, self.answered_at = "ok", None, None, iso(self.now())

    def failed(self, error: BaseException) -> None:
        """It did not, in our words. What is no :class:`LoanerError` leaves its kind only, never its text."""
        self.answered_at = iso(self.now())
        error = error if isinstance(error, Exception) else self.cut or error
        if isinstance(error, LoanerError):
            self.outcome = next((outcome for kind, outcome in _OUTCOMES if isinstance(error, kind)), "failed")
            self.code, self.word = str(error.facts()["code"]), error.word or None
        elif isinstance(error, Exception):
            self.outcome, self.code = "failed", "internal"
        else:  # cancelled: whether the provider had already acted is not known here
            self.outcome, self.code = "unknown", "cancelled"

    def returned(self, how: str, at: datetime, *, confirmed: bool) -> None:
        """The credential's end. ``confirmed`` only where the provider itself said that it is dead."""
        self.returned_how, self.returned_at, self.returned_confirmed = how, iso(at), confirmed
        if self.minted_at:
            self.lived_ms = max(0, round((at - from_iso(self.minted_at)).total_seconds() * 1000))

    @property
    def subject(self) -> str:
        """As the store files it; the same as ``Subject.key``."""
        return f"{self.issuer} {self.sub}"

    def body(self) -> dict[str, Any]:
        """All that is known so far, as JSON, made safe to keep. ``None`` is left out."""
        said = ((name, getattr(self, name)) for name in FIELDS)
        return {"v": 1} | {name: cleaned(value) for name, value in said if value is not None}

    @classmethod
    def from_body(cls, body: Mapping[str, Any], *, now: Now = utc_now) -> Draft:
        """A journalled draft, to be closed after a crash. Raises :class:`TypeError` for one of another version."""
        if body.get("v") != 1:
            raise TypeError(f"a draft of version {body.get('v')!r}")
        said = {"code": None} | {name: value for name, value in body.items() if name != "v"}
        return cls(**said, now=now)

    def _limited(self, limits: tuple[Limit, ...]) -> None:
        if limits:
            self.limits = [{"what": one.what, "value": one.value, "enforced_by": one.enforced_by} for one in limits]


FIELDS: dict[str, Sensitivity] = {
    name: hint.__metadata__[0]
    for name, hint in get_type_hints(Draft, include_extras=True).items()
    if get_origin(hint) is Annotated
}
"""Every field of a record and how sensitive it is."""


def cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list):
        return [cleaned(one) for one in value[:LIST_LONGEST]]
    if isinstance(value, dict):
        return {key: cleaned(one) for key, one in value.items()}
    return value
