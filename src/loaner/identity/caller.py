"""Who asks: which person, through which agent, in which environment, from where. Values only.

Over stdio the person is the local user (:mod:`.local_person`) and the agent is what the client says of itself
(*reported*); over HTTP both come from an access token that was checked (:mod:`.access_tokens`, *verified*).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NewType

LOCAL: Final = "local"
"""The issuer of a person who is vouched for by the operating system."""


@dataclass(frozen=True)
class Subject:
    """The person on whose behalf a call is made. Never an email or a display name."""

    issuer: str
    sub: str

    @property
    def key(self) -> str:
        """One string for the store; unambiguous, as an issuer is a URL or ``local`` and holds no space."""
        return f"{self.issuer} {self.sub}"


AgentKind = Literal["client", "actor", "workload", "reported", "loaner"]
"""Who vouches for an agent's name: an issuer for the ``client`` of its token, or for the ``actor`` in it; a job's own
issuer for a ``workload``; nobody for what is ``reported``. ``loaner`` is this program, on a person's behalf."""
VERIFIED: Final = frozenset({"client", "actor", "workload"})


@dataclass(frozen=True)
class Agent:
    """The software that asks, what kind of name it has, and which issuer gave it."""

    name: str
    kind: AgentKind = "reported"
    issuer: str = ""
    """Empty where no issuer vouches for it."""
    version: str | None = None

    @property
    def verified(self) -> bool:
        """Does an issuer vouch for the name?"""
        return self.kind in VERIFIED

    @property
    def key(self) -> str:
        """One string for the store. The same name of another kind or issuer is another agent."""
        return " ".join((self.kind, *((self.issuer or "-",) if self.verified else ()), self.name))

    @property
    def standing(self) -> str:
        return f"verified {self.kind}" if self.verified else "reported, not verified"

    def recorded(self) -> dict[str, Any]:
        """As a record has it."""
        return {
            "agent": self.name,
            "agent_version": self.version,
            "agent_verified": self.verified,
            "agent_kind": self.kind,
            "agent_issuer": self.issuer or None,
        }

    def stored(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Agent:
        """One that was :meth:`stored`; of an earlier loaner's, which knew no issuer, nothing is taken on trust."""
        kind = stored.get("kind", "reported")
        return cls(stored["name"], kind, stored.get("issuer", ""), stored.get("version"))


def is_reserved(name: str) -> bool:
    """Would an agent of this name pass for loaner itself?"""
    return name.casefold().partition(" ")[0] == "loaner"


@dataclass(frozen=True)
class HostTask:
    """What the host of a request signed that it is for; the call is bound to it. ``TaskTokens`` alone makes one."""

    id: str
    """Of its issuer and ``jti``."""
    issuer: str
    wanted: Mapping[str, Any]
    """As an agent would propose it."""
    issued: datetime
    ends: datetime
    agreed: bool
    """Its issuer speaks for the person, who is not asked."""


@dataclass(frozen=True)
class Caller:
    subject: Subject
    agent: Agent
    environment: str
    origin: str
    """Where the call came from, as loaner observed it: ``this computer (stdio, pid 4121)``."""
    display: str = ""
    """A name to show to this same person; nothing is decided by it."""
    task: HostTask | None = field(default=None, compare=False)
    """What this one request is bound to; it is no part of who asks."""

    @property
    def key(self) -> str:
        """Names one (subject, agent, environment), for handles that belong to all three."""
        return hashlib.sha256(f"{self.subject.key}\x1f{self.agent.key}\x1f{self.environment}".encode()).hexdigest()


UnverifiedToken = NewType("UnverifiedToken", str)
"""An access token as it came in: nothing in it may be believed."""
