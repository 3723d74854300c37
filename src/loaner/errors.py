"""Everything that can go wrong, told to three readers.

The model reads *what happened, what to do, what not to do*; the person reads the same in the CLI or on a page;
the operator also gets ``log``, a reason that stays inside. No voice ever carries a secret or a provider's prose.

::

    LoanerError
    ├── InvalidArguments        the call does not fit the tool
    ├── UnknownTool             no such operation
    ├── NotAuthenticated        nobody, or a token that is not ours, is asking
    ├── InsufficientScope       a good token, without the scope that opens the door
    ├── ConsentNeeded           a person has to say yes first
    ├── ConsentDenied           a person said no
    ├── ConsentExpired          nobody answered in time
    ├── PolicyDenied            a rule says no
    ├── ScopeNotGrantable       the connector cannot give what the call needs
    ├── GrantBroken             the provider no longer honours the grant
    ├── ProviderError
    │   ├── RateLimited         the provider asks us to wait
    │   ├── NotFound            it does not exist, or is not visible to this person
    │   ├── ProviderForbidden   refused although the scope was granted
    │   ├── ProviderRejected    the provider says that the request is wrong
    │   ├── ConnectorOutdated   it does not take this tool's requests as they are, whatever the arguments
    │   ├── ProviderUnavailable nothing happened; safe to repeat
    │   │   └── ProviderUnreachable  nor will it, until an operator changes something
    │   └── OutcomeUnknown      a write may have happened
    ├── RecordUnwritable        no record, so no call
    ├── RecordsAltered          the records are not as they were written
    ├── StoreUnusable           the state cannot be read or written
    ├── ConnectorInvalid        a connector file the catalogue refuses
    ├── PolicyInvalid           a policy that cannot be ruled by
    ├── SettingsInvalid         a setting nobody can act on
    ├── HostUnusable            a program that starts MCP servers, whose configuration cannot be changed
    └── UsageError              a command that cannot be carried out as asked
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Literal

from loaner.characters import marked

Retry = Literal["now", "after_user", "after_s", "never"]


class Exit(IntEnum):
    """Exit codes of the command line."""

    OK = 0
    ERROR = 1
    USAGE = 2
    CONSENT_NEEDED = 3
    DENIED = 4
    POLICY = 5
    PROVIDER = 6
    RATE_LIMITED = 7
    AUDIT_BROKEN = 8
    STUCK = 9  # something that should have ended has not
    SETTINGS = 78  # EX_CONFIG of sysexits.h: starting again does not help, so a service manager should not
    INTERRUPTED = 130


class LoanerError(Exception):
    """A failure with a code and words for each reader.

    ``cause`` says what happened, ``do`` what to do about it, ``dont`` what would make it worse; ``log`` is for
    operators only.
    """

    code: ClassVar[str] = "internal"
    retry: ClassVar[Retry] = "never"
    exit: ClassVar[Exit] = Exit.ERROR
    undone: bool = False
    """The provider refused the call before anything was done, so that an approval is not used up by it."""
    word: str = ""
    """What the provider gave as the reason: its own error word, one of our list, or a page of its documentation."""

    def __init__(self, cause: str, *, do: str = "", dont: str = "", log: str = "") -> None:
        # Names and texts of others stand in these words, and a host shows them to a person.
        self.cause = marked(cause, prose=True)
        super().__init__(self.cause)
        self.do = marked(do, prose=True)
        self.dont = marked(dont, prose=True)
        self.log = marked(log)

    def told(self) -> str:
        """The lines that a model or a person reads."""
        return self._lines(self.code)

    def _lines(self, code: str) -> str:
        return "\n".join(line for line in (f"{code}: {self.cause}", self.do, self.dont) if line)

    def facts(self) -> dict[str, object]:
        """The same for machines; goes to ``_meta`` and to ``--json``."""
        facts: dict[str, object] = {"code": self.code, "retry": self.retry, "message": self.cause}
        return facts | {key: value for key, value in (("do", self.do), ("dont", self.dont)) if value}


class InvalidArguments(LoanerError):
    code = "invalid_arguments"
    retry = "now"
    exit = Exit.USAGE


class UnknownTool(LoanerError):
    code = "unknown_tool"
    exit = Exit.USAGE


class NotAuthenticated(LoanerError):
    code = "not_authenticated"


class InsufficientScope(LoanerError):
    code = "insufficient_scope"


@dataclass(frozen=True)
class Invitation:
    """Where a person answers a pending consent, and what to compare there."""

    handle: str
    """Opaque, at least 128 bits; names the pending consent and is no authority."""
    url: str
    """Our own page; no secret in it, not pre-authenticated."""
    user_code: str
    """To be compared on the page, or typed at ``/device`` from another device."""
    expires_in: int
    """Seconds."""
    sentence: str
    """What is asked, as one sentence: ``post one message to #releases``."""


class ConsentNeeded(LoanerError):
    """Nothing was sent. ``fresh`` tells a first asking from a repeated one."""

    code = "consent_required"
    retry = "after_user"
    exit = Exit.CONSENT_NEEDED

    def __init__(self, invitation: Invitation, *, tool: str, need: str, fresh: bool) -> None:
        self.invitation = invitation
        self.fresh = fresh
        self._way_in = ""
        minutes = max(1, round(invitation.expires_in / 60))
        asked = (
            f"Ask them to open {invitation.url} and check that it shows code {invitation.user_code} ({minutes} min)."
        )
        if fresh:
            super().__init__(f"{tool} needs the user's approval ({need}).", dont="Don't ask for a token.")
            self._put(f"{asked} Then repeat this exact call.", f"{asked} Then go on as follows.")
        else:
            at = f"{invitation.user_code} at {invitation.url} ({minutes} min left)"
            super().__init__(f"still waiting on {at}. Nothing was sent.", dont="Don't start another.")
            once = "once the user says they approved."
            self._put(f"Repeat the same call {once}", f"Go on as follows {once}")

    def _put(self, do: str, otherwise: str) -> None:
        self.do, self._otherwise = marked(do, prose=True), marked(otherwise, prose=True)

    def told_with(self, way_in: str) -> ConsentNeeded:
        """The same, with what a person does first whose browser is on another computer."""
        self._way_in = way_in
        self.do = f"{self.do} {way_in}".rstrip()
        return self

    def stepping_up(self, refused: ScopeNotGrantable) -> ConsentNeeded:
        """The same question, put because a provider wanted more than a call had: what to repeat is ``refused.do``."""
        self.cause = f"{refused.cause} {self.cause}"
        self.do = " ".join(filter(None, (self._otherwise, self._way_in, refused.do)))
        return self

    def facts(self) -> dict[str, object]:
        return super().facts() | {
            "code": "consent_required" if self.fresh else "consent_pending",
            "url": self.invitation.url,
            "user_code": self.invitation.user_code,
            "expires_in": self.invitation.expires_in,
        }

    def told(self) -> str:
        return self._lines(self.code if self.fresh else "consent_pending")


class ConsentDenied(LoanerError):
    code = "consent_denied"
    exit = Exit.DENIED


class ConsentExpired(LoanerError):
    code = "consent_expired"
    retry = "now"
    exit = Exit.CONSENT_NEEDED


class PolicyDenied(LoanerError):
    """``rule`` names the rule that refused."""

    code = "policy_denied"
    exit = Exit.POLICY

    def __init__(self, cause: str, *, rule: str, do: str = "", dont: str = "", log: str = "") -> None:
        super().__init__(f"(rule {rule}) {cause}", do=do, dont=dont, log=log)
        self.rule = rule

    def facts(self) -> dict[str, object]:
        return super().facts() | {"rule": self.rule}


class ScopeNotGrantable(LoanerError):
    code = "scope_not_grantable"
    exit = Exit.POLICY
    named: frozenset[str] = frozenset()
    """The permissions that the provider itself asked for, where it named them."""
    step: tuple[str, Any] | None = None
    """An argument, and the value of it that leads to those."""
    of_target: bool = False
    """It is about the account where the credential would be good: no other permission helps."""
    of_names: bool = False
    """It may be about one of the things that were named, rather than about a permission."""


class GrantBroken(LoanerError):
    code = "grant_broken"
    retry = "now"
    exit = Exit.CONSENT_NEEDED


class ProviderError(LoanerError):
    code = "provider_error"
    exit = Exit.PROVIDER


class RateLimited(ProviderError):
    """``retry_after`` in whole seconds."""

    code = "rate_limited"
    retry = "after_s"
    exit = Exit.RATE_LIMITED
    own: bool = False
    """Loaner itself held the call back, before the provider had to."""
    target: str = ""
    """The only account that it is known to concern, where it does not concern everything."""

    def __init__(self, cause: str, *, retry_after: int, do: str = "", dont: str = "", log: str = "") -> None:
        super().__init__(cause, do=do, dont=dont, log=log)
        self.retry_after = retry_after

    def facts(self) -> dict[str, object]:
        return super().facts() | {"retry_after": self.retry_after}


class NotFound(ProviderError):
    code = "not_found"


class ProviderForbidden(ProviderError):
    code = "provider_forbidden"
    named: frozenset[str] = frozenset()
    """The permissions that the provider says this request accepts, where it named them."""


class ProviderRejected(ProviderError):
    code = "provider_rejected"


class ConnectorOutdated(ProviderError):
    code = "connector_outdated"


class ProviderUnavailable(ProviderError):
    code = "provider_unavailable"
    retry: ClassVar[Retry] = "now"


class ProviderUnreachable(ProviderUnavailable):
    """Waiting does not help: the operator's log names the fault, with host and port, and the setting."""

    code = "provider_unreachable"
    retry = "never"


class OutcomeUnknown(ProviderError):
    code = "outcome_unknown"


class RecordUnwritable(LoanerError):
    code = "record_unwritable"


class RecordsAltered(LoanerError):
    code = "records_altered"
    exit = Exit.AUDIT_BROKEN


class StoreUnusable(LoanerError):
    code = "store_unusable"


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in a file: ``where`` is ``file:line``, ``do`` the cure."""

    where: str
    cause: str
    do: str = ""

    def told(self) -> str:
        return " ".join(filter(None, (f"{self.where}: {self.cause}", self.do)))


class ConnectorInvalid(LoanerError):
    """Everything that is wrong in the files that were read, a line each. ``where`` is ``file:line`` of the first."""

    code = "connector_invalid"
    exit = Exit.SETTINGS

    def __init__(self, cause: str, *, where: str, do: str = "", more: Sequence[Fault] = ()) -> None:
        self.faults = (Fault(where, cause, do), *more)
        super().__init__("\n".join(fault.told() for fault in self.faults))
        self.where = where


class PolicyInvalid(LoanerError):
    """``where`` is ``file:line``."""

    code = "policy_invalid"
    exit = Exit.SETTINGS

    def __init__(self, cause: str, *, where: str = "policy", do: str = "", log: str = "") -> None:
        super().__init__(f"{where}: {cause}", do=do, log=log)
        self.where = where


class SettingsInvalid(LoanerError):
    code = "settings_invalid"
    exit = Exit.SETTINGS


class HostUnusable(LoanerError):
    code = "host_unusable"


class UsageError(LoanerError):
    code = "usage"
    exit = Exit.USAGE
