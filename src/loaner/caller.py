"""Who asks: which person, through which agent, in which environment, from where.

A :class:`Caller` is only ever made here. Over stdio the person is the local user and the agent is what the
client says of itself (*reported*); over HTTP both come from an access token that was checked (*verified*).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    """The person on whose behalf a call is made. Never an email or a display name."""

    issuer: str
    sub: str

    @property
    def key(self) -> str:
        """One string for the store; unambiguous, as an issuer is a URL or ``local`` and holds no space."""
        return f"{self.issuer} {self.sub}"


@dataclass(frozen=True)
class Agent:
    """The software that asks, and whether anyone vouches for its name."""

    name: str
    verified: bool
    version: str | None = None

    @property
    def key(self) -> str:
        """A reported name never equals a verified one."""
        return f"{'verified' if self.verified else 'reported'} {self.name}"

    @property
    def standing(self) -> str:
        return "verified" if self.verified else "reported, not verified"


@dataclass(frozen=True)
class Caller:
    subject: Subject
    agent: Agent
    environment: str
    origin: str
    """Where the call came from, as loaner observed it: ``this computer (stdio, pid 4121)``."""
    display: str = ""
    """A name to show to this same person; nothing is decided by it."""

    @property
    def key(self) -> str:
        """Names one (subject, agent, environment), for handles that belong to all three."""
        joined = f"{self.subject.key}\x1f{self.agent.key}\x1f{self.environment}"
        return hashlib.sha256(joined.encode()).hexdigest()
