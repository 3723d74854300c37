"""Pages of the store's own file are rubbish, for real: the agent is told, nothing is lent, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from crash.kit import Shop
from crash.test_full_disk import code, none_alive
from crash.test_kill import READ

RUBBISH = b"\xa5"


@contextmanager
def damaged(shop: Shop, table: str) -> Iterator[None]:
    """This table begins with a page of rubbish. Afterwards somebody has put the page back."""
    with shop.database() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))  # everything is in the one file
        size = connection.execute(text("PRAGMA page_size")).scalar_one()
        first = text("SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name = :name")
        place = (connection.execute(first, {"name": table}).scalar_one() - 1) * size
    with (shop.home / "loaner.db").open("r+b") as file:
        file.seek(place)
        was = file.read(size)
        file.seek(place)
        file.write(RUBBISH * size)
    try:
        yield
    finally:
        with (shop.home / "loaner.db").open("r+b") as file:
            file.seek(place)
            file.write(was)


@pytest.mark.parametrize("table", ["grants", "loans", "fences"])
async def test_what_a_call_rests_on_is_damaged_and_nothing_is_minted(linked: Shop, table: str) -> None:
    before = len(list(linked.ledger))
    with damaged(linked, table):
        server = await linked.serve()
        assert code(await linked.call(*READ)) == "store_unusable"
        assert not server.ended.is_set()
        await server.kill()
    assert len(list(linked.ledger)) == before
    assert "database disk image is malformed" in linked.log()
    linked.books.balance(await linked.run("recover"))
    await linked.works(*READ)


async def test_the_records_are_damaged_and_the_one_of_a_call_is_kept_with_its_loan(linked: Shop) -> None:
    with damaged(linked, "records"):
        server = await linked.serve()
        assert code(await linked.call(*READ)) is None
        await none_alive(linked)
        assert not server.ended.is_set()
        await server.kill()
    found = await linked.run("recover")
    linked.books.balance(found)
    assert found["records"][-1]["tool"] == READ[0], "written once it can be"
