"""One writer per process that commits in groups, and readers beside it.

A write is a function of a connection, and of nothing else that it changes: it may be run again. The writer takes
every function that waits, runs them in one transaction, and answers them when the commit is durable: the cost of an
fsync is shared by all calls that wait for one.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from loaner.errors import StoreUnusable
from loaner.store import engine as engines
from loaner.store import schema
from loaner.store.sealing import KeyHolder, Sealed
from loaner.store.tags import Tags

Result = TypeVar("Result")
Work = Callable[[Connection], Result]
_BATCH = 256


@dataclass(eq=False)
class _Job:
    work: Work[Any]
    loop: asyncio.AbstractEventLoop
    done: anyio.Event
    result: Any = None
    error: BaseException | None = None


class Store:
    """The database of one loaner. Open it with :func:`open_store`."""

    def __init__(self, engine: Engine, holder: KeyHolder) -> None:
        self.sealed = Sealed(holder)
        self.engine = engine = engine.execution_options(tags=Tags(self.sealed))
        self._looking = engines.reading(engine)
        self._looks_at_once = engines.readers_never_wait(engine)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_forever, name="loaner-writer", daemon=True)
        self._writer.start()
        self._looker: Connection | None = None
        self._look_free = threading.Lock()
        self._open = True
        self._turn = threading.Lock()  # nothing may be queued behind the end

    async def write(self, work: Work[Result]) -> Result:
        """Run ``work`` in a transaction and return its result once it is durable.

        Raises :class:`StoreUnusable` when it could not be stored; ``work``'s own exceptions pass through, and
        then nothing of it is stored. A caller that is cancelled while waiting leaves the write to finish.
        """
        job = _Job(work, asyncio.get_running_loop(), anyio.Event())
        with self._turn:
            if not self._open:
                raise StoreUnusable("the store is closed.")
            self._jobs.put(job)
        await job.done.wait()
        if job.error is not None:
            raise job.error
        result: Result = job.result
        return result

    async def read(self, work: Work[Result]) -> Result:
        """Run ``work`` against a consistent snapshot.

        A look at SQLite takes less time than a worker thread takes to wake, and readers of its WAL wait for nobody;
        so it is done here and now. What reads much asks for :meth:`scan`.
        """
        if self._looks_at_once:
            await anyio.lowlevel.checkpoint()
            return self._look(work)
        return await self.scan(work)

    async def scan(self, work: Work[Result]) -> Result:
        """The same in a worker thread, for what takes long: the whole chain, every open loan."""
        return await anyio.to_thread.run_sync(self.read_now, work)

    def _look(self, work: Work[Result]) -> Result:
        """:meth:`read_now` on a connection that is kept: to take one from the pool costs more than most looks."""
        if not self._look_free.acquire(blocking=False):
            return self.read_now(work)  # another thread's loop is looking
        try:
            self._looker = self._looker or self._looking.connect()
            with self._looker.begin():
                return work(self._looker)
        except SQLAlchemyError as failure:
            self._let_go()
            raise unusable(failure) from None
        finally:
            self._look_free.release()

    def _let_go(self) -> None:
        if self._looker is not None:
            self._looker.close()
            self._looker = None

    def read_now(self, work: Work[Result]) -> Result:
        """The same in this thread, which waits."""
        try:
            with self._looking.connect() as connection:
                return work(connection)
        except SQLAlchemyError as failure:
            raise unusable(failure) from None

    def close(self) -> None:
        """Finish what was accepted, then let go of the database. Idempotent."""
        with self._turn:
            if not self._open:
                return
            self._open = False
            self._jobs.put(None)
        self._writer.join()
        self._let_go()
        self.engine.dispose()

    def _write_forever(self) -> None:
        while (job := self._jobs.get()) is not None:
            batch, ending = [job], False
            while len(batch) < _BATCH:
                try:
                    more = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    ending = True
                    break
                batch.append(more)
            self._commit(batch)
            _answer(batch)
            if ending:
                return

    def _commit(self, batch: list[_Job]) -> None:
        """Make a batch durable: all of it in one transaction, and apart where one of it fails."""
        if self._attempt(batch, _together) or self._attempt(batch, _apart):
            return
        for job in batch:  # one poisoned job must not take its neighbours along
            self._attempt([job], _together)

    def _attempt(self, batch: list[_Job], run: Callable[[Connection, list[_Job]], None]) -> bool:
        """Was it decided what becomes of each job? If not, nothing was stored, and it may be tried another way."""
        for job in batch:
            job.result = job.error = None
        begun = False
        try:
            with self.engine.connect() as connection:  # leaving it takes back what was not committed
                transaction = connection.begin()
                begun = True
                run(connection, batch)
                engines.assure_open(connection)
                try:
                    transaction.commit()
                except SQLAlchemyError as failure:
                    if self.engine.dialect.name == "sqlite":
                        raise  # it is rolled back, for certain
                    # The server may have committed before the line went dead. Done again, it could be done twice.
                    _tell(batch, _unclear(failure))
        except SQLAlchemyError as failure:
            if begun and len(batch) > 1:
                return False
            _tell(batch, unusable(failure))
        except BaseException as refusal:  # noqa: BLE001 - it belongs to the one who waits
            # Whose it is among several is not known. A lone job needs no savepoint: all of it is taken back.
            if len(batch) > 1:
                return False
            _tell(batch, refusal)
        return True


def _together(connection: Connection, batch: list[_Job]) -> None:
    """The usual way, without savepoints: they cost more than most of the work between them."""
    for job in batch:
        job.result = job.work(connection)


def _apart(connection: Connection, batch: list[_Job]) -> None:
    """Each behind its own savepoint, so that what one raises is its own."""
    for job in batch:
        savepoint = connection.begin_nested()
        try:
            job.result = job.work(connection)
            savepoint.commit()
        except BaseException as refusal:  # noqa: BLE001 - it belongs to the one who waits
            savepoint.rollback()  # fails where the whole transaction is gone, and then the batch does
            job.error = unusable(refusal) if isinstance(refusal, SQLAlchemyError) else refusal


def _tell(batch: list[_Job], error: BaseException) -> None:
    for job in batch:
        job.error = job.error or error


def _answer(batch: list[_Job]) -> None:
    """Wake whoever waits, in one visit to their event loop. After the commit, never before."""
    for loop in {id(job.loop): job.loop for job in batch}.values():
        waiting = [job.done for job in batch if job.loop is loop]
        with suppress(RuntimeError):  # it is closed: nobody waits any more
            # Not to wait for it: the next batch begins meanwhile.
            loop.call_soon_threadsafe(_set_all, waiting)


def _set_all(events: list[anyio.Event]) -> None:
    for event in events:
        event.set()


def unusable(failure: SQLAlchemyError) -> StoreUnusable:
    return StoreUnusable("loaner's store cannot be used right now; nothing was done.", log=_reason(failure))


def _unclear(failure: SQLAlchemyError) -> StoreUnusable:
    return StoreUnusable("loaner's store went away while it was written to.", log=f"at commit: {_reason(failure)}")


def _reason(failure: SQLAlchemyError) -> str:
    """The fault in the driver's own words (disk full, read-only, locked); SQLAlchemy's would add the statement."""
    driver: Any = getattr(failure, "orig", None)
    if state := getattr(driver, "sqlstate", None):
        return f"{type(driver).__name__} ({state})"  # PostgreSQL's words may quote the row
    return str(driver or type(failure).__name__)


@asynccontextmanager
async def open_store(url: str, holder: KeyHolder) -> AsyncIterator[Store]:
    """Open the store, bringing its tables up to date first."""
    engine = engines.create(url)
    try:
        await anyio.to_thread.run_sync(schema.bring_up_to_date, engine)
    except SQLAlchemyError as failure:
        engine.dispose()
        raise StoreUnusable(
            "loaner's store cannot be opened.",
            do="Check that the folder of its file, or its server, is there and can be written to.",
            log=_reason(failure),
        ) from None
    except BaseException:
        engine.dispose()
        raise
    store = Store(engine, holder)
    try:
        yield store
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(store.close)
