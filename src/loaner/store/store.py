"""One writer per process that commits in groups, and readers beside it.

A write is a function of a connection. The writer takes every function that waits, runs them in one
transaction, each behind its own savepoint, and answers them when the commit is durable: the cost of an fsync
is shared by all calls that wait for one.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from loaner.errors import StoreUnusable
from loaner.store import engine as engines
from loaner.store import schema
from loaner.store.sealing import KeyHolder, Sealed

Result = TypeVar("Result")
Work = Callable[[Connection], Result]
_BATCH = 256
_Job = tuple[Work[Any], "Future[Any]"]


class Store:
    """The database of one loaner. Open it with :func:`open_store`."""

    def __init__(self, engine: Engine, holder: KeyHolder) -> None:
        self.engine = engine
        self.sealed = Sealed(holder)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_forever, name="loaner-writer", daemon=True)
        self._writer.start()
        self._open = True

    async def write(self, work: Work[Result]) -> Result:
        """Run ``work`` in a transaction and return its result once it is durable.

        Raises :class:`StoreUnusable` when it could not be stored; ``work``'s own exceptions pass through, and
        then nothing of it is stored. A caller that is cancelled while waiting leaves the write to finish.
        """
        if not self._open:
            raise StoreUnusable("the store is closed.")
        future: Future[Result] = Future()
        done = anyio.Event()
        token = anyio.lowlevel.current_token()
        future.add_done_callback(lambda _: anyio.from_thread.run_sync(done.set, token=token))
        self._jobs.put((work, future))
        await done.wait()
        return future.result()

    async def read(self, work: Work[Result]) -> Result:
        """Run ``work`` against a consistent snapshot, in a worker thread."""
        return await anyio.to_thread.run_sync(self.read_now, work)

    def read_now(self, work: Work[Result]) -> Result:
        """The same in this thread."""
        try:
            with self.engine.connect().execution_options(reading=True) as connection:
                return work(connection)
        except SQLAlchemyError as failure:
            raise _unusable(failure) from None

    def close(self) -> None:
        """Finish what was accepted, then let go of the file. Idempotent."""
        if self._open:
            self._open = False
            self._jobs.put(None)
            self._writer.join()
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
            if ending:
                return

    def _commit(self, batch: list[_Job]) -> None:
        """One transaction for the batch. Futures are answered after the commit, never before."""
        answers: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with self.engine.begin() as connection:
                for work, future in batch:
                    savepoint = connection.begin_nested()
                    try:
                        answer = work(connection)
                        savepoint.commit()
                    except SQLAlchemyError:
                        raise
                    except BaseException as refusal:  # noqa: BLE001 - it belongs to the one who waits
                        savepoint.rollback()
                        answers.append((future, None, refusal))
                    else:
                        answers.append((future, answer, None))
        except SQLAlchemyError as failure:
            if len(batch) > 1:  # one poisoned job must not take its neighbours along
                for one in batch:
                    self._commit([one])
                return
            batch[0][1].set_exception(_unusable(failure))
            return
        for future, answer, error in answers:
            if error is None:
                future.set_result(answer)
            else:
                future.set_exception(error)


def _unusable(failure: SQLAlchemyError) -> StoreUnusable:
    # The driver's own words name the fault (disk full, read-only, locked); SQLAlchemy's would add the statement.
    reason = str(getattr(failure, "orig", None) or type(failure).__name__)
    return StoreUnusable("loaner's store cannot be used right now; nothing was done.", log=reason)


@asynccontextmanager
async def open_store(url: str, holder: KeyHolder) -> AsyncIterator[Store]:
    """Open the store, bringing its tables up to date first."""
    engine = engines.create(url)
    try:
        await anyio.to_thread.run_sync(schema.bring_up_to_date, engine)
    except SQLAlchemyError as failure:
        raise StoreUnusable(
            "loaner's store cannot be opened.",
            do="Check that its folder exists and can be written.",
            log=str(getattr(failure, "orig", failure)),
        ) from None
    store = Store(engine, holder)
    try:
        yield store
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(store.close)
