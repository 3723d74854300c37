"""An approval is for one person, agent, environment, connector, operation, resource and policy, and is used up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from loaner.consent import approvals
from loaner.consent.approvals import ApprovableCall, Approval
from loaner.grants import endings
from loaner.store import LocalKey, Store, open_store
from loaner.store.tables import approvals as table

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CALL = ApprovableCall(
    subject="local ada",
    agent="reported claude-code",
    environment="development",
    connector="slack-dev",
    operation="slack_send_message",
    resource="channel:#releases",
    digest="aa",
    policy_version="builtin-1",
    exact=True,
)
LOOSE = replace(CALL, exact=False)


async def approve(store: Store, call: ApprovableCall = CALL, uses: int = 1) -> str:
    return await store.write(
        lambda c: approvals.make(
            c, call, uses=uses, proven_by="local-browser", phrase="post one message", at=NOW, until=NOW + HOUR
        )
    )


async def consume(store: Store, call: ApprovableCall, at: datetime = NOW) -> Approval | None:
    return await store.write(lambda c: approvals.consume(c, call, at))


async def test_an_approval_serves_its_call_once(store: Store) -> None:
    await approve(store)
    assert await consume(store, CALL)
    assert await consume(store, CALL) is None


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(
    "other",
    [
        {"subject": "local eve"},
        {"agent": "verified claude-code"},
        {"agent": "reported another"},
        {"environment": "production"},
        {"connector": "slack-prod"},
        {"operation": "slack_delete_message"},
        {"resource": "channel:#general"},
        {"policy_version": "builtin-2"},
    ],
    ids=str,
)
async def test_one_thing_changed_asks_again(store: Store, other: dict[str, str], wide: bool) -> None:
    """MUST 27, 28: whether it was for exact arguments or for an hour."""
    await approve(store, LOOSE if wide else CALL, uses=5)
    assert await consume(store, replace(LOOSE, **other)) is None
    assert await consume(store, LOOSE)


async def test_other_arguments_need_a_wider_approval(store: Store) -> None:
    """MUST 27."""
    await approve(store)
    for call in (CALL, LOOSE):
        assert await consume(store, replace(call, digest="bb")) is None
    await approve(store, LOOSE)
    assert await consume(store, replace(LOOSE, digest="bb"))


async def test_a_wider_approval_is_not_enough_for_what_must_be_exact(store: Store) -> None:
    """MUST 28."""
    await approve(store, LOOSE)
    assert await consume(store, CALL) is None


async def test_the_narrowest_approval_is_used_first(store: Store) -> None:
    wide = await approve(store, LOOSE, uses=5)
    exact = await approve(store)
    used = [await consume(store, LOOSE), await consume(store, LOOSE)]
    assert [one.id for one in used if one] == [exact, wide]


async def test_an_approval_ends_with_its_time_or_its_person(store: Store) -> None:
    approval = await approve(store, uses=5)
    assert await consume(store, CALL, NOW + HOUR) is None
    assert not await store.write(lambda c: approvals.end(c, approval, "local eve", NOW))
    assert await consume(store, CALL)
    assert await store.write(lambda c: approvals.end(c, approval, "local ada", NOW))
    assert await consume(store, CALL) is None


async def test_a_use_is_given_back_unless_it_was_ended(store: Store) -> None:
    approval = await approve(store)
    await consume(store, CALL)
    await store.write(lambda c: approvals.give_back_use(c, approval))
    assert await consume(store, CALL)
    await store.write(lambda c: approvals.end(c, approval, "local ada", NOW))
    await store.write(lambda c: approvals.give_back_use(c, approval))
    assert await consume(store, CALL) is None


@pytest.mark.parametrize(("uses", "lasting"), [(0, HOUR), (-1, HOUR), (1, timedelta(0)), (1, -HOUR)])
async def test_an_approval_that_is_none_is_refused(store: Store, uses: int, lasting: timedelta) -> None:
    with pytest.raises(ValueError, match="at least one use"):
        await store.write(
            lambda c: approvals.make(c, CALL, uses=uses, proven_by="x", phrase="x", at=NOW, until=NOW + lasting)
        )


async def test_of_many_takers_in_several_stores_the_uses_decide(store: Store) -> None:
    """One atomic statement, across processes: here across engines on the same file."""
    await approve(store, uses=7)
    url = store.engine.url.render_as_string(hide_password=False)
    async with open_store(url, LocalKey(bytes(32))) as other:

        def take(turn: int) -> bool:
            engine = (store, other)[turn % 2].engine
            with engine.begin() as connection:
                return approvals.consume(connection, CALL, NOW) is not None

        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(take, range(24)))
    assert sum(taken) == 7


async def test_a_use_that_was_taken_between_looking_and_taking_is_not_taken_again(store: Store) -> None:
    approval = await approve(store)
    fitting = approvals._matching

    def work(connection: object) -> object:
        found = fitting(connection, CALL, NOW)  # type: ignore[arg-type]
        connection.execute(update(table).where(table.c.id == approval).values(uses_left=0))  # type: ignore[attr-defined]
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(approvals, "_matching", lambda *_: found)
            return approvals.consume(connection, CALL, NOW)  # type: ignore[arg-type]

    assert await store.write(work) is None


WORKFLOWS = frozenset({"contents:write", "workflows:write"})
FILES = replace(LOOSE, permissions=frozenset({"contents:write"}), digest="ff")


@pytest.mark.parametrize("wide", [False, True])
async def test_what_needs_more_than_was_shown_asks_again(store: Store, wide: bool) -> None:
    """MUST 28: the width of an approval is what the person was shown, not what its tool can come to need."""
    await approve(store, replace(FILES, exact=not wide), uses=5)
    assert await consume(store, replace(FILES, permissions=WORKFLOWS)) is None
    assert await consume(store, replace(FILES, permissions=frozenset()))
    assert await consume(store, FILES)


async def test_an_alternative_counts_where_it_was_shown(store: Store) -> None:
    other = frozenset({"pull_requests:write"})
    await approve(store, FILES)
    assert await consume(store, replace(FILES, permissions=other)) is None
    await approve(store, replace(FILES, alternatives=(other,)))
    taken = await consume(store, replace(FILES, permissions=other))
    assert taken
    assert taken.covers(other)
    assert not taken.covers(other | FILES.permissions)  # one set or the other, never both


async def test_another_id_behind_the_same_name_asks_again(store: Store) -> None:
    """MUST 28: a name can change hands."""
    known = replace(LOOSE, ids={"channel:#releases": "C02"})
    await approve(store, known, uses=5)
    assert await consume(store, replace(known, ids={"channel:#releases": "C03"})) is None
    assert await consume(store, known)
    assert await consume(store, replace(known, ids={}))  # nobody knows it yet


async def test_a_yes_to_a_name_stays_with_the_first_thing_that_it_was_found_to_be(store: Store) -> None:
    """MUST 28: also where two calls under one yes find two."""
    approval = await approve(store, uses=2)

    async def pinned(known: str) -> bool:
        return await store.write(lambda c: approvals.pin(c, approval, {"channel:#releases": known}))

    assert [await pinned(one) for one in ("C02", "C03", "C02")] == [True, False, True]
    assert await store.write(lambda c: approvals.pin(c, "no such", {})) is False


READING = replace(LOOSE, operation="slack_read_channel", effect="read", permissions=frozenset({"channels:history"}))


async def reading(store: Store, **columns: Any) -> None:
    shared = {"subject": CALL.subject, "environment": CALL.environment, "connector": CALL.connector}
    given = {"id": "r" * 32, "agent": "*", "operations": [], "resources": ["*"], "effect": "read", "uses_left": None}
    proof = {"policy_version": CALL.policy_version, "proven_by": "passkey", "phrase": "read"}
    times = {"created_at": NOW, "expires_at": NOW + HOUR}
    row = shared | given | proof | times | columns
    await store.write(lambda c: approvals.add(c, **row))


ONE_TOOL = {
    "effect": None,
    "agent": CALL.agent,
    "operations": ["slack_read_channel"],
    "resources": ["channel:#releases"],
}


async def test_a_reading_approval_covers_reads_and_nothing_else(store: Store) -> None:
    await reading(store)
    for _ in range(3):
        assert await consume(store, READING)  # not counted, and so not given back
        await store.write(lambda c: approvals.give_back_use(c, "r" * 32))
    assert await consume(store, replace(READING, operation="slack_get_channel", resource="channel:#other"))
    assert await consume(store, replace(READING, agent="reported another"))
    assert await consume(store, replace(READING, effect="write")) is None
    assert await consume(store, replace(READING, exact=True)) is None
    assert await consume(store, replace(READING, connector="slack-prod")) is None
    assert await consume(store, replace(READING, subject="local eve")) is None
    assert await consume(store, replace(READING, in_task=True)) is None  # the task says what may be read
    assert await consume(store, replace(READING, task="t")) is None


@pytest.mark.parametrize(
    "other", [{"connector": "slack-prod"}, {"environment": "production"}, {"subject": "local eve"}]
)
async def test_what_was_agreed_to_be_read_ends_with_its_own_account_alone(store: Store, other: dict[str, str]) -> None:
    await reading(store)
    await reading(store, id="o" * 32, **other)
    await approve(store)
    account = {"subject": CALL.subject, "connector": CALL.connector, "environment": CALL.environment}
    assert await store.write(lambda c: endings.end_reading(c, NOW, **account)) == 1
    assert await consume(store, READING) is None
    assert await consume(store, replace(READING, **other))  # type: ignore[arg-type]
    assert await consume(store, CALL), "what is written is another matter"


@pytest.mark.parametrize(
    ("columns", "fits"),
    [
        ({"operations": ["slack_read_channel"]}, True),
        ({"operations": ["slack_get_channel"]}, False),
        ({"resources": ["channel:#releases"]}, True),
        ({"resources": ["channel:#general"]}, False),
        ({"permissions": [["channels:history"]]}, True),
        ({"permissions": [["channels:read"]]}, False),
        (ONE_TOOL | {"agent": "*", "permissions": [["channels:history"]]}, False),  # a star is one of these alone
        ({"effect": "write"}, False),
        (ONE_TOOL | {"permissions": [["channels:history"]]}, True),
        (ONE_TOOL, False),  # any other approval that names no permissions was shown none
    ],
    ids=str,
)
async def test_a_reading_approval_is_bounded_by_what_it_names(store: Store, columns: Any, fits: bool) -> None:
    await reading(store, **columns)
    assert (await consume(store, READING) is not None) is fits


@pytest.mark.parametrize(
    "column",
    [c.name for c in table.columns if c.name != "tag"],
)
async def test_a_row_altered_in_the_table_counts_for_nothing(store: Store, column: str) -> None:
    """MUST 28: whoever can write to the database, but has no key, cannot widen an approval, lengthen or renew it."""
    await approve(store, LOOSE, uses=5)
    other: Any = {
        "operations": ["slack_send_message", "slack_delete_message"],
        "resources": ["channel:#releases", "channel:#general"],
        "permissions": [[], ["admin"]],
        "ids": {"channel:#general": "C1"},
        "fixed": {"text": "hi"},
        "uses_left": 100,
        "created_at": NOW - HOUR,
        "expires_at": NOW + 9 * HOUR,
        "ended_at": NOW,
    }.get(column, "other")
    await store.write(lambda c: c.execute(update(table).values({column: other})) and None)
    assert await store.read(lambda c: approvals.rows_of(c, table.c.id.is_not(None))) == []


async def test_a_row_that_somebody_else_put_in_counts_for_nothing(store: Store) -> None:
    """MUST 28."""
    row = {"id": "f" * 32, "subject": CALL.subject, "agent": CALL.agent, "environment": CALL.environment}
    row |= {"connector": CALL.connector, "operations": [CALL.operation], "resources": [CALL.resource], "uses_left": 9}
    row |= {"policy_version": CALL.policy_version, "proven_by": "passkey", "phrase": "x", "permissions": [[]]}
    row |= {"created_at": NOW, "expires_at": NOW + HOUR}
    for tag in (None, "", "0" * 64):
        await store.write(lambda c, row=row | {"tag": tag}: c.execute(table.insert().values(**row)) and None)
        assert await consume(store, LOOSE) is None
        await store.write(lambda c: c.execute(table.delete()) and None)


async def test_another_stores_tag_does_not_fit(store: Store, store_url: str) -> None:
    await approve(store, LOOSE)
    async with open_store(store_url, LocalKey(bytes(range(1, 33)))) as other:
        assert await consume(other, LOOSE) is None
    assert await consume(store, LOOSE)
