"""Which grants count where an account is linked: those of the same provider and place that are in use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from house import CONNECTORS, LOCAL, READ, House
from loaner.grants import owners
from loaner.grants.grants import Grant, Granted, grant_of
from loaner.grants.owners import DifferentAccount, SomebodyElses
from loaner.grants.token_endpoint import TokenSet
from loaner.secret import Secret
from loaner.store.tables import grants

SLACK = CONNECTORS[1]
TOKENS = TokenSet(Secret("a"), None, None, None, frozenset())
ELSEWHERE = {"place": "https://elsewhere.example"}


@pytest.fixture
async def connected(local: House) -> House:
    await local.browser(slack="alice").approve((await local.asked(READ)).invitation.url)
    return local


async def with_row(house: House, row: dict[str, Any], work: Callable[[Connection, Grant], Any]) -> Any:
    """``work`` with the grant that was linked, of which the row says this."""
    linked = await house.store.read(lambda c: grant_of(c.execute(select(grants)).one()))

    def altered(connection: Connection) -> Any:
        if row:
            connection.execute(update(grants).values(**row))
        return work(connection, linked)

    return await house.store.write(altered)


@pytest.mark.parametrize(
    ("row", "refused"),
    [
        ({}, True),
        ({"place": None}, True),
        (ELSEWHERE, False),
        ({"subject": "local eve"}, False),
        ({"connector": "slack-prod"}, False),
        ({"environment": "production"}, False),
        ({"state": "revoking"}, False),
    ],
    ids=str,
)
async def test_another_account_than_the_one_in_use_is_refused(connected: House, row: Any, refused: bool) -> None:
    provider = connected.catalog.providers["slack"]

    def another(connection: Connection, linked: Grant) -> Any:
        new = replace(linked, id="new", account_id="U0ANOTHER", account_name="another")
        try:
            owners.refuse_others(connection, new, SLACK, provider)
        except DifferentAccount as failure:
            return type(failure)
        return None

    assert await with_row(connected, row, another) is (DifferentAccount if refused else None)


@pytest.mark.parametrize(
    ("row", "refused"),
    [
        ({}, True),
        ({"place": None}, True),
        ({"state": "disabled"}, True),
        ({"environment": "production", "connector": "slack-prod"}, True),
        (ELSEWHERE, False),
        ({"provider": "linear"}, False),
        ({"account_id": "U0ANOTHER"}, False),
        ({"state": "revoking"}, False),
        ({"state": "revoked"}, False),
    ],
    ids=str,
)
async def test_an_account_of_another_person_is_refused(connected: House, row: Any, refused: bool) -> None:
    provider = connected.catalog.providers["slack"]

    def eves(connection: Connection, linked: Grant) -> Any:
        try:
            owners.refuse_others(connection, replace(linked, id="new", subject="local eve"), SLACK, provider)
        except SomebodyElses as failure:
            return failure.owner
        return None

    assert await with_row(connected, row, eves) == (LOCAL.key if refused else None)


@pytest.mark.parametrize(
    ("row", "known"),
    [
        ({}, True),
        ({"state": "disabled"}, True),
        ({"environment": "production", "connector": "slack-prod"}, True),
        (ELSEWHERE, False),
        ({"provider": "linear"}, False),
        ({"account_id": "U0ANOTHER"}, False),
        ({"subject": "local eve"}, False),
        ({"state": "revoking"}, False),
        ({"version": 0}, False),
    ],
    ids=str,
)
async def test_only_an_account_that_was_connected_is_not_asked_about(connected: House, row: Any, known: bool) -> None:
    """'Is that you?' is left out for nothing less."""
    provider = connected.catalog.providers["slack"]

    def has(connection: Connection, linked: Grant) -> bool:
        account = (linked.account_id, linked.account_name)
        granted = Granted(LOCAL.key, SLACK, provider, "development", TOKENS, account)
        return owners.has(connection, granted)

    assert await with_row(connected, row, has) is known


async def test_a_grant_is_not_in_its_own_way(connected: House) -> None:
    provider = connected.catalog.providers["slack"]

    def renamed(connection: Connection, linked: Grant) -> None:
        owners.refuse_others(connection, replace(linked, account_id="U0ANOTHER"), SLACK, provider)

    await with_row(connected, {}, renamed)
