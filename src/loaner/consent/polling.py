"""What runs beside the calls: device flows are moved on when their time has come, and what is over is closed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus
from sqlalchemy import Connection

from loaner.background import every
from loaner.clock import Now
from loaner.connectors import Connectors
from loaner.consent import pauses, requests
from loaner.consent.bell import LOOK_AGAIN
from loaner.consent.linking import Linking
from loaner.consent.requests import State
from loaner.identity.caller import Subject
from loaner.store import Store, clock_seen


@dataclass(frozen=True)
class Polling:
    store: Store
    linking: Linking
    connectors: Connectors
    environment: str
    now: Now

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Poll and sweep until cancelled."""
        task_status.started()
        await every(LOOK_AGAIN, self._look, what="moving consents on")

    async def _look(self) -> None:
        await self.poll_due()
        await self.sweep()

    async def poll_due(self) -> None:
        """Move on every device flow whose time has come. Safe to run in several processes."""
        for handle in await self._due():
            if self.linking.transport.unbroken.closing:
                return  # the next process asks
            await self.linking.poll(handle)

    async def sweep(self) -> int:
        """Close what nobody answered, drop what is long over; how many were closed."""

        def work(connection: Connection) -> int:
            at = self.now()
            clock_seen.see(connection, at)
            self.linking.resolver.clock.look(connection, at)
            pauses.sweep(connection, at)
            return requests.sweep(connection, at)

        return await self.store.write(work)

    async def moved_on(self, subject: Subject, provider: str, connector: str) -> bool:
        """Did a device flow of this person end just now, because it was time to ask the provider?"""
        at, moved = self.now(), False
        due = await self._due()
        for asked in await self.store.read(lambda c: requests.open_of(c, subject, at)) if due else ():
            if asked.handle in due and (asked.provider, asked.connector) == (provider, connector):
                moved = await self.advanced(asked.handle) not in requests.OPEN or moved
        return moved

    async def advanced(self, handle: str) -> State | None:
        """The state of a question, once its flow was moved on if it was due."""
        if handle in await self._due():
            await self.linking.poll(handle)
        return await self.state(handle)

    async def state(self, handle: str) -> State | None:
        asked = await self.store.read(lambda c: requests.get(c, handle))
        return asked.state_at(self.now()) if asked else None

    async def _due(self) -> set[str]:
        names = [connector.name for connector in self.connectors]
        due = partial(requests.due, at=self.now(), environment=self.environment, connectors=names)
        return set(await self.store.read(due))
