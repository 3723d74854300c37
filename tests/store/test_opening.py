"""What is opened, who may read it, and what is refused before anything is written."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, inspect, select, text

from databases import Server
from loaner.errors import SettingsInvalid, StoreUnusable
from loaner.store import LocalKey, engine, open_store, schema
from loaner.store.filesystems import network_kind
from loaner.store.tables import facts, metadata

KEY = LocalKey(bytes(range(32)))


def put(name: str, value: str = "x"):
    return lambda c: c.execute(facts.insert().values(name=name, value=value)) and None


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(facts)).scalar_one()


async def test_replicas_that_start_at_once_bring_the_tables_up_together(postgresql: Server, tmp_path: Path) -> None:
    async def start(url: str) -> None:
        async with open_store(url, KEY) as store:
            assert await store.read(schema.current) == schema.HEAD

    for url in (postgresql.database(), f"sqlite:///{tmp_path}/new.db"):
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(start, url)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", "not a database URL"),
        ("postgresql://db.example:port/loaner", "not a database URL"),
        ("mysql://h/x", "no store in mysql"),
        ("sqlite://", "forgets what has to be given back"),
        ("sqlite:///:memory:", "forgets what has to be given back"),
    ],
)
def test_a_url_that_no_store_can_be_kept_at_is_a_clear_error(url: str, told: str) -> None:
    with pytest.raises(SettingsInvalid, match=told):
        engine.create(url)


def test_a_driver_that_is_not_installed_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SettingsInvalid, match="not installed") as told:
        engine.create("postgresql://h/x")
    assert "psycopg[binary]" in told.value.told()


async def test_only_its_owner_can_read_the_store(tmp_path: Path) -> None:
    """MUST 54."""
    file = tmp_path / "s.db"
    async with open_store(f"sqlite:///{file}", KEY) as store:
        await store.write(put("a"))
        modes = {path.name: path.stat().st_mode & 0o777 for path in (file, *tmp_path.glob("s.db-*"))}  # noqa: ASYNC240
        assert set(modes.values()) == {0o600}
    file.chmod(0o640)
    with pytest.raises(SettingsInvalid, match="can be read by others"):
        async with open_store(f"sqlite:///{file}", KEY):
            pass


@pytest.mark.parametrize(
    ("version", "journal"), [((3, 51, 2), "delete"), ((3, 40, 0), "delete"), ((3, 51, 3), "wal"), ((4, 0, 0), "wal")]
)
async def test_an_engine_that_may_damage_a_write_ahead_log_gets_none(
    version: tuple[int, ...], journal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.sqlite(), "sqlite_version_info", version)
    async with open_store(f"sqlite:///{tmp_path}/s.db", KEY) as store:
        await store.write(put("a"))
        assert await store.read(lambda c: c.exec_driver_sql("PRAGMA journal_mode").scalar()) == journal


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:40 / /export rw,relatime - nfs4 files:/export rw,vers=4.2
41 40 8:2 / /export/local\\040disk rw - xfs /dev/sdb rw
50 22 0:50 / /mnt/over rw - nfs files:/x rw
51 22 8:3 / /mnt/over rw - ext4 /dev/sdc rw
60 22 0:60 / /srv rw - cifs //files/srv rw
61 22 0:61 / /mnt/remote rw - fuse.sshfs me@files: rw
"""


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("/var/lib/loaner.db", None),
        ("/export/me/loaner.db", "nfs4"),
        ("/export/local disk/loaner.db", None),
        ("/homeless/loaner.db", None),
        ("/mnt/over/loaner.db", None),
        ("/srv/loaner/loaner.db", "cifs"),
        ("/mnt/remote/loaner.db", "fuse.sshfs"),
    ],
)
def test_a_network_file_system_is_known_by_its_mount(file: str, kind: str | None, tmp_path: Path) -> None:
    (mounts := tmp_path / "mountinfo").write_text(MOUNTS)
    assert network_kind(Path(file), mounts) == kind
    assert network_kind(Path(file), tmp_path / "none") is None


async def test_a_store_on_a_network_file_system_has_no_write_ahead_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its users on several computers do not share the memory that it needs; one with it is not taken over."""
    async with open_store(f"sqlite:///{tmp_path}/local.db", KEY) as local:
        assert await local.read(lambda c: c.exec_driver_sql("PRAGMA journal_mode").scalar()) == "wal"
        monkeypatch.setattr(engine, "network_kind", lambda _: "nfs4")
        monkeypatch.setattr(engine, "BUSY_MS", 20)
        with pytest.raises(StoreUnusable):
            async with open_store(f"sqlite:///{tmp_path}/local.db", KEY):
                pass
    async with open_store(f"sqlite:///{tmp_path}/shared.db", KEY) as store:
        await store.write(put("a"))
        assert await store.read(lambda c: c.exec_driver_sql("PRAGMA journal_mode").scalar()) == "delete"


async def test_an_engine_that_may_damage_the_log_of_a_newer_one_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_MS", 20)
    url = f"sqlite:///{tmp_path}/s.db"
    async with open_store(url, KEY) as newer:
        await newer.write(put("a"))
        with monkeypatch.context() as older:
            older.setattr(engine.sqlite(), "sqlite_version_info", (3, 45, 1))
            with pytest.raises(StoreUnusable):
                async with open_store(url, KEY):
                    pass
        assert await newer.read(count) == 1


async def test_the_store_of_a_newer_loaner_is_refused_and_left_alone(store_url: str) -> None:
    async with open_store(store_url, KEY) as store:
        await store.write(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '0999'")) and None)
    with pytest.raises(StoreUnusable, match="newer loaner") as told:
        async with open_store(store_url, KEY):
            pass
    assert "0999" in told.value.told()


async def test_the_newest_revision_is_the_one_that_migrations_end_at(store_url: str) -> None:
    config = Config()
    config.set_main_option("script_location", "loaner.store:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == schema.HEAD
    async with open_store(store_url, KEY) as store:
        assert await store.read(schema.current) == schema.HEAD
        tables = await store.read(lambda c: set(inspect(c).get_table_names()))
    assert tables == set(metadata.tables) | {"alembic_version"}
