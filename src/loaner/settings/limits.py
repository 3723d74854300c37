"""How much one peer and one person may take, so that the others are served; and how a server ends."""

from __future__ import annotations

from pydantic import Field

from loaner.settings.sections import _Section


class LimitSettings(_Section):
    """Each counts within one server process; ``docs/operate.md`` says what a proxy in front has to do."""

    connections: int = Field(default=1000, ge=1)
    """Open at the same time, of all peers; less where the system allows fewer files."""
    connections_per_peer: int = Field(default=400, ge=1)
    """Of one address (of one /64 for IPv6). A proxy is one peer for everybody behind it."""
    head_seconds: float = Field(default=10, gt=0)
    """How long a request's first line and headers may take."""
    body_seconds: float = Field(default=30, gt=0)
    """How long a request's body may take."""
    answer_seconds: float = Field(default=60, gt=0)
    """How long a client may leave an answer unread."""
    sign_ins_per_minute: int = Field(default=120, ge=1)
    """Sign-ins that one peer may begin."""
    sessions: int = Field(default=1000, ge=1)
    """MCP sessions of the earlier protocol era, of all people."""
    sessions_per_person: int = Field(default=20, ge=1)
    """One more ends that person's longest idle one."""
    calls_at_once: int = Field(default=32, ge=1)
    """Requests of one person that are under way, held ones included."""
    calls_per_minute: int = Field(default=600, ge=1)
    """Of one person."""
    megabytes_per_minute: int = Field(default=64, ge=4)
    """Of one person's requests."""


class StoppingSettings(_Section):
    """What happens at SIGTERM. Give the process ``drain_seconds + finish_seconds + 25`` until it is killed
    (Kubernetes: ``terminationGracePeriodSeconds``)."""

    drain_seconds: float = Field(default=3, ge=0, le=120)
    """How long new connections are still accepted after readiness went off."""
    finish_seconds: float = Field(default=20, ge=0, le=300)
    """How long requests to providers may go on after that; what is cut then is told as what it is."""
