"""Blocks: what a person or an operator has stopped, for every process that shares the store.

A block is durable before ``revoke`` does anything else. The transactions that begin a loan, make a credential usable
or put a question to a person look here first, so what is blocked does not start; ``resume`` takes it away.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from shlex import quote
from typing import Literal, Protocol

from sqlalchemy import Connection, delete, insert, select, text

from loaner.clock import iso
from loaner.errors import PolicyDenied
from loaner.store.tables import approvals, blocks, loans, tasks

Kind = Literal["all", "user", "agent", "connector", "environment", "grant"]
_GATE = 0x66656E63  # names the blocks among PostgreSQL's advisory locks

# Built once: putting a statement together costs more than running it.
_ALL = select(blocks).order_by(blocks.c.at)


class Whom(Protocol):
    """Whatever a block may cover: a caller, a loan, a question. The values are those of the store."""

    @property
    def subject(self) -> str: ...
    @property
    def agent(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def connector(self) -> str: ...
    @property
    def grant_id(self) -> str | None: ...


@dataclass(frozen=True)
class Party:
    """Whom a block may stop. Empty where it does not apply: a grant belongs to no agent."""

    subject: str
    """``Subject.key``"""
    agent: str
    """``Agent.key``"""
    environment: str
    connector: str
    grant_id: str | None = None


@dataclass(frozen=True)
class Block:
    """One thing that is stopped, since when, and by whom."""

    kind: Kind
    value: str
    """Whose or which; empty for ``all``. A user or an agent is named alone, or as the store keys them."""
    set_by: str
    at: datetime

    def covers(self, whom: Whom) -> bool:
        match self.kind:
            case "all":
                return True
            case "user":
                return _names(self.value, whom.subject)
            case "agent":
                return _names_agent(self.value, whom.agent)
            case "connector":
                return self.value == whom.connector
            case "environment":
                return self.value == whom.environment
            case "grant":
                return self.value == whom.grant_id

    def told(self) -> str:
        """What is stopped, in words."""
        words = {
            "all": "everything is",
            "user": "this user's calls are",
            "agent": "this agent's calls are",
            "connector": f"calls through the connector {self.value!r} are",
            "environment": f"calls in {self.value!r} are",
            "grant": "calls on this grant are",
        }
        return f"{words[self.kind]} stopped"

    def lifting(self) -> str:
        """The command that lifts it, to be pasted into a shell: an agent chooses its own name."""
        return (
            "loaner resume --all-tokens" if self.kind == "all" else f"loaner resume --{self.kind} {quote(self.value)}"
        )

    def refusal(self) -> PolicyDenied:
        """What a call behind it is told: who stopped it and how it goes on, if it does."""
        ended = "The user ended the grant; repeat the call to be connected again."
        return PolicyDenied(
            f"{self.told()} by {self.set_by} since {iso(self.at)}. Nothing more is sent.",
            rule="block",
            do=ended if self.kind == "grant" else f"Ask {self.set_by} to lift it: {self.lifting()}",
            dont="Don't repeat the call before.",
        )


def _names(value: str, key: str) -> bool:
    """A key is an issuer and a name, with the first space between them."""
    return bool(value) and value in {key, key.partition(" ")[2]}


def _names_agent(value: str, key: str) -> bool:
    """By its key, by its name whatever kind it is of, by kind and name, or as ``verified NAME``."""
    kind, _, rest = key.partition(" ")
    issued = kind not in {"reported", "loaner", "verified"}  # the last is an earlier loaner's word for all that are
    name = rest.partition(" ")[2] if issued else rest
    known = {key, name, f"{kind} {name}", *([f"verified {name}"] if issued else [])}
    return bool(value) and value in known


def listed(connection: Connection) -> list[Block]:
    """Everything that is stopped, the oldest first."""
    return [Block(row.kind, row.value, row.set_by, row.at) for row in connection.execute(_ALL)]


def around(connection: Connection, whom: Whom) -> Block | None:
    """The block that stops them, if one does. In a ``Store.write``: it stands, or none does until the commit."""
    _pass(connection, "pg_advisory_xact_lock_shared")
    return next((block for block in listed(connection) if block.covers(whom)), None)


def agents_behind(connection: Connection, block: Block) -> list[str]:
    """The keys of the agents that it stops, among those that had anything here: a name alone may be several agents'."""
    known = {row.agent for table in (approvals, tasks, loans) for row in connection.execute(select(table.c.agent))}
    return sorted(key for key in known if key and block.covers(Party("", key, "", "")))


def refuse(connection: Connection, whom: Whom) -> None:
    """Raises :class:`PolicyDenied` when blocked. Inside a ``Store.write``."""
    if block := around(connection, whom):
        raise block.refusal()


def put_block(connection: Connection, block: Block) -> None:
    """From the commit on, nothing that it covers begins. One that stands already stays as it was."""
    _pass(connection, "pg_advisory_xact_lock")
    same = (blocks.c.kind == block.kind) & (blocks.c.value == block.value)
    if connection.execute(select(blocks.c.kind).where(same)).first() is None:
        connection.execute(insert(blocks).values(kind=block.kind, value=block.value, set_by=block.set_by, at=block.at))


def lift_block(connection: Connection, kind: Kind, value: str) -> bool:
    """Lift one; whether it stood."""
    same = (blocks.c.kind == kind) & (blocks.c.value == value)
    return connection.execute(delete(blocks).where(same)).rowcount == 1


def _pass(connection: Connection, lock: str) -> None:
    """On PostgreSQL a block waits for the transactions that looked before it, so none of them commits after it."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT {lock}(:gate)"), {"gate": _GATE})
