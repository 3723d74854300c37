"""The end of a server that is told to stop, in its order: nothing that was begun is left without an answer.

1. *begun*: readiness is off, so that a balancer sends new requests elsewhere; whoever is held is answered "not yet".
2. *closing*: no connection is accepted any more, and streams end. Calls go on.
3. *cut*: what still asks a provider is ended and told as what it is.
4. *over*: whatever is left is hung up on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import anyio

from loaner.errors import LoanerError, OutcomeUnknown, ProviderUnavailable


class Cuttable(Protocol):
    """The record of a call that may be cut."""

    cut: LoanerError | None
    """Why it was, from then on; it counts in place of a bare cancellation."""

    outcome: str
    provider: str | None
    """Who is asked; ``None`` before that is known, and for what only reads or writes our own store."""

    @property
    def may_have_changed(self) -> bool:
        """Whether a request that changes something may have reached its provider."""
        ...


class Shutdown:
    def __init__(self) -> None:
        self.begun = anyio.Event()
        self.closing = anyio.Event()
        self.cutting = anyio.Event()
        self._calls: list[tuple[Cuttable, anyio.CancelScope]] = []
        self._requests: set[anyio.CancelScope] = set()
        self._streams: set[anyio.CancelScope] = set()

    def begin(self) -> None:
        self.begun.set()

    def close(self) -> None:
        self.begin()
        self.closing.set()
        for scope in self._streams:
            scope.cancel()

    def cut(self) -> None:
        """End every call that is under way; those that have their answer are only being told."""
        self.close()
        self.cutting.set()
        for record, scope in self._calls:
            if record.provider and record.outcome != "ok" and record.cut is None:
                record.cut = _cut_short(record)
                scope.cancel()

    def end(self) -> None:
        self.cut()
        for scope in self._requests:
            scope.cancel()

    @contextmanager
    def call(self, record: Cuttable) -> Iterator[None]:
        """One call. Raises :class:`OutcomeUnknown` or :class:`ProviderUnavailable` where it was cut."""
        if self.cutting.is_set():
            raise _restarting()
        entry = record, anyio.CancelScope()
        self._calls.append(entry)
        try:
            with entry[1]:
                yield
        finally:
            self._calls.remove(entry)
        if entry[1].cancelled_caught and record.cut:
            raise record.cut

    @contextmanager
    def request(self) -> Iterator[anyio.CancelScope]:
        """One HTTP request, to be ended when all is over."""
        scope = anyio.CancelScope()
        self._requests.add(scope)
        try:
            with scope:
                yield scope
        finally:
            self._requests.discard(scope)
            self._streams.discard(scope)

    def is_stream(self, request: anyio.CancelScope) -> None:
        """This request is answered without end: it is over as soon as nothing new is accepted."""
        self._streams.add(request)
        if self.closing.is_set():
            request.cancel()

    async def releases_held(self) -> None:
        """Wait until a held request has to be answered: at once when the end begins. One that comes after that is
        held until nothing new is accepted: answered at once, its client would only come here again."""
        await (self.closing if self.begun.is_set() else self.begun).wait()


def _restarting() -> ProviderUnavailable:
    return ProviderUnavailable(
        "this loaner is being stopped. Nothing was changed.", do="Safe to repeat in 10 s.", log="cut by shutdown"
    )


def _cut_short(record: Cuttable) -> LoanerError:
    if not record.may_have_changed:
        return _restarting()
    return OutcomeUnknown(
        "the write may have happened: this loaner was stopped before the provider answered.",
        do="Check whether it happened before repeating.",
        dont="Don't repeat the call unchecked.",
        log="cut by shutdown",
    )
