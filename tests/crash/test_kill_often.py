"""The same deaths many times each, without a door: what kills, and what recovers, is a process that carries one call.

Each process begins with the recovery from the one before it, and its books are compared with the providers' ledger
before it does anything else; then its call has to work, and then it dies of another. The store is on a memory file
system where there is one: a process that is killed loses nothing that it has written, whether or not it reached a
disk, so there is no disk to wait for.
"""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass

import pytest

from crash.kit import AT_LENGTH, Shop
from crash.test_kill import CALL, CONSENT, HELD, ME, READ, REFRESH, WRITE, Call
from loaner.failpoints import POINTS

pytestmark = pytest.mark.often
OFTEN = 25
SELDOM = 3
"""For what differs from another death by the provider only; in a soak, all die as often."""


@dataclass(frozen=True)
class Death:
    """Where a process dies: at a point, or when a provider mints, revokes or is used."""

    call: Call
    point: str = ""
    struck: tuple[str, str] = ("", "")
    """The event in the ledger, and the kind of token."""
    before: str = ""
    """What is done with the grant first."""

    @property
    def provider(self) -> str:
        return self.call[0].partition("_")[0]


DEATHS = {
    **{f"read at {point}": Death(READ, point) for point in CALL},
    **{f"read at GitHub's {event}": Death(READ, struck=(event, "scoped")) for event in ("mint", "used", "revoke")},
    "write at outcome.written": Death(WRITE, "outcome.written"),
    **{f"refresh at {point}": Death(HELD, point, before="expire") for point in REFRESH},
    "refresh at Linear's mint": Death(HELD, struck=("mint", "refresh"), before="expire"),
    **{f"consent at {point}": Death(HELD, point, before="disconnect") for point in CONSENT},
    "consent at Linear's mint": Death(HELD, struck=("mint", "refresh"), before="disconnect"),
}
ELSEWHERE = {
    **{f"held at {point}": Death(HELD, point) for point in ("intent.written", "call.before", "call.answered")},
    **{f"refresh at GitHub at {point}": Death(ME, point, before="expire") for point in REFRESH},
    "refresh at GitHub's mint": Death(ME, struck=("mint", "refresh"), before="expire"),
    **{f"polling at {point}": Death(ME, point, before="disconnect") for point in CONSENT},
    "polling at GitHub's mint": Death(ME, struck=("mint", "refresh"), before="disconnect"),
}
EVERY = DEATHS | ELSEWHERE


def test_every_point_is_tried_often() -> None:
    assert {death.point for death in DEATHS.values()} == {"", *POINTS}


async def killed(shop: Shop, death: Death, times: int) -> None:
    for left in reversed(range(times + 1)):
        child = await shop.carry(*death.call, point=death.point if left else "", before=death.before)
        shop.books.balance(shop.told())
        child.go()
        assert await child.stops(), shop.log()
        event, kind = death.struck
        with shop.struck(child, event, death.provider, kind) if left and event else contextlib.nullcontext():
            child.go()
            assert await child.wait() == (-signal.SIGKILL if left else 0), shop.log()
    shop.books.balance(await shop.run("recover"))


def each(deaths: dict[str, Death]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("death", deaths.values(), ids=[name.replace(" ", "-") for name in deaths])


@each(DEATHS)
async def test_nothing_is_lost_by_a_process_killed_in_a(linked: Shop, death: Death) -> None:
    await killed(linked, death, OFTEN)


@each(ELSEWHERE)
async def test_nothing_is_lost_elsewhere_by_a_process_killed_in_a(linked: Shop, death: Death) -> None:
    await killed(linked, death, SELDOM)


@pytest.mark.soak
@each(EVERY)
async def test_nothing_is_lost_at_length_by_a_process_killed_in_a(linked: Shop, death: Death) -> None:
    await killed(linked, death, AT_LENGTH)
