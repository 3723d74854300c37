"""What the doors need of a loaner, and nothing more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from mcp.server.context import ServerRequestContext

from loaner.audit import Audit
from loaner.clock import Now
from loaner.consent import Standing
from loaner.consent.tasks.tasks import Tasks
from loaner.identity.caller import Caller, Subject
from loaner.identity.host_tasks import HostTasks
from loaner.journey import ToolCall
from loaner.settings import Settings
from loaner.shutdown import Shutdown
from loaner.store import Store


class Offered(Protocol):
    """One operation, as ``tools/list`` shows it."""

    @property
    def tool(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def input_schema(self) -> Mapping[str, Any]: ...
    @property
    def output_schema(self) -> Mapping[str, Any] | None: ...
    @property
    def annotations(self) -> Mapping[str, Any]: ...


class Offering(Protocol):
    @property
    def operations(self) -> Sequence[Offered]: ...
    @property
    def titles(self) -> Sequence[str]: ...


class Payload(Protocol):
    """The answer to a call that went well."""

    @property
    def payload(self) -> Mapping[str, Any]: ...


class Carrier(Protocol):
    async def carry(self, call: ToolCall, caller: Caller) -> Payload: ...


class Decisions(Protocol):
    """What a door asks of pending consents."""

    async def wait_for_decision(self, handle: str, seconds: float) -> str | None:
        """The state of a pending consent once it is decided, or when the time is up; ``None`` if unknown."""
        ...

    async def spend_turn(self, turn: str) -> bool:
        """Whether this turn of waiting is taken for the first time."""
        ...

    async def question(self, handle: str, subject: Subject) -> Any | None:
        """A pending consent of this person; another's is as unknown as none."""
        ...

    async def deny(self, asked: Any, *, proven_by: str) -> None: ...

    async def reaches_person(self, caller: Caller) -> bool:
        """Whether this person ever answered a question of this agent on its page."""
        ...

    async def status(self, caller: Caller) -> Standing: ...
    def code_of(self, asked: Any) -> str: ...
    @property
    def tasks(self) -> Tasks: ...


class Served(Protocol):
    """The part of :class:`loaner.assembly.Loaner` that a door uses."""

    @property
    def settings(self) -> Settings: ...
    @property
    def task_tokens(self) -> HostTasks: ...
    @property
    def now(self) -> Now: ...
    @property
    def store(self) -> Store: ...
    @property
    def catalog(self) -> Offering: ...
    @property
    def journey(self) -> Carrier: ...
    @property
    def consents(self) -> Decisions: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def shutdown(self) -> Shutdown: ...
    @property
    def base_url(self) -> str: ...
    @property
    def way_in(self) -> str: ...


CallerOf = Callable[[ServerRequestContext[Any, Any]], Caller]
"""Each door knows in its own way who sent a request."""
