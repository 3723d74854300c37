"""A store that an older loaner made is brought up to date, and what it held without a tag counts for nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, MetaData, Table, inspect, text

from loaner.consent import approvals
from loaner.consent.approvals import ApprovableCall
from loaner.consent.tasks import stored
from loaner.consent.tasks.stored import Holder
from loaner.store import LocalKey, open_store, schema
from loaner.store.tables import metadata

KEY = LocalKey(bytes(range(32)))
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NEW = {
    "approvals": {"effect", "permissions", "ids", "tag"},
    "tasks": {"lifted_at", "tag"},
    "consents": {"tag"},
}
CALL = ApprovableCall(
    "local ada", "reported a", "development", "c", "slack_send_message", "channel:#x", "aa", "1", exact=True
)
OLD_APPROVAL = (
    "INSERT INTO approvals (id, subject, agent, environment, connector, operations, resources, digest, uses_left,"
    " policy_version, proven_by, phrase, created_at, expires_at) VALUES ('1', 'local ada', 'reported a', 'development',"
    " 'c', '[\"slack_send_message\"]', '[\"channel:#x\"]', 'aa', 5, '1', 'passkey', 'post', :at, :until)"
)
OLD_TASK = (
    "INSERT INTO tasks (id, subject, agent, environment, purpose, need, source, policy_version, proven_by,"
    " created_at, expires_at) VALUES ('1', 'local ada', 'reported a', 'development', 'p', 'n', 'agent', '1', 'passkey',"
    " :at, :until)"
)


async def test_the_store_of_an_older_loaner_opens_and_its_untagged_rows_count_for_nothing(store_url: str) -> None:
    async with open_store(store_url, KEY) as store:
        await store.write(_as_before)
    async with open_store(store_url, KEY) as store:
        assert await store.read(schema.current) == schema.HEAD
        found = await store.read(
            lambda c: {name: {one["name"] for one in inspect(c).get_columns(name)} for name in metadata.tables}
        )
        assert found == {name: set(table.columns.keys()) for name, table in metadata.tables.items()}
        assert await store.write(lambda c: approvals.consume(c, CALL, NOW)) is None
        holder = Holder("local ada", "reported a", "development", "1")
        assert await store.read(lambda c: stored.held(c, holder, NOW)) == []
        until = NOW + timedelta(hours=1)
        given = {"uses": 1, "proven_by": "passkey", "phrase": "post", "at": NOW, "until": until}
        await store.write(lambda c: approvals.make(c, CALL, **given))
        assert await store.write(lambda c: approvals.consume(c, CALL, NOW))


def _as_before(connection: Connection) -> None:
    """The tables of the first revision, with a row in each that somebody could have used."""
    for table in (*NEW, "pauses"):
        connection.execute(text(f"DROP TABLE {table}"))
    old = MetaData()
    for name, new in NEW.items():
        columns = [column._copy() for column in metadata.tables[name].columns if column.name not in new]
        Table(name, old, *columns)
    old.tables["approvals"].c.uses_left.nullable = False
    old.create_all(connection)
    connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    moments = {"at": int(NOW.timestamp() * 1000), "until": int((NOW + timedelta(hours=1)).timestamp() * 1000)}
    connection.execute(text(OLD_APPROVAL), moments)
    connection.execute(text(OLD_TASK), moments)
