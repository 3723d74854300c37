"""What a person lets agents read: as it is offered on the page, as it is chosen, and as it is said. Values only.

A read is offered with what contains it: the repository, the channel, the team. What nothing contains (a profile, the
list of one's repositories, a search of a whole workspace) is offered as that one operation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from loaner.catalog import BoundCall
from loaner.catalog.provider import Provider
from loaner.consent.approvals import ANY_AGENT, READ
from loaner.scope import ANYTHING, Scope

Reach = Literal["none", "kind", "here", "everything"]
Whose = Literal["this", "all"]
Lasting = Literal["hour", "8h", "30d", "ended"]

LASTS: Mapping[Lasting, timedelta | None] = {
    "hour": timedelta(hours=1),
    "8h": timedelta(hours=8),
    "30d": timedelta(days=30),
    "ended": None,
}
FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
"""The end of what has none: the person takes it back."""


@dataclass(frozen=True)
class Offer:
    """What may be chosen about one read."""

    at: str
    """The provider's title."""
    private: str
    """What "everything" includes that people do not think of."""
    resource: str = ""
    """What the read is about, or what contains it: ``repository:acme/web``, ``team:ENG``; ``user`` or ``workspace``
    where nothing does."""
    tool: str = ""
    """The operation; empty where the person connects an account by their own wish."""
    own: str = ""
    """What this operation does, as a phrase."""
    kind: str = ""
    """``issues``: what the permission of this read is for, where the provider's file says it."""
    permissions: tuple[str, ...] = ()

    @classmethod
    def of(cls, bound: BoundCall, scope: Scope) -> Offer:
        provider = bound.operation.provider
        kinds = {provider.reads.kinds[one] for one in scope.permissions if one in provider.reads.kinds}
        resource = scope.wider or scope.resource
        return cls(
            provider.title,
            provider.reads.private,
            resource,
            bound.operation.tool,
            bound.operation.phrase_any(bound),
            kinds.pop() if len(kinds) == 1 and ":" in resource else "",
            tuple(sorted(scope.permissions | provider.always)),
        )

    @classmethod
    def of_account(cls, provider: Provider) -> Offer:
        """For an account that the person connects before any agent asks."""
        return cls(provider.title, provider.reads.private)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Offer:
        return cls(**{**stored, "permissions": tuple(stored["permissions"])})

    def stored(self) -> dict[str, Any]:
        return asdict(self) | {"permissions": list(self.permissions)}

    @property
    def reaches(self) -> tuple[Reach, ...]:
        """The choices, the narrowest first."""
        if not self.tool:
            return ("none", "everything")
        return ("kind", "here", "everything") if self.kind else ("here", "everything")

    @property
    def default(self) -> Reach:
        """The narrowest that serves."""
        return self.reaches[0]

    @property
    def place(self) -> str:
        """The container as people call it; empty where there is none."""
        kind, _, name = self.resource.partition(":")
        return name if not name or kind in {"repository", "channel"} else f"{kind} {name}"

    @property
    def _where(self) -> str:
        inside = self.resource.partition(":")[0] in {"repository", "channel", "team", "project"}
        return f"anything {'in' if inside else 'about'} {self.place}"

    def phrase(self, reach: Reach) -> str:
        """What an agent may do: ``read anything in acme/web``."""
        match reach:
            case "none":
                return "read nothing"
            case "kind":
                return f"read {self.kind} of {self.place}"
            case "here":
                return f"read {self._where}" if self.place else self.own
            case "everything":
                return f"read anything that you can see at {self.at}, {self.private}"

    def choice(self, reach: Reach) -> str:
        """The same as the person's own words, beside the button that chooses it."""
        match reach:
            case "none":
                return "nothing: I am asked about each place first"
            case "kind":
                return f"{self.kind} of {self.place}"
            case "here":
                return self._where if self.place else f"only this: {self.own}"
            case "everything":
                return f"anything that I can see at {self.at}, {self.private}"


@dataclass(frozen=True)
class Choice:
    """What the person chose."""

    reach: Reach
    agents: Whose = "this"
    lasting: Lasting = "30d"

    @classmethod
    def of(cls, form: Mapping[str, str], offer: Offer) -> Choice:
        """As a form has it; what it leaves out is the page's default. Raises :class:`ValueError` for what was not
        offered."""
        reach = form.get("reads") or offer.default
        agents, lasting = form.get("agents") or "this", form.get("lasting") or "30d"
        if reach not in offer.reaches or agents not in get_args(Whose) or lasting not in LASTS:
            raise ValueError("this was not offered")
        # Where no agent asked, there is no "this one".
        return cls(reach, agents if offer.tool else "all", lasting)  # type: ignore[arg-type]

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Choice:
        return cls(**stored)

    def stored(self) -> dict[str, Any]:
        return asdict(self)

    def columns(self, offer: Offer, agent: str, at: datetime) -> dict[str, Any]:
        """The approval that this choice is, as far as it differs from every other one."""
        lasts, everything = LASTS[self.lasting], self.reach == "everything"
        whole = ":" in offer.resource  # what contains the read, rather than the operation alone
        return {
            "agent": ANY_AGENT if self.agents == "all" else agent,
            "effect": READ,
            "operations": [] if everything or whole else [offer.tool],
            "resources": [ANYTHING if everything else offer.resource],
            "permissions": None if everything or (whole and self.reach == "here") else [list(offer.permissions)],
            "uses_left": None,
            "phrase": offer.phrase(self.reach),
            "expires_at": at + lasts if lasts else FOREVER,
        }
